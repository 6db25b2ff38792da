"""All records of a filter in order, for files: in runs, so that memory stays constant, and each
record once, whatever the sync writes meanwhile.

By time a run begins where the one before it ended, for a record's instant never changes. A figure
does: the interest of a loan that is out rises, so the next run would lack it or give it again. In
an order by a figure the ids are therefore read first, by one statement, and kept in a file that has
no name, 8 bytes each. The rows are then read by them: in the order of the beginning, with the
figures of the moment they are read. No transaction stays open between runs, however slowly somebody
takes them.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import Any

from django.db import connection

from loans.models import Kind
from loans.services import record_runs
from loans.services.filters import HistoryFilter
from loans.services.keyset import Cursor, Order
from loans.services.record_store import model_of
from loans.services.sql import as_it_is, ask, one_of

IDS_AT_ONCE = 10_000
# SQLite may have been built for 999 values a statement.
ROWS_BY_ID = 900

Raw = tuple[Any, ...]


def runs(
    kind: Kind | str,
    chosen: HistoryFilter,
    order: Order,
    size: int,
    *,
    select: Sequence[str],
    cursor_after: Callable[[Any], Cursor],
    make: Callable[[list[Raw]], list[Any]] = as_it_is,
) -> Iterator[list[Any]]:
    """Runs of `size` rows at most; none is empty.

    `select` are expressions over `run`, the id first; `make` makes rows of what they give, with the
    id of the instruction last, and `cursor_after` says where one of these stands in time.
    """
    if not order.is_instant:
        for ids in _ids_in_order(kind, chosen, order, min(size, ROWS_BY_ID)):
            yield make(_by_id(kind, ids, select))
        return
    cursor = None
    while rows := record_runs.fetch_raw(kind, chosen, order, size, cursor, select=select):
        run = make(rows)
        yield run
        if len(run) < size:
            return
        cursor = cursor_after(run[-1])


def _ids_in_order(
    kind: Kind | str, chosen: HistoryFilter, order: Order, size: int
) -> Iterator[Sequence[int]]:
    """Runs of the ids of all rows of a filter in this order, as of one instant. One query."""
    where, values = record_runs.condition_of(kind, chosen)
    table = model_of(kind)._meta.db_table
    sql = f"SELECT run.id FROM {table} AS run WHERE {where} ORDER BY {order.all_terms}"  # noqa: S608 - our own names
    with TemporaryFile() as kept:
        with connection.chunked_cursor() as cursor:
            cursor.execute(sql, values)
            while some := cursor.fetchmany(IDS_AT_ONCE):
                array("q", (row_id for (row_id,) in some)).tofile(kept)
        kept.seek(0)
        while some := array("q", kept.read(size * array("q").itemsize)):
            yield some


def _by_id(kind: Kind | str, ids: Sequence[int], select: Sequence[str]) -> list[Raw]:
    """These rows in the order of their ids; one that is gone by now is left out."""
    where, values = one_of("run.id", ids)
    wanted = ", ".join((*select, "cause.id"))
    rows = ask(
        f"SELECT {wanted} FROM {model_of(kind)._meta.db_table} AS run "  # noqa: S608 - our own names
        f"LEFT JOIN loans_instruction AS cause ON cause.{kind}_record_id = run.id WHERE {where}",
        values,
        keep=False,
    )
    found = {row[0]: row for row in rows}
    return [found[row_id] for row_id in ids if row_id in found]
