"""The time bounds on which the money path rests, handed to every service that judges by time."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


def span(value: Decimal) -> timedelta:
    """Seconds as a duration, to the microsecond."""
    return timedelta(microseconds=int(value * 1_000_000))


def seconds(duration: timedelta) -> Decimal:
    """A duration as seconds, exactly."""
    return Decimal(duration // timedelta(microseconds=1)) / 1_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """W, P and V are judged in exchange time; the queue, the lease and the deadline in ours."""

    expiry: timedelta  # W: the exchange refuses a signed request that reaches it later
    processing: timedelta  # P: an admitted request takes effect within it, or never
    visibility: timedelta  # V: what took effect is listed within it
    queue: timedelta  # how long a confirmed instruction may wait to be sent
    deadline: timedelta  # connect, write and read of one money call, all together
    lease: timedelta  # how long a worker may prepare before another may take over
    connect: timedelta = timedelta(seconds=5)  # of the deadline, for the connection alone
    give_up: timedelta = timedelta(hours=24)  # listing impossible for so long: a person decides

    @property
    def horizon(self) -> timedelta:
        """After the signing: nothing can still start, run or become visible."""
        return self.expiry + self.processing + self.visibility

    @property
    def between_proofs(self) -> timedelta:
        """The least time between the two listings that prove absence."""
        return min(timedelta(seconds=30), self.visibility / 4)
