"""How complete the history is: for each account, pair and kind, from when to when it is proven,
which spans are missing, and when that was last checked.

Reads what the sync proved; it proves nothing itself and rounds nothing up.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from django.db.models import QuerySet

from loans.models import Account, Coverage, Kind
from loans.services import held
from loans.services.sql import ALWAYS, Words, both, engine, one_of, to_database


class Certificate(NamedTuple):
    """What a list or a total rests on, over several streams.

    `since` is where a list begins that is of a span, `until` where it ends once that has passed:
    what lies outside is not told.
    `complete_from` None means that all is proven from there, or from the account's start;
    `complete_to` None that nothing is proven. `busy_to` is how far the streams that have rows are
    proven, `audited_at` when the one of them that waits longest was read again; None if one never
    was.
    """

    since: datetime | None = None
    until: datetime | None = None
    streams: int = 0
    busy: int = 0
    unproven: int = 0
    untrusted: int = 0
    gaps: int = 0
    complete_from: datetime | None = None
    complete_to: datetime | None = None
    busy_to: datetime | None = None
    checked_at: datetime | None = None
    audited_at: datetime | None = None
    pairs: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every stream is proven from where the list begins to where it ends, without a gap
        or a contradiction.
        """
        doubts = self.unproven or self.untrusted or self.gaps or self.is_loading
        return bool(self.streams) and self.is_reached and self.is_read_out and not doubts

    @property
    def is_loading(self) -> bool:
        """Whether some stream has not been read back to where the list begins."""
        return self.complete_from is not None

    @property
    def is_reached(self) -> bool:
        """Whether anything was read of the span that the list is of."""
        return self.since is None or (self.end is not None and self.end > self.since)

    @property
    def is_read_out(self) -> bool:
        """Whether every stream, those without rows too, was read to where the list ends; so it is
        where the list has no end, or one that is to come.
        """
        return self.until is None or (
            self.complete_to is not None and self.complete_to >= self.until
        )

    @property
    def begin(self) -> datetime | None:
        """From when on it is proven; None from the account's start."""
        return self.complete_from or self.since

    @property
    def end(self) -> datetime | None:
        """How far the streams that count are proven: those that have rows, if any has."""
        return self.busy_to if self.busy else self.complete_to

    @property
    def has_span(self) -> bool:
        """Whether some time, a second at least, was read of every stream that counts."""
        if self.begin is None:
            return True
        return self.end is not None and self.end - self.begin >= timedelta(seconds=1)


# What a certificate holds but for where its list begins and ends.
_TOLD = {
    "streams": "COUNT(*)",
    "busy": "COUNT(*) FILTER (WHERE has_rows)",
    "unproven": "COUNT(*) - COUNT(complete_to)",
    "untrusted": "COUNT(*) FILTER (WHERE NOT trusted)",
    "gaps": "({gaps})",
    "complete_from": "MAX(complete_from) FILTER (WHERE {beyond})",
    "complete_to": "CASE WHEN COUNT(complete_to) = COUNT(*) THEN MIN(complete_to) END",
    "busy_to": "MIN(complete_to) FILTER (WHERE has_rows)",
    "checked_at": "COALESCE(MIN(checked_at) FILTER (WHERE has_rows), MIN(checked_at))",
    "audited_at": (
        "CASE WHEN COUNT(*) FILTER (WHERE has_rows AND audited_at IS NULL) = 0 "
        "THEN MIN(audited_at) FILTER (WHERE has_rows) END"
    ),
    "pairs": "({pairs})",
}
# No name of a pair has a comma in it. Those of several streams come several times: to sort them out
# takes PostgreSQL longer than everything else it is asked here.
ALL_NAMES = {"postgresql": "string_agg(symbol, ',')", "sqlite": "group_concat(symbol)"}


def certify(
    accounts: Sequence[Account],
    *,
    kinds: Iterable[str] = Kind,
    symbols: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime | None = None,
    pairs_of: Sequence[Account] = (),
) -> Certificate:
    """The certificate over the streams of these accounts, for a list of that span, with the pairs
    of `pairs_of`. Streams need not be read to an end that is after `now`. One query.
    """
    kinds = tuple(map(str, kinds))
    words = _words(
        len(accounts),
        len(kinds),
        None if symbols is None else len(symbols),
        has_since=since is not None,
        has_until=until is not None,
        pairs_of=len(pairs_of),
    )
    key, held_as = to_database(Coverage, "account"), to_database(Coverage, "complete_from")
    of_streams = (*(key(account.pk) for account in accounts), *kinds, *(symbols or ()))
    of_pairs = (key(account.pk) for account in pairs_of)
    [(*row, pairs)] = words.ask((*of_streams, held_as(since), held_as(until), *of_pairs))
    # An instant is a text as SQLite holds it.
    told = (held.instant(x) if isinstance(x, str) else x for x in row)
    passed = None if until and now and until > now else until
    names = tuple(sorted({*pairs.split(",")}) if pairs else ())
    found = Certificate(since, passed, *told, pairs=names)
    if until is None:
        return found
    complete_to, busy_to = (end and min(end, until) for end in (found.complete_to, found.busy_to))
    return found._replace(complete_to=complete_to, busy_to=busy_to)


@lru_cache(maxsize=64)
def _words(
    accounts: int,
    kinds: int,
    symbols: int | None,
    *,
    has_since: bool,
    has_until: bool,
    pairs_of: int,
) -> Words:
    """What asks for what is told of the streams of so many accounts, kinds and pairs (None: of all
    of them), of their gaps and of where they begin, and for the pairs of so many accounts. Written
    with the places of the values: first theirs, then the two ends of the span, then those accounts.
    """
    places = iter(range(accounts + kinds + (symbols or 0) + 2 + pairs_of))
    where, params = both(
        one_of("stream.account_id", tuple(islice(places, accounts))),
        one_of("stream.kind", tuple(islice(places, kinds))),
        ALWAYS if symbols is None else one_of("stream.symbol", tuple(islice(places, symbols))),
    )
    begin, end = islice(places, 2)
    beyond, after = ("complete_from > %s", (begin,)) if has_since else ALWAYS
    in_span, around = both(
        ("gap.ends_at >= %s", (begin,)) if has_since else ALWAYS,
        ("gap.starts_at <= %s", (end,)) if has_until else ALWAYS,
    )
    # There are few gaps: a CROSS JOIN has SQLite begin with them and not with the streams.
    owned = "loans_coveragegap AS gap CROSS JOIN loans_coverage AS stream"
    met = f"stream.id = gap.coverage_id AND {where} AND {in_span}"
    gaps = f"SELECT COUNT(*) FROM {owned} WHERE {met}"  # noqa: S608 - our own names
    owners, of_pairs = both(one_of("account_id", tuple(places)), ("has_rows", ()))
    pairs = f"SELECT {ALL_NAMES[engine()]} FROM loans_coverage WHERE {owners}"  # noqa: S608 - as above
    told = ", ".join(_TOLD[name] for name in Certificate._fields[2:]).format(
        gaps=gaps, beyond=beyond, pairs=pairs
    )
    sql = f"SELECT {told} FROM loans_coverage AS stream WHERE {where}"  # noqa: S608 - as above
    return Words(sql, (*params, *around, *after, *of_pairs, *params))


def streams_of(accounts: Sequence[Account]) -> QuerySet[Coverage]:
    """Every stream with its gaps: real money first, then those with rows. Two queries."""
    found = Coverage.objects.filter(account__in=accounts)
    return (
        found.select_related("account")
        .prefetch_related("gaps")
        .order_by("account__venue", "account__label", "account_id", "-has_rows", "symbol", "kind")
    )
