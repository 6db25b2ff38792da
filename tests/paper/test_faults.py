"""Each fault does to the books and to the wire exactly what it says, and then is over."""

import contextlib
import gzip
import http.client
import json
import math
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from loans.paper.faults import FAULTS
from tests.paper.calls import ISOLATED, Answer, borrow, get, records, signed_headers
from tests.paper_fixture import Paper, PaperKey


@pytest.fixture
def paper(shared_paper: Paper) -> Paper:
    return shared_paper


@pytest.fixture
def key(paper: Paper) -> PaperKey:
    return paper.new_key()


def order(paper: Paper, key: PaperKey, fault: str, **order: Any) -> None:
    paper.fault(fault, kind="borrow", access_key=key.access_key, **order)


def executed(paper: Paper, key: PaperKey) -> int:
    return len(paper.books(key)["executed"]["loans"])


def raw_borrow(paper: Paper, key: PaperKey, timeout: float = 5) -> bytes:
    """Everything that comes over the wire until the other side closes. Raises: OSError."""
    body = b'{"symbol":"BTC_USDT","currency":"USDT","amount":"1"}'
    headers = {
        **signed_headers(key, body),
        "Host": "127.0.0.1",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    address = urlsplit(paper.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=timeout) as wire:
        wire.sendall(f"POST {ISOLATED}/borrow HTTP/1.1\r\n{head}\r\n".encode() + body)
        received = b""
        while part := wire.recv(65_536):
            received += part
        return received


def test_refuse_resets_the_connection_and_executes_nothing(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "refuse")

    with pytest.raises(ConnectionResetError):
        raw_borrow(paper, key)

    assert executed(paper, key) == 0
    assert borrow(paper, key, "1").code == 1000


@pytest.mark.parametrize(("fault", "count"), [("drop", 0), ("execute_then_drop", 1)])
def test_drop_closes_without_a_byte(paper: Paper, key: PaperKey, fault: str, count: int) -> None:
    order(paper, key, fault)

    assert raw_borrow(paper, key) == b""

    assert executed(paper, key) == count


def test_delay_holds_the_request_before_its_signature_is_looked_at(
    paper: Paper, key: PaperKey
) -> None:
    order(paper, key, "delay", seconds=0.3)
    started = time.monotonic()

    answer = borrow(paper, key, "1", timestamp_ms=time.time_ns() // 1_000_000 - 59_900)

    assert time.monotonic() - started >= 0.3
    assert answer.code == 30007
    assert executed(paper, key) == 0


def test_execute_then_delay_has_executed_before_it_answers(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "execute_then_delay", seconds=30)

    with pytest.raises(TimeoutError):
        borrow(paper, key, "1", timeout=0.5)

    assert executed(paper, key) == 1


def test_late_execution_closes_first_and_executes_later(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "late_execution", seconds=0.4)

    assert raw_borrow(paper, key) == b""
    assert executed(paper, key) == 0

    time.sleep(0.7)
    assert executed(paper, key) == 1


def test_a_late_record_is_executed_and_answered_but_not_listed_yet(
    paper: Paper, key: PaperKey
) -> None:
    order(paper, key, "late_record", seconds=0.5)

    assert borrow(paper, key, "1").code == 1000
    assert executed(paper, key) == 1
    assert records(paper, key, "borrow_record") == []

    time.sleep(0.6)
    assert len(records(paper, key, "borrow_record")) == 1


PAGES = [
    ("html_502", 502),
    ("cloudflare_403", 403),
    ("too_many_html", 429),
    ("banned_html", 418),
]


@pytest.mark.parametrize(("fault", "status"), PAGES)
@pytest.mark.parametrize("execute", [False, True])
def test_a_page_instead_of_an_answer(
    paper: Paper, key: PaperKey, fault: str, status: int, execute: bool
) -> None:
    order(paper, key, fault, execute=execute)

    answer = borrow(paper, key, "1")

    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.raw.startswith(b"<html>")
    assert executed(paper, key) == int(execute)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("too_many", 429, 30013), ("banned", 418, 30017), ("unknown_code", 400, 59999)],
)
def test_a_refusal_that_executed_nothing(
    paper: Paper, key: PaperKey, fault: str, status: int, code: int
) -> None:
    order(paper, key, fault)

    answer = borrow(paper, key, "1")

    assert (answer.status, answer.code) == (status, code)
    assert executed(paper, key) == 0


def test_a_code_can_lie_about_what_was_executed(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "code", code=51003, status=500, execute=True)

    answer = borrow(paper, key, "1")

    assert (answer.status, answer.code) == (500, 51003)
    assert executed(paper, key) == 1


