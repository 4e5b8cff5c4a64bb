"""Files that go with a prompt: texts are put below it, between lines that say where each begins and ends; images go beside it.

PDF and Word files are read by a program of their own (`document_program`), under limits: what somebody made may be a bomb.
"""

import asyncio
import base64
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.workflow import document_program
from agents.workflow.model import State
from agents.workflow.reach import NotFound, Reach
from agents.workflow.world import StateError

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
DOCUMENTS = frozenset({".pdf", ".docx"})
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_TEXT_CHARS = 200_000
"""Of one file; more than the models that these workflows are written for can read."""
MAX_ALL_CHARS = 400_000
"""Of all texts in one prompt."""
MAX_ALL_IMAGE_BYTES = 40 * 1024 * 1024
MAX_FILES = 32
TIMEOUT_S = 60.0
"""For one document; a book takes a few seconds."""


@dataclass(frozen=True)
class TextFile:
    """A file as text."""

    name: str
    text: str


@dataclass(frozen=True)
class Image:
    """A picture."""

    name: str
    mime_type: str
    content: bytes


@dataclass(frozen=True)
class Opened:
    """All files of a prompt."""

    texts: tuple[TextFile, ...]
    images: tuple[Image, ...]
    notes: tuple[str, ...]
    """What a person should know: an optional file that is not there, and one that is somewhere else."""


async def open_all(state: State, filled: Callable[[str], str], reach: Reach) -> Opened:
    """Open the files of a state.

    Args:
        state: Whose files.
        filled: Puts what is known into a path.
        reach: How far paths may lead.

    Raises: StateError: one is missing that is not optional, cannot be read, or is too large.
    """
    if len(state.files) > MAX_FILES:
        raise StateError(f"{len(state.files)} files are more than a prompt takes; {MAX_FILES} are")
    texts: list[TextFile] = []
    images: list[Image] = []
    notes: list[str] = []
    for file in state.files:
        written = filled(file.path)
        try:
            path = reach.find(written, state.base_dir)
        except NotFound as error:
            if not file.optional:
                raise StateError(f"the file “{written}” {_because(error)}") from None
            notes.append(f"without the file “{written}”, which {_because(error)}")
            continue
        if reach.within is None and path != (state.base_dir / written).resolve():
            notes.append(f"the file “{written}” is {path}")
        opened = await _open(path, written)
        (images if isinstance(opened, Image) else texts).append(opened)  # type: ignore[arg-type]
    _all_fit(texts, images)
    return Opened(tuple(texts), tuple(images), tuple(notes))


def _because(error: NotFound) -> str:
    return str(error).replace("there is no such file", "is not there", 1)


def _all_fit(texts: Sequence[TextFile], images: Sequence[Image]) -> None:
    chars = sum(len(file.text) for file in texts)
    if chars > MAX_ALL_CHARS:
        raise StateError(f"the files have {chars:,} characters of text; {MAX_ALL_CHARS:,} fit")
    size = sum(len(image.content) for image in images)
    if size > MAX_ALL_IMAGE_BYTES:
        raise StateError(f"the images have {size:,} bytes; {MAX_ALL_IMAGE_BYTES:,} fit")


async def _open(path: Path, written: str) -> TextFile | Image:
    content = await asyncio.to_thread(_read, path)
    if len(content) > MAX_FILE_BYTES:
        raise StateError(f"the file “{written}” is larger than {MAX_FILE_BYTES // 2**20} MiB")
    kind = path.suffix.lower()
    if kind in IMAGES:
        return Image(path.name, IMAGES[kind], content)
    if kind in DOCUMENTS:
        text = await _document(path, written, content)
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise StateError(
                f"the file “{written}” is neither text in UTF-8, nor an image, a PDF or a Word file"
            ) from None
    if len(text) > MAX_TEXT_CHARS:
        raise StateError(
            f"the file “{written}” has {len(text):,} characters of text; {MAX_TEXT_CHARS:,} fit"
        )
    return TextFile(path.name, text)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


async def _document(path: Path, written: str, content: bytes) -> str:
    """Return the text of a PDF or Word file.

    Raises: StateError: it cannot be read, or there is no text in it.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", document_program.__file__, path.suffix.lower()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        start_new_session=True,  # Ctrl+C is for the run, which ends between two states
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, _ = await child.communicate(content)
    except TimeoutError:
        raise StateError(f"the file “{written}” takes too long to read") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise StateError(
            f"the file “{written}” cannot be read: it is damaged, locked, or too large"
        )
    text = out.decode("utf-8", "replace")
    if not text.strip():
        raise StateError(f"the file “{written}” holds no text: perhaps it was scanned")
    return text


def with_texts(prompt: str, texts: Sequence[TextFile]) -> str:
    """Return a prompt with files below it."""
    parts = [
        f"--- begin of file: {file.name} ---\n{file.text.rstrip()}\n--- end of file: {file.name} ---"
        for file in texts
    ]
    return "\n\n".join([prompt, *parts])


def as_content(prompt: str, images: Sequence[Image]) -> str | list[str | dict[Any, Any]]:
    """Return the content of a message: plain text, or blocks where there are images."""
    if not images:
        return prompt
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": prompt}]
    blocks += [
        {
            "type": "image",
            "base64": base64.b64encode(image.content).decode("ascii"),
            "mime_type": image.mime_type,
        }
        for image in images
    ]
    return blocks
