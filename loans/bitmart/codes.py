"""The exchange's answer codes, as data: the HTTP status of each, and which of them prove a refusal.

Match on the code, never on the message: the exchange words one code in several ways. Sentences for
people do not live here.

Reference: https://developer-pro.bitmart.com/en/spot/#error-code
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

SUCCESS = 1000

# The codes that say, together with exactly their HTTP status, that a borrow or repay was refused
# before it had any effect. Everything else leaves the outcome open: "service unavailable" does not
# say whether.
_REFUSALS = frozenset(
    {
        *range(30001, 30009),
        *range(30010, 30014),
        30018,
        50000,
        50001,
        50020,
        50021,
        50028,
        50040,
        *range(51000, 51007),
        51024,
        *range(53000, 53012),
        57001,
        58001,
    }
)


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the exchange's table; `message` is its own wording, for the paper exchange."""

    code: int
    http_status: int
    message: str
    refuses: bool


_TABLE: tuple[tuple[int, int, str], ...] = (
    # The gate: key, signature, clock, address, limits.
    (30000, 404, "Not found"),
    (30001, 401, "Header X-BM-KEY is empty"),
    (30002, 401, "Header X-BM-KEY not found"),
    (30003, 401, "Header X-BM-KEY has frozen"),
    (30004, 401, "Header X-BM-SIGN is empty"),
    (30005, 401, "Header X-BM-SIGN is wrong"),
    (30006, 401, "Header X-BM-TIMESTAMP is empty"),
    (30007, 401, "Header X-BM-TIMESTAMP range. Within a minute"),
    (30008, 401, "Header X-BM-TIMESTAMP invalid format"),
    (
        30010,
        403,
        "IP is forbidden. We recommend enabling IP whitelist for API trading."
        " After that reauth your account",
    ),
    (30011, 403, "Header X-BM-KEY over expire time"),
    (30012, 403, "Header X-BM-KEY is forbidden to request it"),
    (30013, 429, "Request too many requests"),
    (30014, 503, "Service unavailable"),
    (30016, 200, "Service maintenance, the function is temporarily unavailable"),
    (
        30017,
        418,
        "Your account request is temporarily rejected due to violation of current limiting rules,"
        " please contact customer service",
    ),
    (30018, 503, "Request Body requires JSON format"),
    (
        30019,
        200,
        "You do not have the permissions to perform this operation."
        " Please contact customer service or BD for assistance",
    ),
    (30030, 200, "Futures V1 deprecated"),
    (
        30031,
        200,
        "This endpoint has been deprecated. You can view the change logs for upgrade",
    ),
    # Spot and margin.
    (50000, 400, "Bad Request"),
    (50001, 400, "Symbol not found"),
    (50020, 400, "Balance not enough"),
    (50021, 400, "Invalid %s"),
    (50022, 400, "Service unavailable"),
    (50028, 400, "Missing parameters"),
    (50040, 400, "Symbol Not Available"),
    (50041, 400, "Out of query time range"),
    (51000, 400, "Currency not found"),
    (51001, 400, "Margin Account not Opened"),
    (51002, 400, "Margin Account Not Available"),
    (51003, 400, "Account Limit"),
    (51004, 400, "Exceed the maximum number of borrows available."),
    (51005, 400, "Less than the minimum borrowable amount"),
    (51006, 400, "Exceeds the amount to be repaid"),
    (51007, 400, "order_mode not found"),
    (51008, 400, "Operation is limited, please try again later"),
    (51024, 400, "There is no Margin Borrowing"),
    (52004, 400, "End time must be greater than or equal to Start time"),
    (
        53000,
        403,
        "Your account is frozen due to security policies. Please contact customer service",
    ),
    (53001, 403, "Your kyc country is restricted. Please contact customer service."),
    (
        53002,
        403,
        "Your account has not yet completed the kyc advanced certification, please complete first",
    ),
    (53003, 403, "No permission, please contact the main account"),
    (53004, 403, "This trading pair is not available to trade in your region"),
    (53005, 403, "Don't have permission to access the interface"),
    (53006, 403, "Please complete your personal verification(Starter)"),
    (53007, 403, "Please complete your personal verification(Advanced)"),
    (53008, 403, "Services is not available in your countries and areas"),
    (
        53009,
        403,
        "Your account has not yet completed the qr code certification, please complete first",
    ),
    (53010, 403, "This account is restricted from borrowing"),
    (53011, 403, "Your account type is prohibited from using this feature"),
    (57001, 405, "Method Not Allowed"),
    (58001, 415, "Unsupported Media Type"),
    (59001, 400, "User account not found"),
    (59002, 500, "Internal Server Error"),
    (59003, 500, "Spot wallet call fail"),
    (59004, 500, "Margin wallet service call exception"),
    (59005, 500, "Margin wallet service restricted"),
    (59006, 500, "Transfer fail"),
    (59007, 500, "Get symbol risk data fail"),
    (59008, 500, "Trading order failure"),
    (59009, 500, "Loan success,but trading order failure"),
    (59010, 500, "Insufficient loan amount."),
    (
        59011,
        500,
        "The Get Wallet Balance service call fail, please try again later",
    ),
    # Quotation v3 reports its errors with HTTP 200.
    (70000, 200, "no data"),
    (70001, 200, "request param can not be null"),
    (70002, 200, "symbol is invalid"),
    (70003, 200, "net error, please try later"),
)

CODES: Mapping[int, Code] = MappingProxyType(
    {
        code: Code(code, status, message, refuses=code in _REFUSALS)
        for code, status, message in _TABLE
    }
)


def proves_refusal(code: int, http_status: int, *, withdrawn: Iterable[int] = ()) -> bool:
    """Whether this code, with this status, proves that a borrow or repay had no effect.

    `withdrawn` names codes that were once seen to lie (a record turned up after the refusal).
    """
    known = CODES.get(code)
    if known is None or not known.refuses or code in withdrawn:
        return False
    return known.http_status == http_status
