"""One send against a scripted server, and what it came to."""

from collections.abc import Callable
from decimal import Decimal

from loans.bitmart.errors import MoneyError
from loans.bitmart.money import MoneyAnswer, SignedOrder, send
from tests.bitmart.samples import an_order, envelope
from tests.bitmart.scripted import Connection, ScriptedServer

CONFIRMED = envelope({"borrow_id": "113896"})
# Long enough for a busy machine; tests that wait for the deadline ask for the short one.
PATIENT = Decimal(10)
SHORT = Decimal("0.6")


def outcome(
    url: str, order: SignedOrder | None = None, *, seconds: Decimal = PATIENT, **how: object
) -> MoneyAnswer | MoneyError:
    try:
        return send(
            order or an_order(), base_url=url, connect_seconds=seconds, total_seconds=seconds, **how
        )
    except MoneyError as exc:
        return exc


def outcome_of(script: Callable[[Connection], None], **how: object) -> MoneyAnswer | MoneyError:
    """What one send to such a server comes to; checks that it heard at most one request."""
    with ScriptedServer(script) as server:
        result = outcome(server.url, **how)
        assert len(server.connections) <= 1
        return result


def then(act: Callable[[Connection], None]) -> Callable[[Connection], None]:
    """A script that takes the request (an exchange may have executed it) and then misbehaves."""

    def script(connection: Connection) -> None:
        connection.read_request()
        act(connection)

    return script
