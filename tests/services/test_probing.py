"""Probes find what an exchange does, in both readings, and only the decisive ones open the way."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from loans.bitmart.client import Client
from loans.bitmart.limits import NoLimiter
from loans.models import Probe
from loans.services import hiding, probing
from tests.money import Desk
from tests.paper_fixture import Paper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(paper: Paper, owner: User, tmp_path: Path) -> Desk:
    return Desk(paper, owner, tmp_path)


def run(desk: Desk) -> dict[str, Probe]:
    log = probing.HeaderLog(NoLimiter())
    with Client(desk.paper.base_url, desk.credentials, limiter=log) as client:
        probing.probe(
            account=desk.account, client=client, log=log, bounds=desk.bounds, now=desk.now()
        )
    desk.account.refresh_from_db()
    return {probe.name: probe for probe in desk.account.probes.all()}


def test_without_a_record_nothing_is_known_and_nothing_is_claimed(desk: Desk) -> None:
    found = run(desk)

    assert found["P1"].state == found["P5"].state == found["P8"].state == "not_known"
    assert desk.account.probed_at is None


def test_a_confirmed_and_listed_loan_opens_the_way(desk: Desk) -> None:
    desk.look(desk.send(desk.place("20")))

    found = run(desk)

    assert found["P1"].state == found["P5"].state == found["P8"].state == "green"
    assert "calls made" in found["P6"].finding
    assert desk.account.probed_at is not None


def test_a_red_probe_takes_the_proof_away_again(desk: Desk) -> None:
    borrow = desk.look(desk.send(desk.place("20")))
    run(desk)
    assert desk.account.probed_at is not None
    type(borrow).objects.update(amount="19")

    found = run(desk)

    assert found["P8"].state == "red"
    assert desk.account.probed_at is None


def test_a_list_that_hid_something_once_is_not_believed_when_it_has_nothing_to_hide(
    desk: Desk,
) -> None:
    desk.look(desk.send(desk.place("20")))
    before = run(desk)["P3"].state
    hiding.note(account=desk.account, now=desk.now())

    assert (before, run(desk)["P3"].state) == ("green", "red")


def test_the_late_request_is_refused_for_its_age(desk: Desk) -> None:
    probe = probing.probe_expiry(account=desk.account, client=desk.client(), now=desk.now())

    assert (probe.name, probe.state) == ("P7", "green")
    assert desk.executed() == []
