"""A PostgreSQL of this machine for a test, where the system has one; it listens on loopback and is gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def programs() -> Path | None:
    """Return the folder of the server's programs, or None."""
    found = [folder for folder in FOLDERS if (folder / "initdb").exists()]
    on_path = shutil.which("initdb")
    return found[0] if found else Path(on_path).parent if on_path else None


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server and give the address of its owner, whose password is `owner`."""
    folder = programs()
    assert folder is not None
    user = _user()
    with tempfile.TemporaryDirectory(prefix="tw-pg-", dir="/tmp") as made:
        data = Path(made) / "data"
        password = Path(made) / "password"
        password.write_text("owner")
        if user is not None:
            shutil.chown(made, user)
            shutil.chown(password, user)
        options = ["-D", str(data), "-U", "owner", f"--pwfile={password}", "-A", "scram-sha-256"]
        _run(user, folder / "initdb", "--no-sync", *options)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        )
        start = ["start", "-w", "-t", "60", "-D", str(data), "-o", settings, "-l", f"{made}/log"]
        _run(user, folder / "pg_ctl", *start)
        try:
            yield f"postgresql://owner:owner@127.0.0.1:{port}/postgres"
        finally:
            _run(user, folder / "pg_ctl", "stop", "-D", str(data), "-m", "immediate")


def _user() -> str | None:
    """Return who runs the server: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    pwd.getpwnam("postgres")
    return "postgres"


def _run(user: str | None, program: Path, *words: str) -> None:
    subprocess.run(
        [str(program), *words],
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a server that is started would hold a pipe open
        check=True,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
    )
