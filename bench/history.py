"""How quick the pages and files of the history are, against their floors and against the admin.

    python -m bench.history --rows 100000

Fills a database of its own (a temporary SQLite file, or the empty one that `BENCH_DATABASE_URL`
names), measures in interleaved rounds and prints medians, ratios and which goals hold. Read the
ratios; times drift with the machine. The floor of a page is a page that only greets the person,
through the same middleware and, for a whole page, in the same frame, and the keyset statement of
the same rows as one writes it by hand: with plain columns, of which the driver makes values, and
never kept prepared. That of a file is its lines built by the database. Pages are
measured without totals, then with them.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from bench.asked import DEEP, Asked, pages_of
from bench.ground import Ground, Visitor, fill, medians, prepare

ROUNDS = 201  # of fewer, the slowest of so many pages is the one that chance disturbed most
TURNS = 7  # of the admin and the pages
BORROWS = "/history/borrows/"
# What htmx asks for where a page is turned and where a filter is changed; what a link gives.
FORMS = {"turned": "history-rows", "filtered": "history-table", "whole": ""}
GREETINGS = {form: "/bench/hello/" if part else "/bench/framed/" for form, part in FORMS.items()}
MOST_OF_FLOOR, MOST_OF_FIRST, MOST_OF_TOTALS, MOST_MEMORY_MB = 1.5, 1.3, 1.3, 48
# How many times as quick as the admin a deep page is to be, by engine, from how many rows on.
LEAST_OF_ADMIN = {"sqlite": ((10**7, 60), (10**6, 30)), "postgresql": ((10**7, 300), (10**6, 75))}
MOST_OF_LINES = {"sqlite": 1.5, "postgresql": 2.0}
SQLITE_LINES = """
SELECT account.label || ',' || account.venue || ',' || r.record_id || ',' || r.symbol || ',' ||
    r.currency || ',' ||
    COALESCE(COALESCE(NULLIF(ltrim(substr(principal, 2, 22), '0'), ''), '0')
        || '.' || substr(principal, 24), '') || ',' ||
    COALESCE(COALESCE(NULLIF(ltrim(substr(interest, 2, 22), '0'), ''), '0')
        || '.' || substr(interest, 24), '') || ',' ||
    substr(at, 1, 10) || 'T' || substr(at, 12, 8) || '.' || substr(substr(at, 21, 3) || '000', 1, 3)
        || '+00:00,' ||
    COALESCE(NULLIF(ltrim(substr(daily_rate, 2, 8), '0'), ''), '0')
        || '.' || substr(daily_rate, 10) || ',' ||
    COALESCE(NULLIF(ltrim(substr(hourly_rate, 2, 8), '0'), ''), '0')
        || '.' || substr(hourly_rate, 10) || ',' ||
    CASE WHEN story_changed THEN 'yes' ELSE 'no' END || ',' || COALESCE(cause.id, '') || ','
