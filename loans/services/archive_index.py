"""The readable side of an archive: an index that opens offline, a README, checksums; and the ZIP.

What the index claims is read from the archive's own certificate, never from the books as they are
now: the books may have learned more since the rows were written.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.template.loader import render_to_string

from loans import exact
from loans.models import Job, Kind
from loans.services.archive_parts import CERTIFICATE, PARTS
from loans.services.exports import number_cell, safe_name
from loans.services.jobs import Hold

ZONE = UTC
CHUNK = 1024 * 1024
LISTS = {Kind.BORROW: "borrows", Kind.REPAY: "repayments"}
SUMMED = tuple(LISTS.values())  # parts of these names


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is not proven to be there, in words."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What the archive says of its own completeness."""

    lists: int
    busy: int
    complete_to: str
    missing: tuple[Missing, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every list was read from its start, without a gap or a contradiction."""
        return bool(self.lists) and not self.missing


class Sums:
    """What the rows of a part add up to by currency, as they are written: the books may have more
    of them by the time the index is.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._unknown: Counter[tuple[str, str]] = Counter()
        self._figures: dict[str, dict[str, Decimal]] = defaultdict(dict)

    def add(self, row: dict[str, Any]) -> None:
        """One row more."""
        currency = row["currency"]
        self._counts[currency] += 1
        figures = self._figures[currency]
        for name in ("principal", "interest"):
            if row[name] is None:
                self._unknown[currency, name] += 1
            else:
                figures[name] = exact.plus(figures.get(name, exact.ZERO), Decimal(row[name]))

    def told(self) -> dict[str, dict[str, str]]:
        """As texts, by currency; empty where no row tells the figure, and of how many rows each is
        not known.
        """
        return {
            currency: {
                "count": str(count),
                "principal": number_cell(self._figures[currency].get("principal")),
                "interest": number_cell(self._figures[currency].get("interest")),
                "principal_unknown": self._unknown_words(currency, "principal"),
                "interest_unknown": self._unknown_words(currency, "interest"),
            }
            for currency, count in self._counts.items()
        }

    def _unknown_words(self, currency: str, name: str) -> str:
        count = self._unknown[currency, name]
        return f"{count} not known" if count else ""


def claim_of(certificate: list[dict[str, Any]], memory: dict[str, Any]) -> Claim:
    """What a certificate's rows and the reading's troubles allow to be said."""
    missing = []
    if why := memory.get("gave_up"):
        missing.append(Missing("The reading was given up", why))
    for symbol, (tries, why) in sorted(memory.get("failed", {}).items()):
        missing.append(Missing(f"{symbol}, asked {tries} times", why))
    for row in certificate:
        missing += [Missing(f"{row['symbol']}, {LISTS[row['kind']]}", why) for why in doubts(row)]
    ends = [row["complete_to"] for row in certificate if row["complete_to"]]
    return Claim(
        lists=len(certificate),
        busy=sum(row["has_rows"] for row in certificate),
        complete_to=min(ends) if len(ends) == len(certificate) and ends else "",
        missing=tuple(missing),
    )


def doubts(row: dict[str, Any]) -> Iterator[str]:
    """Why one list is not proven complete; nothing if it is."""
    if not row["trusted"]:
        yield "one listing contradicted another"
    if row["complete_to"] is None:
        yield "never read to its end"
    elif row["complete_from"] is not None:
        yield f"not read back beyond {row['complete_from']}"
    for gap in row["gaps"]:
        yield f"gap from {gap['from']} to {gap['to']}: {gap['reason']}"


def pack(hold: Hold, place: Path, out: BinaryIO) -> None:
    """Put the parts and what explains them into one ZIP, checksums last."""
    job, top = hold.job, top_folder(hold.job)
    sums = []
    with ZipFile(out, "w", ZIP_DEFLATED, allowZip64=True) as archive:
        for name, text in _papers(hold, place).items():
            archive.writestr(_entry(job, f"{top}/{name}"), text)
            sums.append((hashlib.sha256(text.encode()).hexdigest(), name))
        for part in PARTS:
            for name, _, sha256 in job.memory["parts"][part.name]["files"]:
                _copy(hold, archive, place / name, f"{top}/{name}")
                sums.append((sha256, name))
        lines = "".join(f"{sha256}  {name}\n" for sha256, name in sums)
        archive.writestr(_entry(job, f"{top}/SHA256SUMS"), lines)


def top_folder(job: Job) -> str:
    """The folder that unpacking makes."""
    return safe_name("marginsite", job.account.label, f"{job.created_at:%Y-%m-%d}")


def _papers(hold: Hold, place: Path) -> dict[str, str]:
    job = hold.job
    certificate = json.loads((place / f"{CERTIFICATE}.json").read_text(encoding="utf-8"))["rows"]
    context = {
        "account": job.account,
        "asked_at": job.created_at,
        "made_at": hold.clock(),
        "claim": claim_of(certificate, job.memory),
        "parts": [{"part": part, **job.memory["parts"][part.name]} for part in PARTS],
        "totals": _totals(job),
        "busy": [row for row in certificate if row["has_rows"]],
    }
    return {
        "index.html": render_to_string("archive/index.html", context),
        "style.css": render_to_string("archive/style.css"),
        "README.txt": render_to_string("archive/README.txt", context),
    }


def _totals(job: Job) -> list[dict[str, str]]:
    """What the rows inside add up to, per currency: for a first look, the rows are what counts."""
    return [
        {"what": name, "currency": currency, **sums}
        for name in SUMMED
        for currency, sums in sorted(job.memory["parts"][name].get("sums", {}).items())
    ]


def _copy(hold: Hold, archive: ZipFile, source: Path, name: str) -> None:
    entry = _entry(hold.job, name)
    with source.open("rb") as file, archive.open(entry, "w", force_zip64=True) as target:
        while chunk := file.read(CHUNK):
            target.write(chunk)
            hold.advance(hold.job.done, note="The files are being packed.")


def _entry(job: Job, name: str) -> ZipInfo:
    """An entry that only its owner may read once it is unpacked."""
    entry = ZipInfo(name, date_time=job.created_at.astimezone(ZONE).timetuple()[:6])
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
