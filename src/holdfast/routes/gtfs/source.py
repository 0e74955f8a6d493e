"""Where a feed's files come from: a folder, or a zip archive that is trusted with nothing."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

BYTES_MAX = 1 << 30
"""Of all files together, unpacked."""
ENTRIES_MAX = 1_000
RATIO_MAX = 250
"""How many times larger than packed a file may be. Text shrinks 5 to 50 times."""
_SMALL_BYTES = 10 << 20
_ENCRYPTED = 0x1

UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What reading a damaged or encrypted archive raises, beside what reading any file does."""


class FeedUnreadable(Exception):
    """There is no feed here, or none that is safe to open; the message says why."""


class Source(Protocol):
    """The files of a feed by name."""

    def size(self, name: str) -> int | None:
        """In bytes, unpacked; None where there is no such file."""
        ...

    def open(self, name: str) -> IO[bytes]: ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self, name: str) -> int | None:
        file = self._path / name
        return file.stat().st_size if file.is_file() else None

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class _Archive:
    """Nothing is unpacked to the disk, and only files with the names of GTFS are read."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _check_safe(entries)
        self._archive = archive
        self._entries = {entry.filename.removeprefix(_root(entries)): entry for entry in entries}

    def size(self, name: str) -> int | None:
        entry = self._entries.get(name)
        return None if entry is None else entry.file_size

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._entries[name])


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The feed in a folder or a zip archive. Raises FeedUnreadable."""
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.exists():
        raise FeedUnreadable(f"There is nothing at {path}.")
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise FeedUnreadable(f"{path} is neither a folder nor a zip archive: {error}") from None
    with archive:
        yield _Archive(archive)


def _check_safe(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ENTRIES_MAX:
        raise FeedUnreadable(f"The archive has {len(entries)} files: a feed has a few dozen at most.")
    for entry in entries:
        if (
            entry.filename.startswith(("/", "\\"))
            or ".." in PurePosixPath(entry.filename.replace("\\", "/")).parts
            or ":" in entry.filename
        ):
            raise FeedUnreadable(f"The archive has a file that would be put elsewhere: {entry.filename!r}.")
        if entry.flag_bits & _ENCRYPTED:
            raise FeedUnreadable(f"The archive is encrypted: {entry.filename!r}.")
        if entry.file_size > _SMALL_BYTES and entry.file_size > RATIO_MAX * entry.compress_size:
            raise FeedUnreadable(f"{entry.filename!r} would unpack to {entry.file_size:,} bytes from {entry.compress_size:,}: a zip bomb.")
    size = sum(entry.file_size for entry in entries)
    if size > BYTES_MAX:
        raise FeedUnreadable(f"The archive would unpack to {size:,} bytes; at most {BYTES_MAX:,} are read.")


def _root(entries: list[zipfile.ZipInfo]) -> str:
    """Many archives hold the feed in a folder of its own."""
    roots = {entry.filename.removesuffix("stops.txt") for entry in entries if PurePosixPath(entry.filename).name == "stops.txt"}
    roots -= {root for root in roots if root.startswith("__MACOSX/")}
    if len(roots) > 1:
        raise FeedUnreadable("The archive holds more than one feed: unpack it, and name the folder of one.")
    return roots.pop() if roots else ""