def test_truncated_json_has_a_right_length_and_no_end(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "truncated")

    answer = borrow(paper, key, "1")

    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.raw)
    with pytest.raises(json.JSONDecodeError):
        _ = answer.body
    assert executed(paper, key) == 1


def test_a_wrong_length_promises_more_than_comes(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "wrong_length")

    with pytest.raises(http.client.IncompleteRead):
        borrow(paper, key, "1")

    assert executed(paper, key) == 1


def test_dripping_comes_a_byte_at_a_time(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "drip", seconds=0.001)
    started = time.monotonic()

    received = raw_borrow(paper, key)

    assert b'"code":1000' in received
    assert time.monotonic() - started > 0.2
    assert executed(paper, key) == 1


def test_gzip_garbage_claims_to_be_compressed(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "gzip_garbage")

    answer = borrow(paper, key, "1")

    assert answer.headers["Content-Encoding"] == "gzip"
    with pytest.raises(OSError, match="gzip"):
        gzip.decompress(answer.raw)
    assert executed(paper, key) == 1


def test_huge_is_valid_json_of_eight_mebibytes(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "huge")

    answer = borrow(paper, key, "1")

    assert len(answer.raw) > 8 * 1024 * 1024
    assert answer.code == 1000
    assert executed(paper, key) == 1


def told_id(answer: Answer) -> Any:
    assert answer.code == 1000
    return answer.data.get("borrow_id")


def test_a_success_may_lack_its_id_or_have_a_strange_one(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "success_without_id")
    assert told_id(borrow(paper, key, "1")) is None
    order(paper, key, "id_nan")
    assert math.isnan(told_id(borrow(paper, key, "1")))
    other = paper.new_key()
    order(paper, other, "id_number")
    assert isinstance(told_id(borrow(paper, other, "1")), int)

    assert (executed(paper, key), executed(paper, other)) == (2, 1)


def test_a_success_that_never_happened(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "truncated", execute=False)
    borrow(paper, key, "1")

    assert executed(paper, key) == 0


def test_a_redirect_points_elsewhere_and_executes_nothing(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "redirect", location="http://127.0.0.1:1")

    answer = borrow(paper, key, "1")

    assert (answer.status, answer.raw) == (307, b"")
    assert answer.headers["Location"] == f"http://127.0.0.1:1{ISOLATED}/borrow"
    assert executed(paper, key) == 0


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"refuse", "drip", "code"}))
def test_no_fault_spoils_the_next_request_or_another_endpoint(
    paper: Paper, key: PaperKey, fault: str
) -> None:
    order(paper, key, fault)

    assert get(paper, key, "account").code == 1000
    with contextlib.suppress(http.client.HTTPException, OSError):
        borrow(paper, key, "1")
    assert borrow(paper, key, "1").code == 1000


def test_a_fault_may_let_some_pass_and_then_act_several_times(paper: Paper, key: PaperKey) -> None:
    paper.fault("html_502", kind="account", access_key=key.access_key, skip=1, count=2)

    statuses = [get(paper, key, "account").status for _ in range(4)]

    assert statuses == [200, 502, 502, 200]


def test_a_fault_may_stay_until_it_is_cleared(paper: Paper, key: PaperKey) -> None:
    path = f"{ISOLATED}/account"
    paper.fault("html_502", path=path, access_key=key.access_key, count=None)
    assert [get(paper, key, "account").status for _ in range(3)] == [502] * 3

    paper.clear_faults()

    assert get(paper, key, "account").status == 200


def test_money_calls_are_counted_with_what_became_of_them(paper: Paper, key: PaperKey) -> None:
    order(paper, key, "drop")
    raw_borrow(paper, key)
    borrow(paper, key, "99999999")
    calls = paper.books(key)["money"]

    account = paper.books(key)["account"]
    refused = [call for call in calls if call["account"] == account]
    assert [(call["code"], call["executed"]) for call in refused] == [(51004, False)]
    assert any(call["code"] is None and not call["executed"] for call in calls)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault": "explode"},
        {"fault": "delay", "seconds": -1},
        {"fault": "delay", "seconds": "soon"},
        {"fault": "code"},
        {"fault": "code", "code": True},
        {"fault": "redirect", "location": "http://x\r\nSet-Cookie: a"},
        {"fault": "drop", "colour": "red"},
        {},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(paper: Paper, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="error"):
        paper.control("POST", "faults", wrong)
