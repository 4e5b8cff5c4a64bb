import hashlib
import os
import time

import pytest

from storage.files import FileStore, FileTooLarge


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "files")


async def chunks_of(*chunks):
    for chunk in chunks:
        yield chunk


def write_backwards(stream):
    """Write as a zip is written: a place is left free and filled in later."""
    stream.seek(2**20)
    stream.write(b"ab" * 2**19)
    stream.seek(0)
    stream.write(b"ab" * 2**19)


def everything_in(store):
    return sorted(
        path.name for path in store.path("0" * 64).parents[1].rglob("*") if path.is_file()
    )


def test_a_file_is_kept_under_its_hash_with_private_modes(store):
    kept = store.put(b"hello")

    assert kept.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (kept.path.read_bytes(), kept.size_bytes) == (b"hello", 5)
    assert kept.path == store.path(kept.sha256)
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert [folder.stat().st_mode & 0o777 for folder in list(kept.path.parents)[:2]] == [0o700] * 2


async def test_the_same_content_is_one_file_however_it_comes(store, tmp_path):
    (tmp_path / "source").write_bytes(b"ab" * 2**20)

    kept = {store.put(tmp_path / "source"), store.put(b"ab" * 2**20)}
    kept.add(await store.put_stream(chunks_of(*[b"ab" * 2**10] * 2**10), 2**21))
    kept.add(store.put_written(write_backwards))

    assert len(kept) == 1
    assert everything_in(store) == [kept.pop().sha256]


async def test_a_stream_that_is_too_long_is_cut_off_at_once_and_leaves_nothing(store):
    seen = 0

    async def endless():
        nonlocal seen
        while True:
            seen += 1
            yield b"x" * 100

    with pytest.raises(FileTooLarge) as caught:
        await store.put_stream(endless(), 1000)

    assert (seen, caught.value.limit_bytes) == (11, 1000)
    assert everything_in(store) == []


async def test_a_stream_of_just_the_allowed_length_is_kept(store):
    assert (await store.put_stream(chunks_of(b"x" * 600, b"y" * 400), 1000)).size_bytes == 1000


async def test_a_stream_that_breaks_leaves_nothing(store):
    async def broken():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.put_stream(broken(), 1000)

    assert everything_in(store) == []


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "/" + "a" * 63]
)
def test_what_is_no_hash_is_no_path(store, name):
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.path(name)


def test_verify_notices_a_changed_a_missing_and_a_mended_file(store):
    kept = store.put(b"hello")
    assert store.verify(kept.sha256)

    kept.path.write_bytes(b"hullo")
    assert not store.verify(kept.sha256)

    store.put(b"hello")
    assert store.verify(kept.sha256)
    assert not store.verify("0" * 64)


def test_what_a_dead_process_left_half_written_is_removed_but_not_what_is_being_written(store):
    root = store.path("0" * 64).parents[1]
    for name, age_s in (("old", 4000), ("new", 10)):
        path = root / f".incoming-{name}"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age_s, time.time() - age_s))

    FileStore(root)

    assert everything_in(store) == [".incoming-new"]
