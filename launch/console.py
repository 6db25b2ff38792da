"""How starting speaks to the person in front of it: steps with their time, and plain refusals.

Nothing secret passes through here, except the administrator's first password, once, on purpose.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


class StartError(Exception):
    """Starting cannot go on; the message is a sentence for the person who started it."""


def say(text: str) -> None:
    """One line on the console, at once."""
    with contextlib.suppress(OSError):  # nobody reads any more, which is no reason to stop
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@contextlib.contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Show `title`, then how long it took; the yielded function adds a remark to that line."""
    remarks: list[str] = []
    began = time.monotonic()
    interactive = sys.stdout.isatty()
    if interactive:
        sys.stdout.write(f"  {title} ...")
        sys.stdout.flush()
    try:
        yield remarks.append
    except BaseException:
        if interactive:
            sys.stdout.write("\n")
        raise
    remark = f" ({'; '.join(remarks)})" if remarks else ""
    line = f"  {title:<34}{time.monotonic() - began:6.1f} s{remark}"
    say(f"\r{line}" if interactive else line)
