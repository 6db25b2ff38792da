"""Files that get their name only once every byte is on disk, and never a name that is taken."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def open_new(place: Path) -> BinaryIO:
    """A file for this site's user alone, empty, to write and read back."""
    place.unlink(missing_ok=True)
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "w+b")


def flush(path: Path) -> None:
    """Put on disk what a file holds, or the names in a folder: a name is there only once its
    folder is.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """An empty file beside the target, for its owner alone; it gets the target's name at the end.

    Raises FileExistsError or OSError; then nothing of it is left.
    """
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f".{target.name}.part")
    try:
        open_new(draft).close()
        yield draft
        flush(draft)
        _name(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _name(draft: Path, target: Path) -> None:
    """Give a file its name, never one that is taken. A USB stick knows no links."""
    try:
        os.link(draft, target)
    except OSError as exc:
        if exc.errno not in NO_LINKS or target.exists():
            raise
        draft.rename(target)
