"""What tells the time, for code that a test or a proof gives a time of its own."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
