"""Where the files of jobs lie: a folder of the data directory that only this site's user can open.

A draft is written beside its place and gets its name once every byte is on disk. One whose worker
was killed is cleared away by whoever comes next.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from loans.models import Job
from loans.services.jobs import CannotBeMade, File, Hold
from loans.services.new_files import flush, open_new

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = (
    "The disk is full, so the file could not be written, and nothing of it is kept. "
    "Make room where the data directory lies, then ask once more."
)


_OURS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:\d+\.(?:file|draft)|parts)")


class Folder:
    """The folder of all jobs' files, made when first used."""

    def __init__(self, path: Path) -> None:
        """`path` lies in the data directory."""
        self.path = path

    def place_of(self, job: Job) -> Path:
        """Where the finished file of a job lies. A hold that is lost can overwrite nobody's."""
        return self.path / f"{job.pk}.{job.epoch}.file"

    def workshop(self, job: Job) -> Path:
        """A folder for the parts of a job that outlive its holds."""
        place = self.path / f"{job.pk}.parts"
        self._make(place)
        return place

    @contextmanager
    def draft(self, hold: Hold) -> Iterator[BinaryIO]:
        """A file to write; it is cleared away unless `keep` took it. One for each hold; what the
        holds before it left half written goes now.
        """
        self._make(self.path)
        place = self._draft(hold.job)
        for left in self.path.glob(f"{hold.job.pk}.*.draft"):
            left.unlink(missing_ok=True)
        try:
            with open_new(place) as file:
                yield file
        finally:
            place.unlink(missing_ok=True)

    def keep(self, file: BinaryIO, hold: Hold, *, name: str, media_type: str) -> None:
        """Give a draft its place, and finish its job.

        Raises: Gone, if the job is not this worker's any more; then nothing of it is left.
        """
        size, sha256 = settle(file)
        hold.remember()
        place = self.place_of(hold.job)
        os.replace(self._draft(hold.job), place)
        flush(self.path)
        try:
            hold.finish(File(name, media_type, size, sha256))
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        shutil.rmtree(self.path / f"{hold.job.pk}.parts", ignore_errors=True)

    def clear(self, job: Job) -> None:
        """Take away whatever lies there of a job."""
        for place in self.path.glob(f"{job.pk}.*"):
            _remove(place)

    def sweep(self, kept: Callable[[], Iterable[str]]) -> int:
        """Take away what belongs to no job that still has a file; how many things that were.

        Those are asked for once it is known what lies here: a job may be placed at any time. Only
        what is named as jobs' files are: the folder may be a disk that holds other things.
        """
        ours = [place for place in self.path.glob("*.*") if _OURS.fullmatch(place.name)]
        known = set(kept())
        lost = [place for place in ours if place.name.split(".")[0] not in known]
        for place in lost:
            _remove(place)
        return len(lost)

    def _draft(self, job: Job) -> Path:
        return self.path / f"{job.pk}.{job.epoch}.draft"

    def _make(self, place: Path) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)


def settle(file: BinaryIO) -> tuple[int, str]:
    """Put every byte on disk; the size and the SHA-256 of what lies there now."""
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return file.tell(), digest


@contextmanager
def saying_what_is_wrong() -> Iterator[None]:
    """Turn a full disk into a sentence. Raises: CannotBeMade."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in NO_ROOM:
            raise
        raise CannotBeMade(FULL) from exc


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
