"""A request that the exchange refuses, and the code it answers; statuses are the code table's."""

from loans.bitmart.codes import CODES


class Refusal(Exception):
    """Nothing was done; `code` says why. `message` replaces the table's wording."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.message = message or CODES[code].message
        self.http_status = CODES[code].http_status
        super().__init__(f"{code} {self.message}")


def missing(name: str) -> Refusal:
    """A parameter that is not there, worded as captured live."""
    return Refusal(50000, f"Bad Request [{name} is empty]")


def invalid(name: str) -> Refusal:
    """A parameter whose value makes no sense."""
    return Refusal(50021, f"Invalid {name}")
