"""A server of the Model Context Protocol that behaves as it is told: python fake_server.py [MODE …]."""

import json
import os
import subprocess
import sys
import time

MODES = sys.argv[1:]
TOOLS = {
    "echo": {"text": {"type": "string"}},
    "environment": {},
    "die": {},
    "hang": {},
    "flood": {},
    "flood_in_one_line": {},
    "long": {},
    "fail": {},
    "picture": {},
    "child": {},
    "pid": {},
    "bye": {},
    "nonsense": {},
}


def say(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(content, failed=False):
    return {"content": [{"type": "text", "text": content}], "isError": failed}


def misbehave(name):
    if name == "die":
        sys.stderr.write(f"fatal: {os.environ.get('API_KEY', 'nothing')}\n")
        sys.stderr.flush()
        os._exit(3)
    if name == "hang":
        time.sleep(600)
    if name == "flood":
        while True:
            note = {"level": "info", "data": "x" * 1000}
            say({"method": "notifications/message", "params": note})
    if name == "flood_in_one_line":
        while True:
            sys.stdout.write("x" * 65536)


def use(name, arguments):
    misbehave(name)
    if name == "child":
        child = subprocess.Popen(["sleep", "600"], stdout=sys.stdout)
        return text(str(child.pid))
    if name == "nonsense":
        return {"content": "this is no list\n" * 100}
    if name == "picture":
        return {"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}
    return text(
        *{
            "echo": lambda: [arguments.get("text", "")],
            "environment": lambda: [json.dumps(dict(os.environ))],
            "long": lambda: ["y" * 100_000],
            "fail": lambda: ["no such city", True],
            "pid": lambda: [str(os.getpid())],
            "bye": lambda: ["bye"],
        }[name]()
    )


def answer(method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "fake", "version": "1"},
        }
    if method == "tools/list":
        return {
            "tools": [
                {"name": name, "inputSchema": {"type": "object", "properties": properties}}
                for name, properties in TOOLS.items()
            ]
        }
    return use(params["name"], params.get("arguments") or {})


if "greets" in MODES:
    sys.stdout.write("Welcome to the fake server!\n")
    sys.stdout.flush()
if "hangs" in MODES:
    time.sleep(600)
if "leaves" in MODES:
    sys.exit("cannot find the database")
if "stays" in MODES:
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        params = request.get("params") or {}
        say({"id": request["id"], "result": answer(request["method"], params)})
        if params.get("name") == "bye":
            os._exit(0)
if "stays" in MODES:
    time.sleep(600)
