"""A paper exchange in a process of its own, which can also tell what no exchange should tell.

Faults and switches are the paper exchange's own; tampering rewrites its honest answers on the way
out, for listings that break what the money path assumes.
"""

import json
import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from loans.paper.exchange import Exchange
from loans.paper.messages import Reply, Request
from loans.paper.server import PaperExchange
from tests.paper_fixture import Paper

Rows = list[dict[str, Any]]


def _is_money(request: Request) -> bool:
    return request.path.endswith(("/borrow", "/repay"))


def _is_listing(request: Request) -> bool:
    return request.path.endswith("_record")


def _no_answer(request: Request, reply: Reply) -> Reply:
    return replace(reply, wire="close") if _is_money(request) else reply


def _no_date(request: Request, reply: Reply) -> Reply:
    """A second Date makes the two unreadable."""
    return replace(reply, headers=(*reply.headers, ("Date", "once upon a time")))


def _rows(change: Callable[[Rows], Rows]) -> Callable[[Request, Reply], Reply]:
    def tamper(request: Request, reply: Reply) -> Reply:
        if not _is_listing(request) or reply.status != 200:
            return reply
        told = json.loads(reply.body)
        told["data"]["records"] = change(told["data"]["records"])
        return replace(reply, body=json.dumps(told).encode())

    return tamper


def _each(**fields: object) -> Callable[[Request, Reply], Reply]:
    return _rows(lambda rows: [{**row, **fields} for row in rows])


TAMPERS: Mapping[str, Callable[[Request, Reply], Reply]] = {
    "": lambda request, reply: reply,
    "no_answer": _no_answer,
    "no_date": _no_date,
    "filter_ignored": lambda request, reply: reply,  # acts on the request, see `_blind`
    "told_twice": _rows(lambda rows: [{**row, "borrow_amount": "999"} for row in rows] + rows),
    "another_pair": _each(symbol="ETH_USDT"),
    "negative": _each(borrow_amount="-20"),
    "wrong_type": _each(borrow_amount=["20"]),
}


def _blind(request: Request) -> Request:
    """The same request without its time bounds."""
    kept = [part for part in request.query.split("&") if not part.startswith(("start", "end"))]
    return replace(request, query="&".join(kept))


def _tampering(exchange: Exchange, chosen: list[str]) -> Callable[[Request], Reply]:
    honest = exchange.answer

    def answer(request: Request) -> Reply:
        if request.path.startswith("/paper/"):
            if request.path == "/paper/tamper":
                chosen[:] = [json.loads(request.body)["how"]]
                return Reply(200, b"{}")
            return honest(request)
        if chosen[0] == "filter_ignored" and _is_listing(request):
            request = _blind(request)
        return TAMPERS[chosen[0]](request, honest(request))

    return answer


def _serve(state: Path, told: Any) -> None:
    with PaperExchange(state) as server:
        server.exchange.answer = _tampering(server.exchange, [""])
        told.send(server.base_url)
        told.recv()  # until told to stop, or the other end is gone


class ExchangeProcess:
    """Starts it, drives it, stops it. Make it while this process has no threads."""

    def __init__(self, state: Path) -> None:
        context = multiprocessing.get_context("fork")
        self._told, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(state, theirs, self._told), daemon=True)
        self._process.start()
        theirs.close()
        self.base_url: str = self._told.recv()
        self.paper = Paper(SimpleNamespace(base_url=self.base_url))

    def tamper(self, how: str) -> None:
        """Choose what is done to honest answers; "" is nothing."""
        self.paper.control("POST", "tamper", {"how": how})

    def stop(self) -> None:
        """End the process."""
        self._told.close()
        self._process.join(10)


def _run(state: Path, mine: Any, theirs: Any) -> None:
    theirs.close()
    with suppress(EOFError):  # the other end is gone
        _serve(state, mine)
