"""How figures, instants and ages are written for people: exactly, once, and as ready HTML.

Pages with long tables call these while they load their rows, so that templates only print strings.
Nothing here rounds silently: an amount keeps every place it has, a share of one keeps its places as
percent. Imports nothing of ours, reads no clock, knows no request.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from html import escape

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

AMOUNT_PLACES = 8
PERCENT_PLACES = 6
# By its name: a long page with a sign beyond ASCII in it takes many times as long to encode.
UNKNOWN = SafeString('<span class="unknown" title="not known">&ndash;</span>')
# So many zeros behind what is kept of a number, and with the point where nothing is.
DIMMED = {zeros: f'<span class="z">{"0" * zeros}</span>' for zeros in range(1, 41)}
DIMMED_ALL = {zeros: f'<span class="z">.{"0" * zeros}</span>' for zeros in range(1, 41)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)


def digits(value: Decimal, *, places: int = AMOUNT_PLACES, grouped: bool = True) -> str:
    """The number in full with a fixed count of places; more only where the value has more."""
    own = len(plain(value).partition(".")[2])
    return format(value, f"{',' if grouped else ''}.{max(places, own)}f")


def plain(value: Decimal) -> str:
    """The number as a person would type it: no grouping, no trailing zeros, never an exponent."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: Decimal) -> str:
    """As `plain`, with its thousands apart; for prices and ratios."""
    whole, point, places = plain(value).partition(".")
    return f"{Decimal(whole):,f}{point}{places}"


def numbers_html(
    numbers: Iterable[tuple[str, str] | None], afters: Iterable[str], *, places: int = AMOUNT_PLACES
) -> list[str]:
    """A column of numbers, each from its plain digits before and behind the point, and what stands
    after it: thousands apart, and trailing zeros dimmed; None is not known. Texts, for long tables
    that join their cells: marking each of them as safe takes as long as writing it, and so would a
    call for each. Digits are ours, so there is nothing in them to escape.
    """
    found = []
    for number, after in zip(numbers, afters, strict=True):
        if number is None:
            found.append(UNKNOWN)
            continue
        whole, behind = number
        if len(whole) > 3 or whole[0] == "-":
            whole = _apart(whole)
        if kept := behind.rstrip("0"):
            dimmed = DIMMED.get(places - len(kept), "")
            found.append(f'<span class="num">{whole}.{kept}{dimmed}{after}</span>')
        else:
            found.append(f'<span class="num">{whole}{DIMMED_ALL.get(places, "")}{after}</span>')
    return found


def _apart(whole: str) -> str:
    """Thousands apart, with a true minus sign."""
    if whole[0] == "-":
        return f"−{int(whole[1:]):,}"
    return f"{whole[:-3]},{whole[-3:]}" if len(whole) < 7 else f"{int(whole):,}"


def amount(value: Decimal | None, currency: str = "", *, places: int = AMOUNT_PLACES) -> SafeString:
    """An amount in full digits, its trailing zeros dimmed, its currency smaller behind it."""
    [text] = amounts_html([value], [unit_html(currency)], places=places)
    return SafeString(text)


def amounts_html(
    values: Iterable[Decimal | None], units: Iterable[str], *, places: int = AMOUNT_PLACES
) -> list[str]:
    """A column of amounts, each as `amount` writes it; `unit_html` gives a unit."""
    return numbers_html(map(_parts, values), units, places=places)


def _parts(value: Decimal | None) -> tuple[str, str] | None:
    """The digits before and behind the point."""
    if value is None:
        return None
    whole, _, behind = format(value, "f").partition(".")
    return whole, behind


@lru_cache(maxsize=1024)
def unit_html(currency: str) -> str:
    """What stands behind an amount; nothing if it is of no currency."""
    return f'<span class="cur">{escape(currency)}</span>' if currency else ""


def percent_text(fraction: Decimal, *, places: int = PERCENT_PLACES) -> str:
    """A fraction as percent without HTML: 0.00055 gives `0.055000 %`. Rounds half to even."""
    return f"{EXACT.multiply(fraction, Decimal(100)):,.{places}f} %"


def percent(fraction: Decimal | None, *, places: int = PERCENT_PLACES) -> SafeString:
    """A fraction as percent, trailing zeros dimmed."""
    if fraction is None:
        return UNKNOWN
    whole, _, behind = format(EXACT.multiply(fraction, Decimal(100)), f".{places}f").partition(".")
    [text] = numbers_html([(whole, behind)], ['<span class="cur pct">%</span>'], places=places)
    return SafeString(text)


def change(fraction: Decimal | None, *, places: int = 1) -> SafeString:
    """A relative change with its sign: `▲ +3.2 %` (dearer) or `▼ −1.0 %` (cheaper)."""
    if fraction is None:
        return UNKNOWN
    if fraction == 0:
        return SafeString('<span class="num unknown">0 %</span>')
    up = fraction > 0
    text = percent_text(abs(fraction), places=places)
    return format_html(
        '<span class="num {}">{} {}{}</span>',
        "up" if up else "down",
        "▲" if up else "▼",
        "+" if up else "−",
        text,
    )


def duration_words(seconds: int) -> str:
    """How long, in the largest unit that fits: `now`, `40 s`, `3 min`, `2 h`, `5 d`."""
    if seconds < 5:
        return "now"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} d"


