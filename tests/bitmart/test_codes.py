"""The table of codes, against what the facts sheet says of it."""

import pytest

from loans.bitmart.codes import CODES, proves_refusal

REFUSALS = {
    *range(30001, 30009), 30010, 30011, 30012, 30013, 30018,
    50000, 50001, 50020, 50021, 50028, 50040,
    *range(51000, 51007), 51024, *range(53000, 53012), 57001, 58001,
}  # fmt: skip


def test_the_allow_list_is_exactly_the_documented_one():
    assert {code for code, row in CODES.items() if row.refuses} == REFUSALS


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_refuses_only_with_its_own_status(code):
    own = CODES[code].http_status

    proven = {status for status in range(100, 600) if proves_refusal(code, status)}

    assert proven == ({own} if code in REFUSALS else set())


@pytest.mark.parametrize("code", [30014, 30016, 30017, 50022, 51008, 59002, 59009, 59010, 77777])
def test_what_does_not_say_whether_it_happened_proves_nothing(code):
    assert not any(proves_refusal(code, status) for status in range(100, 600))


def test_a_withdrawn_code_proves_nothing_any_more():
    assert proves_refusal(51004, 400)
    assert not proves_refusal(51004, 400, withdrawn={51004})


@pytest.mark.parametrize(
    ("code", "status"),
    [(30005, 401), (30012, 403), (30013, 429), (30016, 200), (30017, 418), (30018, 503),
     (51004, 400), (53010, 403), (57001, 405), (58001, 415), (59010, 500), (70002, 200)],
)  # fmt: skip
def test_a_code_has_the_status_of_the_documentation(code, status):
    assert CODES[code].http_status == status
    assert CODES[code].code == code
