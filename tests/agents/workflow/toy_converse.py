"""A stand-in for `agents.worker.converse`: an interpreter that speaks the same lines in milliseconds, whatever it is told to run.

`install` writes it to a folder. What it does is said by the last message: `die`, `refuse`, `sleep`, or it repeats it.
"""

import sys
from pathlib import Path

PROGRAM = """
import json, os, sys, threading, queue, time
from pathlib import Path

spec = json.loads(sys.stdin.readline())
with open({starts!r}, "a") as starts:
    starts.write(json.dumps({{"pid": os.getpid(), "spec": spec}}) + "\\n")
asked, unwanted = queue.Queue(), set()

def listen():
    for line in sys.stdin:
        message = json.loads(line)
        unwanted.add(message["stop"]) if "stop" in message else asked.put(message)
    os._exit(75)

def say(**message):
    print(json.dumps(message), flush=True)

threading.Thread(target=listen, daemon=True).start()
if spec.get("base", {{}}).get("name") == "broken":
    say(fatal="The model 'broken' has no weights. Choose another model.")
    sys.exit()
say(ready=True)
while True:
    request = asked.get()
    number = request["id"]
    if "texts" in request:
        say(id=number, done="stop", vectors=[[float(len(text)), 1.0] for text in request["texts"]])
        continue
    last = request["messages"][-1]["content"]
    if last == "die":
        os._exit(9)
    if last == "die once" and not Path({starts!r}).read_text().count("\\n") > 1:
        os._exit(9)
    if last == "refuse":
        say(id=number, error="The prompt has 9 tokens, and this model reads 3.")
        continue
    said = [json.dumps(request)] if last == "all" else last.split(" ")
    for place, word in enumerate(said):
        say(id=number, text=word if place == 0 else " " + word)
        while last == "sleep" and number not in unwanted:
            time.sleep(0.01)
    say(id=number, done="stop", prompt_tokens=3, reply_tokens=len(said))
"""


def install(folder: Path) -> tuple[Path, Path]:
    """Write the program; return it, and the file in which each start of it is noted."""
    program, starts = folder / "python", folder / "starts.jsonl"
    program.write_text(f"#!{sys.executable}\n" + PROGRAM.format(starts=str(starts)))
    program.chmod(0o700)
    return program, starts
