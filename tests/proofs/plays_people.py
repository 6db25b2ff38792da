"""How the cells of the people axis are played: at once, twice, too late, without the right to."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from loans.models import AccountShare, SiteState
from loans.services import instructions
from loans.services.confirmations import Confirmation, TokenRefused, check, read, session_mark
from loans.services.instructions import SlotTaken, TooLate
from tests.proofs.bench import SECOND, Bench, Case
from tests.proofs.cells import Cell
from tests.proofs.plays import place_and_work
from tests.proofs.processes import Child

MINUTE = timedelta(minutes=1)


def play_people(bench: Bench, cell: Cell) -> Case:
    """What people do at the same time, twice, too late, or without the right to."""
    case = bench.new_case()
    bench.exchange.tamper("")
    PEOPLE[cell.first](bench, case)
    bench.rest(case)
    return case


def at_once(bench: Bench, case: Case, *asked: dict[str, object]) -> None:
    """So many web processes that place at the same time; those that are refused say why."""

    def web(how: dict[str, object]) -> Callable[[], None]:
        def work() -> None:
            with suppress(SlotTaken):
                bench.place(case, **how)

        return work

    children = [Child(web(how)) for how in asked]
    errors = [child.error for child in children if child.wait().error]
    assert not errors, errors[0]
    [placed] = case.account.instructions.all()
    case.pk = str(placed.pk)
    for child in [bench.worker(case), bench.worker(case)]:
        child.wait()


def _colleague(bench: Bench, case: Case) -> User:
    person = User.objects.create_user(f"colleague{bench.cases}")
    AccountShare.objects.create(
        account=case.account,
        person=person,
        role=AccountShare.Role.TRADER,
        created_at=bench.now(),
    )
    return person


def _double_click(bench: Bench, case: Case) -> None:
    at_once(bench, case, {}, {})


def _two_tabs(bench: Bench, case: Case) -> None:
    at_once(bench, case, {"nonce": f"{case.nonce}a"}, {"nonce": f"{case.nonce}b"})


def _two_people(bench: Bench, case: Case) -> None:
    other = _colleague(bench, case)
    at_once(bench, case, {}, {"person": other, "nonce": f"{case.nonce}b"})


def _back_button(bench: Bench, case: Case) -> None:
    """The same page is sent again after everything is over."""
    place_and_work(bench, case)
    bench.rest(case)
    again = bench.place(case)
    assert str(again.pk) == case.pk
    bench.worker(case).wait()


def _page(bench: Bench, case: Case, person: User) -> str:
    return Confirmation(
        person=str(person.pk),
        session=session_mark("session"),
        account=str(case.account.pk),
        kind="borrow",
        symbol="BTC_USDT",
        currency="USDT",
        amount=case.amount,
        amount_cap=None,
        repay_all=False,
        rate_shown=Decimal("0.00055"),
        owed_shown=Decimal(0),
        nonce=case.nonce,
        shown_at=bench.now(),
    ).text()


def _confirm(bench: Bench, case: Case, text: str, *, session: str) -> None:
    """What the confirm view does with a posted token."""
    seen = read(text, person_id=bench.owner.pk)
    check(
        seen,
        kind="borrow",
        session_key=session,
        now=bench.now(),
        min_seconds=Decimal(2),
        max_seconds=Decimal(120),
    )
    bench.place(case)


def _refused_page(
    *, owner_saw_it: bool = True, age: timedelta = 10 * SECOND, session: str = "session"
) -> Callable[[Bench, Case], None]:
    def play(bench: Bench, case: Case) -> None:
        text = _page(bench, case, bench.owner if owner_saw_it else _colleague(bench, case))
        bench.advance(age)
        with suppress(TokenRefused):
            _confirm(bench, case, text, session=session)
            raise AssertionError("the page was accepted")
        assert not case.account.instructions.exists()

    return play


def _role_removed(*, at: str) -> Callable[[Bench, Case], None]:
    def play(bench: Bench, case: Case) -> None:
        person = _colleague(bench, case)

        def step(name: str) -> None:
            if name == at:
                AccountShare.objects.filter(person=person).delete()

        bench.place(case, person=person)
        bench.worker(case, step).wait()

    return play


def _deactivated(bench: Bench, case: Case) -> None:
    person = _colleague(bench, case)
    bench.place(case, person=person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    bench.worker(case).wait()


def _stopped(bench: Bench, case: Case) -> None:
    def step(name: str) -> None:
        if name == "signed":
            SiteState.objects.update(stopped=True)

    place_and_work(bench, case, step)


def _cancelled(bench: Bench, case: Case) -> None:
    bench.place(case)
    worker = bench.worker(case)

    def cancel() -> None:
        with suppress(TooLate):
            instructions.cancel(instruction=case.instruction, person=bench.owner, now=bench.now())

    child = Child(cancel)
    case.children.append(child)
    child.wait()
    worker.wait()


PEOPLE: dict[str, Callable[[Bench, Case], None]] = {
    "double click": _double_click,
    "two tabs": _two_tabs,
    "two people": _two_people,
    "back button": _back_button,
    "stale confirm page": _refused_page(age=10 * MINUTE),
    "another person's confirm page": _refused_page(owner_saw_it=False),
    "signed out before confirming": _refused_page(session="another session"),
    "role removed before the claim": _role_removed(at="received"),
    "role removed after signing": _role_removed(at="signed"),
    "person deactivated": _deactivated,
    "stop switch after signing": _stopped,
    "cancelled while a worker claims": _cancelled,
}
