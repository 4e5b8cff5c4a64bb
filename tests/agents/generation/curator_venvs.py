"""Virtual environments with curator in them: a stand-in that behaves as it does towards us, and the real one.

Each is made anew, with a hook that writes down every connection and every name that is looked up.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

REAL = os.environ.get("CURATOR_VENV")
"""A virtual environment in which `tunewright install curator` has installed it."""
AUDIT = """
import json, sys

def _note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        where = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        where = where[0] if isinstance(where, tuple) else where
        where = where.decode() if isinstance(where, bytes) else where
        with open({path!r}, "a") as file:
            file.write(json.dumps([event, where]) + "\\n")

sys.addaudithook(_note)
"""
CURATOR = """
import hashlib, json, os, threading, urllib.request
from concurrent.futures import ThreadPoolExecutor
from bespokelabs.curator.request_processor.online import openai_online_request_processor as online

class LLM:
    response_format = None

    def __init__(self, model_name, backend, generation_params, backend_params):
        assert backend == "openai", backend
        assert os.environ["TELEMETRY_ENABLED"] == "false"
        self.model_name, self.params, self.more = model_name, backend_params, generation_params
        self.processor = online.OpenAIOnlineRequestProcessor(self)
        self.processor.get_header_based_rate_limits()

    def ask(self, messages, schema):
        body = {"model": self.model_name, "messages": messages, **self.more}
        if schema:
            told = {"name": "output_schema", "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": told}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
        url = self.params["base_url"] + "/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request, timeout=self.params["request_timeout"]))

    def __call__(self, dataset, working_dir):
        assert self.processor.check_structured_output_support()
        print_of = hashlib.sha256(json.dumps(dataset).encode()).hexdigest()[:16]
        folder = os.path.join(working_dir, print_of)
        os.makedirs(folder, exist_ok=True)
        path, lock = os.path.join(folder, "responses_0.jsonl"), threading.Lock()
        def one(row):
            reply = said = None
            for attempt in range(1 + self.params["max_retries"]):
                try:
                    reply = self.ask(self.prompt(row), self.response_format.model_json_schema())
                    said = reply["choices"][0]["message"]["content"]
                    self.parse(row, self.response_format.model_validate_json(said))
                    break
                except Exception as error:
                    print(type(error).__name__, error, flush=True)
                    said = None
            usage = reply["usage"] if reply else {}
            line = {
                "response_message": said,
                "response_errors": None if said else ["it failed"],
                "generic_request": {"original_row": row},
                "token_usage": {"input": usage.get("prompt_tokens"), "output": usage.get("completion_tokens")},
            }
            with lock, open(path, "a") as file:
                file.write(json.dumps(line) + "\\n")
                file.flush()
            return said
        with ThreadPoolExecutor(self.params["max_concurrent_requests"]) as pool:
            if not any(list(pool.map(one, dataset))):
                raise ValueError("All requests failed.")
"""
ONLINE = """
class OpenAIOnlineRequestProcessor:
    def __init__(self, llm):
        self.llm = llm

    def get_header_based_rate_limits(self):
        self.llm.ask([], None)

    def check_structured_output_support(self):
        self.llm.ask([{"role": "user", "content": "Jason is 25 years old."}], None)
        return True
"""
DATASETS = """
class Dataset(list):
    @classmethod
    def from_list(cls, rows):
        return cls(rows)
"""
ELSEWHERE = """
import socket, urllib.request
for reach in (
    lambda: urllib.request.urlopen("http://telemetry.example.org/", timeout=2),
    lambda: socket.create_connection(("192.0.2.7", 80), timeout=2),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.9", 53)),
):
    try:
        reach()
        print("REACHED", flush=True)
    except OSError as error:
        print("kept in:", error, flush=True)
"""


def venv(folder: Path, site: str, audit: Path) -> Path:
    """Make a virtual environment that has all packages of another one beside its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (own,) = folder.glob("lib/python3*/site-packages")
    (own / "others.pth").write_text(f"{site}\n")
    (own / "sitecustomize.py").write_text(AUDIT.format(path=str(audit)))
    return own


def stand_in(folder: Path, audit: Path, *, reaches_out: bool = False) -> Path:
    """Make one with a package that does what curator does, as far as we see it."""
    own = venv(folder, sysconfig.get_path("purelib"), audit)
    online = own / "bespokelabs/curator/request_processor/online"
    online.mkdir(parents=True)
    for inner in (online, online.parent, own / "bespokelabs"):
        (inner / "__init__.py").touch()
    (online / "openai_online_request_processor.py").write_text(ONLINE)
    (own / "bespokelabs/curator/__init__.py").write_text(
        CURATOR + (ELSEWHERE if reaches_out else "")
    )
    (own / "datasets").mkdir()
    (own / "datasets/__init__.py").write_text(DATASETS)
    (own / "bespokelabs_curator-0.1.31.dist-info").mkdir()
    return folder


def real(folder: Path, audit: Path) -> Path:
    """Make one with the real packages."""
    assert REAL is not None
    (site,) = Path(REAL).glob("lib/python3*/site-packages")
    own = venv(folder, str(site), audit)
    for name in ("litellm", next(site.glob("bespokelabs_curator-*.dist-info")).name):
        (own / name).symlink_to(site / name)
    return folder
