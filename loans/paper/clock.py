"""The exchange's clock: the machine's, shifted, stopped or pushed on at will. Milliseconds, UTC."""

import threading
import time
from collections.abc import Mapping
from decimal import Decimal

from loans.paper.store import Store

_SETTING = "clock"


class Clock:
    """Survives restarts, so that the exchange's time never falls back by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        saved = store.setting(_SETTING)
        state = saved if isinstance(saved, dict) else {}
        self._offset_ms = int(state.get("offset_ms", 0))
        self._frozen_ms: int | None = state.get("frozen_ms")

    def now_ms(self) -> int:
        """The exchange's time."""
        with self._lock:
            return self._frozen_ms if self._frozen_ms is not None else self._running_ms()

    def drive(self, orders: Mapping[str, object]) -> None:
        """Obey `offset_seconds`, `advance_seconds`, `freeze` (true, false or milliseconds).

        Raises: ValueError for anything else.
        """
        unknown = set(orders) - {"offset_seconds", "advance_seconds", "freeze"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        offset = _milliseconds(orders, "offset_seconds")
        advance = _milliseconds(orders, "advance_seconds")
        freeze = orders.get("freeze")
        if freeze is not None and not isinstance(freeze, int):
            raise ValueError("freeze is true, false or milliseconds")
        with self._lock:
            self._obey(offset, advance, freeze)
            state = {"offset_ms": self._offset_ms, "frozen_ms": self._frozen_ms}
        self._store.save_setting(_SETTING, state)

    def _obey(self, offset: int | None, advance: int | None, freeze: int | None) -> None:
        if offset is not None:
            self._offset_ms = offset
        if freeze is False:
            self._frozen_ms = None
        elif freeze is True:
            self._frozen_ms = self._running_ms()
        elif freeze is not None:
            self._frozen_ms = freeze
        if advance is not None:
            self._offset_ms += advance
            if self._frozen_ms is not None:
                self._frozen_ms += advance

    def _running_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms


def _milliseconds(orders: Mapping[str, object], name: str) -> int | None:
    value = orders.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name} is a number of seconds")
    return int(value * 1000)