def whole_seconds(later: datetime, earlier: datetime) -> int:
    """Whole seconds between two aware instants, never below zero."""
    span = later - earlier
    return max(0, span.days * 86400 + span.seconds)


def utc_text(at: datetime) -> str:
    """The instant in UTC to the second."""
    return f"{at.astimezone(UTC).isoformat(' ')[:19]} UTC"


def local_text(at: datetime, zone: tzinfo | None = None, *, milliseconds: bool = False) -> str:
    """The instant in the person's zone, with the zone's name."""
    local = at.astimezone(zone or timezone.get_current_timezone())
    text = local.isoformat(" ", "milliseconds")
    return f"{text[:23] if milliseconds else text[:19]} {local.tzname()}"


def both_zones(at: datetime, zone: tzinfo | None = None) -> str:
    """Local time, and UTC beside it unless they are the same."""
    local, utc = local_text(at, zone), utc_text(at)
    return utc if local == utc else f"{local} ({utc})"


def instant(
    at: datetime | None, *, zone: tzinfo | None = None, milliseconds: bool = False
) -> SafeString:
    """An instant in the person's zone; hovering shows it in UTC."""
    if at is None:
        return UNKNOWN
    utc = at.astimezone(UTC).isoformat(" ")[:-6]
    zone = zone or timezone.get_current_timezone()
    [text] = instants_html([utc], zone, milliseconds=milliseconds)
    return SafeString(text)


def instants_html(texts: Iterable[str], zone: tzinfo, *, milliseconds: bool = False) -> list[str]:
    """A column of instants, each as `instant` writes it, from texts in UTC
    (`2026-11-20 12:00:00[.25]`), for long tables that join their cells.
    """
    is_short = str(zone) == "UTC" and not milliseconds  # most of them, and a fraction of the work
    found = []
    for utc in texts:
        if len(utc) == 19:
            second = thousandth = utc
        else:
            second = utc[:19]
            thousandth = f"{second}.{utc[20:23]:0<3}"
        if is_short:
            local = f"{second} UTC"
        else:
            at = datetime.fromisoformat(f"{utc}+00:00")
            local = escape(local_text(at, zone, milliseconds=milliseconds))
        found.append(
            f'<time class="num" datetime="{thousandth}Z" title="{second} UTC">{local}</time>'
        )
    return found


def within(sentence: str) -> str:
    """A sentence as the end of another: without its stop, and small unless it begins with a name,
    which has more capitals.
    """
    first = sentence.partition(" ")[0]
    if first[1:].islower():
        sentence = first[0].lower() + sentence[1:]
    return sentence.removesuffix(".")


def age_tone(seconds: int, period_seconds: int) -> str:
    """How worried to be: empty while fresh, `late` past two periods, `stale` past ten."""
    if seconds > 10 * period_seconds:
        return "stale"
    return "late" if seconds > 2 * period_seconds else ""


def age(
    at: datetime | None,
    *,
    now: datetime,
    period_seconds: int = 60,
    source: str = "",
    problem: str = "",
    focusable: bool = False,
    zone: tzinfo | None = None,
) -> SafeString:
    """The chip that says how old a figure is; `problem` ("exchange unreachable") joins a late one.

    The page's script keeps it ticking from `data-at`; without script it says what was true when the
    page was made.
    """
    if at is None:
        return SafeString('<span class="chip age age-stale">never read</span>')
    seconds = whole_seconds(now, at)
    tone = age_tone(seconds, period_seconds)
    words = duration_words(seconds)
    problem = escape(within(problem))
    said = f"{words}, {problem}" if problem and tone else words
    remark = f' data-problem="{problem}"' if problem else ""
    css = f" age-{tone}" if tone else ""
    focus = ' tabindex="0"' if focusable else ""
    title = " · ".join(part for part in (both_zones(at, zone), source) if part)
    return SafeString(
        f'<time class="chip age{css}"'
        f' datetime="{at.astimezone(UTC).isoformat("T", "seconds")}"'
        f' data-at="{whole_seconds(at, EPOCH)}" data-period="{period_seconds}"'
        f' data-on-paper="{escape(local_text(at, zone))}"{remark}'
        f'{focus} title="{escape(title)}">{said}</time>'
    )


def sparkline(values: Sequence[Decimal], *, label: str, width: int = 72) -> SafeString:
    """A step line of values in order, drawn in whole pixels; the label says it in words."""
    if len(values) < 2:
        return SafeString('<span class="unknown" title="no change known yet">–</span>')
    height, low, high = 20, min(values), max(values)
    reach = high - low
    points = []
    for index, value in enumerate(values):
        x = index * (width - 4) // (len(values) - 1) + 1
        y = height - 2 - int((value - low) * (height - 4) / reach) if reach else height // 2
        points.append((x, y))
    path = f"M{points[0][0]} {points[0][1]}" + "".join(f"H{x}V{y}" for x, y in points[1:])
    return format_html(
        '<svg class="spark" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img"'
        ' aria-label="{2}"><path d="{3}"/><circle cx="{4}" cy="{5}" r="1.8"/></svg>',
        width,
        height,
        label,
        path,
        *points[-1],
    )
