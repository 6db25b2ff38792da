"""Saving everything: the whole history of every pair of one account, loaded and put into one file.

1. Load: every list of every pair that is known, disabled or not, is read anew and back to its
   start. What was read stays in the books, so a worker that is killed loses nothing.
2. Write: each part becomes a file of its own; a finished one is not written again.
3. Pack: the parts, an index and checksums become one ZIP.

If the exchange does not answer it is tried again, for a bounded time; then what is there is handed
out, and the index names what is missing.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from loans.bitmart.client import Client
from loans.bitmart.errors import RateLimited, ReadError, Refused
from loans.models import Coverage, Job
from loans.services import archive_index, streams
from loans.services.archive_parts import PARTS, Part, Twin
from loans.services.coverage import served_no_further
from loans.services.exports import safe_name, time_cell
from loans.services.job_files import Folder, saying_what_is_wrong
from loans.services.jobs import Hold

MEDIA_TYPE = "application/zip"
PAIRS_AT_A_TIME = 10
WINDOWS_AT_A_TIME = 10
MOST_TRIES = 3
MOST_TURNED_AWAY = 30
ROWS_A_NOTE = 500
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=10)
# How long an exchange that does not answer is asked again, and one that refuses the key.
PATIENCE, PATIENCE_REFUSED = timedelta(hours=6), timedelta(minutes=10)
BEING_READ = "The lists of every pair are being read."
BEING_WRITTEN = "The files are being written."
ENOUGH = "A person asked for what was there, while the exchange did not answer."
NO_PAIRS = "The pairs of this exchange are not known yet."
LOADING, WRITING = "loading", "writing"


def is_loaded(hold: Hold) -> bool:
    """Whether the first step is over, for better or worse."""
    return hold.job.memory.get("phase") == WRITING


def load(
    hold: Hold,
    *,
    client: Client,
    visibility: timedelta,
    is_over: Callable[[], bool],
    pause: timedelta,
) -> None:
    """Read lists until `is_over`, then let go of the job; whoever comes next goes on.

    Raises: Gone.
    """
    job = hold.job
    streams.foresee(account=job.account)
    _begin(hold)
    if not job.total:
        _wait(hold, Refused(NO_PAIRS))
        return
    while (batch := _next_batch(hold)) and not is_over():
        try:
            done = streams.walk(
                batch,
                client=client,
                now=hold.clock(),
                visibility=visibility,
                is_over=is_over,
                most_windows=WINDOWS_AT_A_TIME,
                clock=hold.clock,
            )
        except ReadError as exc:
            _wait(hold, exc)
            return
        _learn(hold, batch, done.failed)
    if batch:
        hold.release(until=hold.clock() + pause)
    else:
        _go_on_to_writing(hold)


def let_others_read(hold: Hold, *, pause: timedelta) -> bool:
    """Let go while another worker reads this account; False once it has waited long enough.

    Reading twice does no harm: the turn only spares calls, and without a cache nobody has one.
    """
    _begin(hold)
    turned_away = hold.job.memory.get("turned_away", 0) + 1
    hold.job.memory["turned_away"] = 0 if turned_away > MOST_TURNED_AWAY else turned_away
    if turned_away > MOST_TURNED_AWAY:
        return False
    hold.job.note = BEING_READ
    hold.release(until=hold.clock() + pause)
    return True


def give_up_loading(hold: Hold, *, why: str) -> None:
    """Nothing more can be read: what is there is handed out, and the index says why."""
    _begin(hold)
    hold.job.memory["gave_up"] = why
    _go_on_to_writing(hold)


def hand_out_now(job: Job, *, now: datetime) -> bool:
    """While the exchange does not answer, a person may take what is there; False if a worker
    reads just now.
    """
    memory = job.memory | {"gave_up": ENOUGH, "phase": WRITING, "phase_began_at": _text(now)}
    waiting = Job.objects.filter(pk=job.pk, epoch=job.epoch, state=Job.State.RUNNING, is_held=False)
    return is_waiting(job) and bool(
        waiting.update(
            memory=memory, lease_until=now, done=0, total=0, unit="rows", note=BEING_WRITTEN
        )
    )


def is_waiting(job: Job) -> bool:
    """Whether an archive waits for an exchange that does not answer."""
    return job.state == Job.State.RUNNING and bool(job.memory.get("waits")) and not job.is_held


def write(hold: Hold, folder: Folder) -> None:
    """Write the parts that are not written yet, and pack them. Raises: CannotBeMade, Gone."""
    with saying_what_is_wrong():
        place = folder.workshop(hold.job)
        written = hold.job.memory.setdefault("parts", {})
        counts = {part.name: part.count(hold.job.account) for part in PARTS}
        hold.job.total, hold.job.unit = sum(counts.values()), "rows"
        for part in PARTS:
            if not _is_written(written.get(part.name), place):
                with Twin(part, place, _head(hold, part)) as twin:
                    written[part.name] = _write_part(hold, part, twin)
                hold.remember()
        with folder.draft(hold) as out:
            archive_index.pack(hold, place, out)
            folder.keep(out, hold, name=_file_name(hold.job), media_type=MEDIA_TYPE)


def _is_written(part: dict[str, Any] | None, place: Path) -> bool:
    """A database that was restored from a backup remembers parts that are not in it."""
    return part is not None and all((place / name).is_file() for name, _, _ in part["files"])


def _write_part(hold: Hold, part: Part, twin: Twin) -> dict[str, Any]:
    """One part, from its first row; what the index says of it."""
    read_at = hold.clock()
    parts = hold.job.memory["parts"]
    before = sum(each["rows"] for name, each in parts.items() if name != part.name)
    sums = archive_index.Sums() if part.name in archive_index.SUMMED else None
    for row in part.rows(hold.job.account, read_at):
        twin.add(row)
        if sums:
            sums.add(row)
        if twin.count % ROWS_A_NOTE == 0:
            hold.advance(before + twin.count, note=f"{part.title} is being written.")
    files = [[one.name, one.size, one.sha256] for one in twin.close()]
    hold.job.done = before + twin.count
    told = {"rows": twin.count, "read_at": _text(read_at), "files": files}
    return told | {"sums": sums.told()} if sums else told


def _head(hold: Hold, part: Part) -> dict[str, Any]:
    account = hold.job.account
    return {
        "what": part.name,
        "title": part.title,
        "account": account.label,
        "venue": account.venue,
        "zone": "UTC",
        "amounts": "strings, with every digit; null where it is not known",
        "read_at": _text(hold.clock()),
    }


def _begin(hold: Hold) -> None:
    job = hold.job
    job.memory.setdefault("phase", LOADING)
    job.memory.setdefault("phase_began_at", _text(hold.clock()))
    job.memory.setdefault("failed", {})
    job.unit, job.total = "lists", Coverage.objects.filter(account=job.account).count()
    job.done = job.total - _missing(job).count()


def _go_on_to_writing(hold: Hold) -> None:
    now = hold.clock()
    hold.job.memory |= {"phase": WRITING, "phase_began_at": _text(now)}
    hold.job.done, hold.job.total, hold.job.unit = 0, 0, "rows"
    hold.job.note = BEING_WRITTEN
    hold.job.memory.pop("waits", None)
    hold.release(until=now)


def _missing(job: Job) -> QuerySet[Coverage]:
    """Of every list there is, as the certificate inside tells of each: those not read since the
    archive was asked for, or not back to their start, or to be tried again.
    """
    read = Q(asked_at__gte=job.created_at, failures=0)
    old_is_left = Q(trusted=True, complete_from__isnull=False)
    failed = job.memory.get("failed", {})
    again = [symbol for symbol, (tries, _) in failed.items() if tries < MOST_TRIES]
    given_up = [symbol for symbol in failed if symbol not in again]
    missing = ~read | (old_is_left & ~Q(pk__in=served_no_further())) | Q(symbol__in=again)
    lists = Coverage.objects.filter(missing, account=job.account)
    return lists.exclude(symbol__in=given_up)


def _next_batch(hold: Hold) -> list[Coverage]:
    """Both lists of some pairs: what failed comes last, and before it pairs without a record, as
    the exchange may refuse those that it does not lend on any more.
    """
    rows = list(_missing(hold.job).order_by("symbol").select_related("account"))
    begin, never = hold.job.created_at, datetime.min.replace(tzinfo=UTC)
    tried = {row.pk: row.asked_at or never for row in rows}
    rows.sort(key=lambda row: (tried[row.pk] >= begin, not row.has_rows, tried[row.pk]))
    hold.job.done = hold.job.total - len(rows)
    symbols = list(dict.fromkeys(row.symbol for row in rows))[:PAIRS_AT_A_TIME]
    return [row for row in rows if row.symbol in symbols]


def _learn(hold: Hold, batch: Iterable[Coverage], failed: dict[str, ReadError]) -> None:
    """Note which pairs could not be read, how often, and why; and that the exchange answers."""
    memory = hold.job.memory
    memory.pop("trouble_since", None)
    memory.pop("waits", None)
    for symbol in {row.symbol for row in batch}:
        known = memory["failed"].pop(symbol, None)
        if symbol in failed:
            tries = known[0] if known else 0
            memory["failed"][symbol] = [tries + 1, failed[symbol].detail]
    oldest = [row.complete_from for row in batch if row.complete_from]
    reach = f" Reading back: {min(oldest):%d %B %Y}." if oldest else ""
    hold.job.done = hold.job.total - _missing(hold.job).count()
    hold.job.note = f"{BEING_READ}{reach}"
    hold.remember()


def _wait(hold: Hold, exc: ReadError) -> None:
    """Try again later, each time a little later, until patience ends."""
    memory, now = hold.job.memory, hold.clock()
    since = datetime.fromisoformat(memory.setdefault("trouble_since", _text(now)))
    patience = PATIENCE_REFUSED if isinstance(exc, Refused) else PATIENCE
    if now - since >= patience:
        give_up_loading(hold, why=exc.detail)
        return
    memory["waits"] = memory.get("waits", 0) + 1
    wait = min(FIRST_WAIT * 2 ** (memory["waits"] - 1), LONGEST_WAIT)
    if isinstance(exc, RateLimited):
        wait = max(wait, timedelta(seconds=exc.retry_after_seconds))
    hold.job.done = hold.job.total - _missing(hold.job).count()
    hold.job.note = (
        f"The exchange does not give the lists now ({exc.detail[:100]}). What was read is saved; "
        f"it is asked again at {now + wait:%H:%M:%S} UTC, until {since + patience:%d %B %H:%M} UTC."
    )
    hold.release(until=now + wait)


def _file_name(job: Job) -> str:
    return f"{safe_name('archive', job.account.label, f'{job.created_at:%Y-%m-%d}')}.zip"


def _text(at: datetime) -> str:
    return time_cell(at, archive_index.ZONE)
