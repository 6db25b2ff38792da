"""Runs the paper exchange on its own, without Django: `python -m loans.paper --port 8001`."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from loans.paper.server import DEFAULT_SEED, PaperExchange
from loans.paper.store import StateInUse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, shared with the management command."""
    data_dir = Path(os.environ.get("MARGINSITE_DATA_DIR") or "var")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PAPER_PORT") or 8001))
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--state", type=Path, default=data_dir / "paper.sqlite3", metavar="FILE")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of prices and rates")
    parser.add_argument(
        "--expiry-seconds",
        type=int,
        default=60,
        help="how far a signed request's timestamp may be off",
    )


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    paper = PaperExchange(
        options.state,
        port=options.port,
        bind=options.bind,
        seed=options.seed,
        expiry_seconds=options.expiry_seconds,
    )
    try:
        paper.start()
    except (OSError, StateInUse) as exc:
        print(f"The paper exchange cannot start on port {options.port}: {exc}", file=sys.stderr)
        return 1
    print(f"Paper exchange ready at {paper.base_url} (state: {options.state})", flush=True)
    stop.wait()
    paper.stop()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and serve."""
    parser = argparse.ArgumentParser(prog="python -m loans.paper", description=__doc__)
    add_arguments(parser)
    return serve(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
