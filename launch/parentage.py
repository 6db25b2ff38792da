"""Dying parents take their children along.

On Linux the kernel sends the signal (PR_SET_PDEATHSIG); it is not inherited by fork, so every
process of a pool asks for it itself. Elsewhere this does nothing: there `launch.watcher` ends what
is left.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(expected_parent: int | None = None) -> None:
    """Have this process killed when the thread that started it ends.

    `expected_parent` closes the gap in which the parent died before the request was made.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if expected_parent is not None and os.getppid() != expected_parent:
        os.kill(os.getpid(), signal.SIGKILL)
