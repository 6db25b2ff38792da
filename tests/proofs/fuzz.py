"""Answers that make no sense, sent over a real socket: each must end in a state of the table.

Every answer is made from its number and the seed, so that the server and the judge see the same
one. A judge of its own says what may be believed; it shares no code with the product's.
"""

import json
import multiprocessing
import random
import re
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import transaction

from loans.bitmart import limits, money
from loans.bitmart.codes import CODES
from loans.bitmart.errors import NotSent, OutcomeUnknown, Rejected
from loans.bitmart.limits import NoLimiter
from loans.models import Instruction, State
from loans.services import sending
from loans.services.bounds import seconds
from tests.proofs.bench import Bench, with_deadline
from tests.proofs.processes import steps
from tests.proofs.registry import Scale

FULL, SAMPLE = 100_000, 2_000
STORED_EACH = 10  # in full every tenth is stored as well; in a sample all are
# What the documentation lets us read as a refusal, written down a second time on purpose.
REFUSALS = {
    *range(30001, 30009), *range(30010, 30014), 30018, 50000, 50001, 50020, 50021, 50028, 50040,
    *range(51000, 51007), 51024, *range(53000, 53012), 57001, 58001,
}  # fmt: skip
STATUSES = (200, 201, 204, 307, 400, 401, 403, 404, 418, 429, 500, 502, 503)
GOOD_IDS = ("113896", 113896, 0, "ok-1_2", "a1" * 16)
BAD_IDS = ("", None, "a b", "x" * 65, True, 1.5, [], {}, "ä", -1, "1\n")


@dataclass(frozen=True)
class Answer:
    """One answer, byte for byte, and the parts it was made of."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wire: bytes


def answer(seed: int, number: int) -> Answer:
    """The answer of that number."""
    dice = random.Random(f"{seed}:{number}")
    body = _body(dice)
    status = dice.choice(STATUSES)
    if dice.random() < 0.8:
        status = _status_of(body) or status
    headers = [("Content-Type", dice.choice(("application/json", "text/html", "")))]
    length = len(body)
    if dice.random() < 0.06:
        length = max(0, length + dice.choice((-1, 1, 7, -7, 10**6)))
    if dice.random() < 0.97:
        headers.append(("Content-Length", str(length)))
    if dice.random() < 0.03:
        headers.append(("Content-Encoding", dice.choice(("gzip", "br", "deflate", "identity"))))
    if status == 307:
        headers.append(("Location", "http://127.0.0.1:9/elsewhere"))
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {text}" for name, text in headers)]
    wire = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    if dice.random() < 0.02:
        wire = dice.randbytes(dice.randrange(200))  # no HTTP at all
        return Answer(0, (), b"", wire)
    return Answer(status, tuple(headers), body, wire)


def _status_of(body: bytes) -> int | None:
    try:
        code = json.loads(body)["code"]
        return 200 if code == 1000 else CODES[code].http_status
    except (ValueError, TypeError, KeyError):
        return None


def _body(dice: random.Random) -> bytes:
    kind = dice.random()
    if kind < 0.05:
        return dice.randbytes(dice.randrange(300))
    if kind < 0.09:
        return b"<html><body>502 Bad Gateway</body></html>"
    if kind < 0.11:
        return b""
    text = json.dumps(_envelope(dice))
    if kind < 0.25:
        return _damaged(dice, text.encode())
    if kind < 0.29:
        return text.replace('"code":', '"code": 1000, "code":', 1).encode()  # told twice
    if kind < 0.32:
        number = dice.choice(("NaN", "1e999", "-Infinity"))
        return text.replace('"data":', f'"x": {number}, "data":', 1).encode()
    if kind < 0.33:
        return text.encode() + b" " * 70_000
    if kind < 0.35:
        return text.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")))
    return text.encode()


def _envelope(dice: random.Random) -> Any:
    code: Any = dice.choice((1000, 1000, dice.choice(list(CODES)), dice.randrange(70_000)))
    if dice.random() < 0.1:
        code = dice.choice((str(code), float(code), None, True, [code], 1000.0, -code))
    name = "borrow_id" if dice.random() < 0.8 else dice.choice(("repay_id", "id", "Borrow_id"))
    data: Any = {name: dice.choice(GOOD_IDS if dice.random() < 0.7 else BAD_IDS)}
    if dice.random() < 0.15:
        data = dice.choice((None, [], "113896", 113896, {}, [data], {"borrow_id": data}))
    if code != 1000 and dice.random() < 0.5:
        data = {}
    told = {"message": dice.choice(("OK", "", None, "no\x00", 7)), "code": code, "data": data}
    if dice.random() < 0.8:
        told["trace"] = dice.choice(("a" * 32, None, 5, "x" * 500))
    if dice.random() < 0.1:
        told.pop(dice.choice(list(told)))
    return told if dice.random() < 0.97 else dice.choice(([told], "OK", 1000, None, True))


def _damaged(dice: random.Random, body: bytes) -> bytes:
    """Cut, or with some bytes replaced."""
    if dice.random() < 0.4:
        return body[: dice.randrange(len(body))]
    changed = bytearray(body)
    for _ in range(dice.randrange(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


# --- The judge ----------------------------------------------------------------------------------


def wrong_belief(told: Answer, state: str) -> str:
    """Why this state must not follow from this answer; empty if it may."""
    if state == State.UNKNOWN:
        return ""
    if state not in (State.CONFIRMED, State.REJECTED):
        return f"{state} is no state after an answer"
    envelope = _once_each(told)
    if not isinstance(envelope, dict):
        return f"{state} from what is no whole JSON object"
    code, data = envelope.get("code"), envelope.get("data")
    if type(code) is not int:
        return f"{state} with a code that is no whole number"
    if state == State.REJECTED:
        fits = code in REFUSALS and CODES[code].http_status == told.status
        return "" if fits else f"REJECTED for {code} with status {told.status}"
    named = data.get("borrow_id") if isinstance(data, dict) else None
    fits = type(named) is int or bool(
        isinstance(named, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", named)
    )
    if code != 1000 or told.status != 200 or not fits:
        return f"CONFIRMED for {code}, status {told.status}, id {named!r}"
    return ""


def _once_each(told: Answer) -> object:
    lengths = [text for name, text in told.headers if name == "Content-Length"]
    encodings = {text for name, text in told.headers if name == "Content-Encoding"}
    if lengths != [str(len(told.body))] or not encodings <= {"identity"}:
        return None

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        return json.loads(told.body.decode(), object_pairs_hook=once, parse_constant=_refuse)
    except ValueError:
        return None


def _refuse(text: str) -> None:
    raise ValueError(text)


# --- The run ------------------------------------------------------------------------------------


def prove(scale: Scale) -> dict:
    """Send one instruction's bytes again and again in a transaction that is undone each time."""
    wanted = FULL if scale.is_full else SAMPLE
    bench = Bench(scale.folder)
    problems: dict[str, str] = {}
    states: Counter[str] = Counter()
    stored = 0
    case = bench.new_case(bounds=with_deadline(Decimal(10)))
    bench.place(case)
    bench.worker(case, steps(kill_at="sending")).wait()
    row = case.instruction
    assert row.state == State.SENDING
    connections_made, server = _serve(scale.seed)
    try:
        with bench.line(case) as line:
            order = _order(bench, row, line)
            line = replace(line, base_url=f"http://127.0.0.1:{server.port}")
            for number in range(wanted):
                if scale.is_full and number % STORED_EACH:
                    state = _sent(order, line)
                else:
                    state = _stored(row.pk, order, line)
                    stored += 1
                states[state] += 1
                if wrong := wrong_belief(answer(scale.seed, number), state):
                    problems[f"answer {number}"] = wrong
    finally:
        server.process.terminate()
        bench.close()
    made = connections_made.value
    if made != wanted:
        problems["connections"] = f"{made} for {wanted} sends"
    return {
        "answers": wanted,
        "of which stored with everything that follows": stored,
        "ended": dict(sorted(states.items())),
        "connections above one for each": made - wanted,
        "problems": problems,
    }


