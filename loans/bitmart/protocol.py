"""BitMart's protocol without I/O: the signature, strict JSON, and the envelope around every answer.

Bytes in, values or `Malformed` out. It must not open a socket, read a clock or know an endpoint.

Reference: https://developer-pro.bitmart.com/en/spot/#signature-authentication
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import urlsplit

READ_LIMIT_BYTES = 8 * 1024 * 1024
MONEY_LIMIT_BYTES = 64 * 1024

# Beyond this many digits a JSON integer is kept as a Decimal: converting it to an int is quadratic
# in its length, and no field of the exchange is that long.
_INTEGER_DIGITS = 40
_HOST = re.compile(r"[a-z0-9.:-]+")
_CODE_TEXT = re.compile(r"[0-9]{1,9}")


class Malformed(ValueError):
    """These bytes are not what the exchange sends; the text says why and quotes none of them."""


def sign(*, timestamp_ms: int, memo: str, body: bytes, secret: str) -> str:
    """Sign `{timestamp}#{memo}#{body}` with HMAC-SHA256; lower-case hex.

    `body` is exactly what is sent. For a GET it is empty, as the exchange's own libraries have it.
    """
    prestring = f"{timestamp_ms}#{memo}#".encode() + body
    return hmac.new(secret.encode(), prestring, hashlib.sha256).hexdigest()


def decode_json(body: bytes, *, limit_bytes: int = READ_LIMIT_BYTES, strict: bool = True) -> object:
    """Decode UTF-8 JSON in which no object has a key twice; fractions become Decimal.

    NaN and Infinity are refused; with `strict=False` they become Decimal NaN instead, so that a
    listing loses the row that has them and not all of its rows.
    Raises: Malformed.
    """
    if len(body) > limit_bytes:
        raise Malformed(f"longer than {limit_bytes} bytes")
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_fraction,
            parse_int=_integer,
            parse_constant=_constant if strict else _not_a_number,
        )
    except Malformed:
        raise
    except UnicodeDecodeError as exc:
        raise Malformed("not UTF-8") from exc
    except RecursionError as exc:
        raise Malformed("nested too deeply") from exc
    except ValueError:
        # The decoder's own error carries the whole document: neither chained nor quoted.
        raise Malformed("not JSON") from None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What surrounds every answer. `message` is never tested: a code has several wordings."""

    code: int
    message: str = field(repr=False)
    trace: str = field(repr=False)
    data: object = field(repr=False)


def parse_envelope(
    body: bytes, *, limit_bytes: int = READ_LIMIT_BYTES, strict: bool = True
) -> Envelope:
    """Decode an answer's envelope; all but `code` may be missing.

    With `strict=False`, for reads, `code` may also be written as text.
    Raises: Malformed.
    """
    value = decode_json(body, limit_bytes=limit_bytes, strict=strict)
    if not isinstance(value, Mapping):
        raise Malformed("not a JSON object")
    return Envelope(
        code=_code(value.get("code"), strict=strict),
        message=_text(value.get("message")),
        trace=_text(value.get("trace")),
        data=value.get("data"),
    )


def http_date(text: str) -> datetime | None:
    """Read a `Date` header, which counts whole seconds; None if there is none to trust."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def validate_base_url(url: str) -> str:
    """Return a venue's address without its last slash: https, or plain http on this machine only.

    Raises: ValueError.
    """
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or parts.port == 0:
        raise ValueError("the address must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address must not hold a user or a password")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("the address must end after its host and port")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("plain http is for this machine only; use https")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _code(value: object, *, strict: bool) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return value
    if not strict and isinstance(value, str) and _CODE_TEXT.fullmatch(value):
        return int(value)
    raise Malformed("no code in the answer")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("a key stands twice in one object")
    return result


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except DecimalException:
        # An exponent beyond any Decimal: whoever reads the field refuses it as not finite.
        return Decimal("NaN")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INTEGER_DIGITS else Decimal(text)


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number")


def _not_a_number(name: str) -> Decimal:
    return Decimal("NaN")