FROM loans_borrowrecord AS r
JOIN loans_account AS account ON account.id = r.account_id
LEFT JOIN loans_instruction AS cause ON cause.borrow_record_id = r.id
ORDER BY r.at DESC, r.id DESC
"""
POSTGRESQL_LINES = """
COPY (SELECT account.label, account.venue, r.record_id, r.symbol, r.currency, r.principal,
    r.interest, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"'), r.daily_rate,
    r.hourly_rate, CASE WHEN r.story_changed THEN 'yes' ELSE 'no' END, cause.id, ''
FROM loans_borrowrecord AS r
JOIN loans_account AS account ON account.id = r.account_id
LEFT JOIN loans_instruction AS cause ON cause.borrow_record_id = r.id
ORDER BY r.at DESC, r.id DESC) TO STDOUT WITH (FORMAT csv)
"""

Task = Callable[[], object]


@dataclass
class Report:
    """What was measured, and which goals hold."""

    figures: dict[str, Any] = field(default_factory=dict)
    goals: dict[str, bool] = field(default_factory=dict)

    def goal(self, name: str, value: float, bound: float, *, least: bool = False) -> None:
        """Note a figure with what it is to be at most, or at least."""
        self.figures[name] = round(value, 3)
        self.goals[name] = value >= bound if least else value <= bound
        word = "holds" if self.goals[name] else "MISSED"
        print(f"  {name:<58}{value:>9.2f}  {'>=' if least else '<='} {bound:<6g}{word}")


def measure_pages(ground: Ground, report: Report) -> None:
    """Every page as htmx asks for it and whole, against its floor and the first one (M1)."""
    from django.db import connection

    visitor, asked = Visitor(ground.person), pages_of(ground)

    def ask(page: Asked, fragment: str) -> bytes:
        return visitor.ask(BORROWS, page.query, fragment=fragment)

    def run(page: Asked) -> None:
        with connection.cursor() as cursor:
            for sql, params in page.statements:
                cursor.execute(sql, params)
                cursor.fetchall()

    # What is compared stands side by side in a round: drift is larger than what is measured.
    tasks: dict[str, Task] = {}
    for name, page in asked.items():
        for fragment in FORMS.values():  # counting them takes longer than turning to them may
            if (rows := ask(page, fragment).count(b"<tr data-opens>")) != page.rows:
                raise SystemExit(f"{rows} rows under {page.query}, not {page.rows}")
        for form, address in GREETINGS.items():
            tasks[f"{name} {form} hello"] = lambda to=address, part=FORMS[form]: visitor.ask(
                to, fragment=part
            )
        tasks[f"{name} sql"] = lambda page=page: run(page)
        for form, fragment in FORMS.items():
            tasks[f"{name} {form}"] = lambda page=page, to=fragment: ask(page, to)
            tasks[f"{name} {form} first"] = lambda to=fragment: ask(asked["first"], to)
    found = medians(tasks, ROUNDS)
    # Each form's greeting is one thing, however many pages it was asked beside.
    greeting = {
        form: statistics.median(found[f"{name} {form} hello"] for name in asked) for form in FORMS
    }
    print("\nPages (M1), in milliseconds")
    columns = "".join(f"{form:>10}{'of floor':>10}{'of first':>10}" for form in FORMS)
    print(f"  {'':<18}{'greeting':>10}{'in frame':>10}{'statement':>11}{columns}")
    worst: dict[str, float] = {}
    for name in asked:
        sql = found[f"{name} sql"]
        line = f"  {name:<18}{greeting['turned'] * 1000:>10.2f}{greeting['whole'] * 1000:>10.2f}"
        line += f"{sql * 1000:>11.2f}"
        for form in FORMS:
            taken = found[f"{name} {form}"]
            ratios = {
                "of its floor": taken / (greeting[form] + sql),
                "of the first page": taken / found[f"{name} {form} first"],
            }
            line += f"{taken * 1000:>10.2f}" + "".join(f"{r:>9.2f}x" for r in ratios.values())
            for kind, ratio in ratios.items():
                report.figures[f"{name}, {form}, {kind}"] = round(ratio, 3)
                key = f"{form}: the slowest page {kind}"
                worst[key] = max(worst.get(key, 0), ratio)
        print(line)
    for name, ratio in worst.items():
        report.goal(f"M1 {name}", ratio, MOST_OF_FLOOR if "floor" in name else MOST_OF_FIRST)


def measure_admin(ground: Ground, report: Report) -> None:
    """A deep page, whole, against the admin's list at the same depth (M2)."""
    from django.db import connection

    visitor = Visitor(ground.person)
    name = "10,000th" if ground.rows >= 2 * DEEP else "middle"
    deep = pages_of(ground)[name].query
    position = min(DEEP, ground.rows // 2)
    admin = f"p={position // 100 + 1}"

    def page(fragment: str) -> Task:
        return lambda: visitor.ask(BORROWS, deep, fragment=fragment)

    # In rounds of their own, because what the admin leaves behind in caches is not the page's cost;
    # by turns, because a few seconds of a busy machine would else meet the one or the other.
    pages = {form: page(fragment) for form, fragment in FORMS.items()}
    turns = [
        medians({"admin": lambda: visitor.ask("/admin/loans/borrowrecord/", admin)}, rounds=1)
        | medians(pages, ROUNDS // TURNS)
        for _ in range(TURNS)
    ]
    found = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    goals = LEAST_OF_ADMIN[connection.vendor]
    least = next((least for rows, least in goals if ground.rows >= rows), 1)
    print(f"\nAdmin (M2): {found['admin'] * 1000:.0f} ms at the same depth")
    for form in FORMS:
        ratio = found["admin"] / found[form]
        report.goal(f"M2 the admin's list of the page, {form}", ratio, least, least=True)


def measure_totals(ground: Ground, report: Report, totals: Callable[..., Any]) -> None:
    """What totals add to a page."""
    from loans.services import history

    visitor, without = Visitor(ground.person), history.totals

    def ask(with_totals: bool) -> None:
        history.totals = totals if with_totals else without
        visitor.ask(BORROWS, fragment="history-table")

    found = medians({"with": lambda: ask(True), "without": lambda: ask(False)}, ROUNDS)
    history.totals = without
    print(f"\nTotals: a page with them {found['with'] * 1000:.2f} ms")
    report.goal(
        "a page with totals of one without", found["with"] / found["without"], MOST_OF_TOTALS
    )


def measure_files(ground: Ground, report: Report) -> None:
    """A CSV of everything against its lines built by the database (M10)."""
    from django.db import connection

    from loans.models import Kind
    from loans.services import exports, history

    everything = history.read({}, accounts=ground.accounts, zone=UTC)

    def floor() -> int:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(POSTGRESQL_LINES) as copy:
                    return sum(len(piece) for piece in copy)
            cursor.execute(SQLITE_LINES)
            size = 0
            while lines := cursor.fetchmany(5000):
                size += len("\r\n".join([line for (line,) in lines])) + 2
            return size

    def file() -> int:
        return sum(len(piece) for piece in exports.csv_pieces(Kind.BORROW, everything))

    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin) / 1024
    found = medians({"lines": floor, "file": file}, rounds=3)
    print(f"\nFiles (M10): lines {found['lines']:.2f} s, CSV {found['file']:.2f} s")
    most = MOST_OF_LINES[connection.vendor]
    report.goal("M10 CSV of lines built by the database", found["file"] / found["lines"], most)
    report.goal("M10 memory that a CSV takes, MB", grown, MOST_MEMORY_MB)


def measure(rows: int) -> dict[str, Any]:
    """Fill, measure and print; the figures, and under `goals` which of them are met.

    For a process of its own: it sets Django up for a database that is thrown away.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        begin = time.perf_counter()
        ground = fill(rows)
        taken = time.perf_counter() - begin
        from django.db import connection

        print(f"{rows:,} borrows on {connection.vendor}, filled in {taken:.0f} s")
        from loans.services import history

        report, totals = Report({"rows": rows, "engine": connection.vendor}), history.totals
        history.totals = lambda kind, chosen: []
        measure_pages(ground, report)
        measure_admin(ground, report)
        measure_totals(ground, report, totals)
        measure_files(ground, report)
        connection.close()
    missed = [name for name, holds in report.goals.items() if not holds]
    held = [name for name, holds in report.goals.items() if holds]
    print(f"\nHold: {'; '.join(held) or 'none'}. Missed: {'; '.join(missed) or 'none'}.")
    return {**report.figures, "goals": report.goals}


def main() -> None:
    """From the command line; ends with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    sys.exit(0 if all(measure(parser.parse_args().rows)["goals"].values()) else 1)


if __name__ == "__main__":
    main()