def _order(bench: Bench, row: Instruction, line: sending.Line) -> money.SignedOrder:
    return money.sign_order(
        kind="borrow",
        symbol=row.symbol,
        currency=row.currency,
        amount=row.amount,
        signed_at_ms=bench.exchange.paper.clock(),
        credentials=line.credentials,
    )


def _sent(order: money.SignedOrder, line: sending.Line) -> str:
    """One answer, judged; the state is what `settle` and `confirm` make of it."""
    total = seconds(line.bounds.deadline)
    try:
        money.send(order, base_url=line.base_url, connect_seconds=total, total_seconds=total)
    except Rejected:
        return State.REJECTED
    except NotSent:
        return State.NOT_SENT
    except OutcomeUnknown:
        return State.UNKNOWN
    return State.CONFIRMED


def _stored(pk: object, order: money.SignedOrder, line: sending.Line) -> str:
    """One answer, met by the code that stores outcomes; the row is as before afterwards."""
    with transaction.atomic():
        row = Instruction.objects.get(pk=pk)
        with NoLimiter().permit(limits.MONEY, limits.SEND) as permit:
            sending._send_once(row, order, line, permit)
        state = Instruction.objects.get(pk=pk).state
        transaction.set_rollback(True)
    return state


@dataclass(frozen=True)
class _Server:
    port: int
    process: multiprocessing.Process


def _serve(seed: int) -> tuple[Any, _Server]:
    """Answers the n-th connection with the n-th answer, in a process of its own."""
    context = multiprocessing.get_context("fork")
    count = context.Value("q", 0)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    process = context.Process(target=_accept, args=(listener, seed, count), daemon=True)
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    return count, _Server(port, process)


def _accept(listener: socket.socket, seed: int, count: Any) -> None:
    while True:
        sock, _ = listener.accept()
        number = count.value
        count.value += 1
        _reply(sock, lambda: answer(seed, number).wire)  # noqa: B023 - used at once


def _reply(sock: socket.socket, wire: Callable[[], bytes]) -> None:
    with sock:
        sock.settimeout(10)
        heard = b""
        try:
            while not _is_whole(heard):
                piece = sock.recv(65536)
                if not piece:
                    return
                heard += piece
            sock.sendall(wire())
        except OSError:
            return


def _is_whole(heard: bytes) -> bool:
    head, found, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(found) and len(body) >= int(length.group(1) if length else 0)
