"""Where the embedded broker's socket lives; the application's settings ask here, too.

A socket's path has a hard limit (108 bytes on Linux, 104 on macOS), which a deep data directory
exceeds; then a private directory of this person takes its place.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 100
READY_LINE = "ready"  # what a process prints once it works; see `launch.supervisor`


def broker_socket(data_dir: Path) -> Path:
    """The broker's socket for this data directory; always the same answer for the same one."""
    beside_data = data_dir.absolute() / "run" / "broker.sock"
    if len(os.fsencode(beside_data)) <= LONGEST_SOCKET_PATH:
        return beside_data
    name = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:12]
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    if len(os.fsencode(base)) > LONGEST_SOCKET_PATH // 2:
        base = "/tmp"  # noqa: S108 - the directory below is private, and that is checked
    return Path(base) / f"marginsite-{os.getuid()}-{name}" / "broker.sock"


def make_private(directory: Path) -> None:
    """Make the directory for this person alone; one that belongs to somebody else is refused."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as exc:
        raise NotADirectoryError(f"{directory} cannot be a folder: a file is in its way.") from exc
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else.")
    if stat.S_IMODE(found.st_mode) != 0o700:
        directory.chmod(0o700)
