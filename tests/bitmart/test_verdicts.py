"""Every answer to a borrow or repay is confirmed, rejected or unknown; nothing else, ever."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loans.bitmart.codes import CODES
from loans.bitmart.errors import OutcomeUnknown, Rejected
from loans.bitmart.transport import Answer
from loans.bitmart.verdicts import MoneyAnswer, classify
from tests.bitmart.samples import HEARD, envelope, fixture

LIVE = fixture("observed_live.json")


def judge(body, *, status=200, headers=None, kind="borrow", is_framed=True, **how):
    answer = Answer(status, headers or {}, body, is_framed, HEARD)
    try:
        return classify(answer, kind=kind, **how)
    except (Rejected, OutcomeUnknown) as exc:
        return exc


@pytest.mark.parametrize("captured", LIVE["borrow_response_ids"], ids=lambda c: c["id"])
def test_every_captured_borrow_id_confirms(captured):
    answer = judge(envelope({"borrow_id": captured["id"]}))

    assert answer == MoneyAnswer(captured["id"], 200, "9c86bb5a.74.173")


@pytest.mark.parametrize("captured", [c for c in LIVE["repay_response_ids"] if "id" in c])
def test_every_captured_repay_id_confirms(captured):
    answer = judge(envelope({"repay_id": captured["id"]}), kind="repay")

    assert answer.answer_id == captured["id"]


@pytest.mark.parametrize("kind", ["borrow", "repay"])
def test_an_id_may_be_a_json_integer(kind):
    assert judge(envelope({f"{kind}_id": 113896}), kind=kind).answer_id == "113896"


@pytest.mark.parametrize(
    "data",
    [None, {}, [], "113896", {"borrow_id": None}, {"borrow_id": ""}, {"borrow_id": True},
     {"borrow_id": 1.5}, {"borrow_id": "x" * 65}, {"borrow_id": "a b"}, {"borrow_id": "é"},
     {"borrow_id": {"id": 1}}, {"borrow_id": 10**70}, {"repay_id": "113896"}, {"id": "113896"},
     {"borrow_id": "113896\n"}],
)  # fmt: skip
def test_a_success_without_a_usable_id_is_unknown(data):
    assert isinstance(judge(envelope(data)), OutcomeUnknown)


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 400, 429, 500, 503])
def test_a_success_with_another_status_is_unknown(status):
    answer = judge(envelope({"borrow_id": "113896"}), status=status)

    assert isinstance(answer, OutcomeUnknown)
    assert (answer.code, answer.http_status) == (1000, status)


@pytest.mark.parametrize("row", CODES.values(), ids=lambda row: row.code)
def test_a_code_with_its_own_status_rejects_only_if_it_is_allowed_to(row):
    answer = judge(envelope({}, code=row.code, message=row.message), status=row.http_status)

    assert isinstance(answer, Rejected if row.refuses else OutcomeUnknown)
    assert (answer.code, answer.http_status) == (row.code, row.http_status)


@pytest.mark.parametrize(
    "row", [row for row in CODES.values() if row.refuses], ids=lambda r: r.code
)
def test_a_refusal_with_another_status_is_unknown(row):
    others = {200, 400, 401, 403, 405, 415, 429, 500, 502, 503} - {row.http_status}

    for status in others:
        assert isinstance(judge(envelope({}, code=row.code), status=status), OutcomeUnknown)


@pytest.mark.parametrize("captured", LIVE["error_bodies"], ids=lambda c: c["body"]["code"])
def test_every_captured_refusal_is_judged_by_code_and_status(captured):
    body = json.dumps(captured["body"]).encode()

    answer = judge(body, status=captured.get("http", 200))

    # Without a captured status the one given here is not the code's own.
    assert isinstance(answer, Rejected if "http" in captured else OutcomeUnknown)


def test_a_refusal_that_carries_an_id_contradicts_itself():
    body = envelope({"borrow_id": "113896"}, code=51004)

    assert isinstance(judge(body, status=400), OutcomeUnknown)


def test_a_withdrawn_code_is_unknown():
    body = envelope({}, code=51004)

    assert isinstance(judge(body, status=400), Rejected)
    assert isinstance(judge(body, status=400, withdrawn={51004}), OutcomeUnknown)


def test_a_refusal_with_null_data_is_a_refusal_all_the_same():
    assert isinstance(judge(envelope(None, code=30005), status=401), Rejected)


@pytest.mark.parametrize(
    "how",
    [{"headers": {"content-encoding": "gzip"}}, {"headers": {"content-length": "5"}},
     {"headers": {"content-length": "many"}}, {"is_framed": False}],
)  # fmt: skip
def test_bytes_that_cannot_be_trusted_are_unknown(how):
    assert isinstance(judge(envelope({"borrow_id": "113896"}), **how), OutcomeUnknown)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"<html>502</html>", b'{"code":1000,"data":{"borrow_id":NaN}}',
     b'{"code":1000,"code":1000,"data":{"borrow_id":"1"}}',
     b'{"code":"1000","data":{"borrow_id":"1"}}',
     b'{"code":1000,"data":{"borrow_id":"1","borrow_id":"2"}}',
     b'{"code":1000.0,"data":{"borrow_id":"1"}}',
     b'{"code":1000,"data":{"borrow_id":"1"}', b'{"code":true,"data":{"borrow_id":"1"}}',
     b'{"code":1000,"data":{"borrow_id":"1"}} trailing',
     b'{"code":1000,"data":{"borrow_id":"1"},"pad":"' + b"x" * 65536 + b'"}'],
)  # fmt: skip
def test_a_body_that_is_not_strictly_the_envelope_is_unknown(body):
    assert isinstance(judge(body), OutcomeUnknown)


def test_an_echoed_secret_is_blanked():
    body = envelope({}, code=30002, message="Header X-BM-KEY canary-key not found")

    answer = judge(body, status=401, hide=("canary-key",))

    assert answer.detail == "Header X-BM-KEY [hidden] not found"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([1000, "1000", 1000.0, *CODES]) | VALUES,
        "message": st.text() | VALUES,
        "trace": VALUES,
        "data": st.fixed_dictionaries({}, optional={"borrow_id": VALUES, "repay_id": VALUES})
        | VALUES,
    },
).map(lambda content: json.dumps(content).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["content-length", "content-encoding", "transfer-encoding"]),
    st.text(max_size=8),
)


@settings(max_examples=500, deadline=None)
@given(
    body=st.binary() | ENVELOPES,
    status=st.sampled_from(sorted({row.http_status for row in CODES.values()}))
    | st.integers(100, 999),
    headers=HEADERS | st.just({}),
    kind=st.sampled_from(["borrow", "repay"]),
    is_framed=st.booleans(),
)
def test_any_answer_is_confirmed_rejected_or_unknown(body, status, headers, kind, is_framed):
    answer = judge(body, status=status, headers=headers, kind=kind, is_framed=is_framed)

    if isinstance(answer, MoneyAnswer):
        content = json.loads(body)
        assert (status, content["code"]) == (200, 1000)
        assert answer.answer_id == str(content["data"][f"{kind}_id"])
    elif isinstance(answer, Rejected):
        assert CODES[answer.code].refuses
        assert CODES[answer.code].http_status == status
    else:
        assert isinstance(answer, OutcomeUnknown)
        assert answer.detail
