"""Keeps the count on the cache server: each step is one script, so it is atomic, on one clock.

The scripts say what `rules` says in Python; the tests run the same cases against both.
"""

from collections.abc import Sequence

import redis

from loans.services.limiter.stores import (
    BREAKER_FAILURES,
    BREAKER_LONGEST_US,
    FORGET_US,
    SETTLE_US,
    Demand,
    Grant,
    Outcome,
    StoreDown,
)

_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function text(n) return string.format('%.0f', n) end
"""

# KEYS: born, then log and gate of every scope. ARGV: ticket, hold, settle, background, then calls,
# window and percent of every scope. Answers {wait, own calls in the first scope}.
_ACQUIRE = (
    _NOW
    + """
local ticket, hold, settle = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local background = ARGV[4] == '1'
local born = tonumber(redis.call('GET', KEYS[1]))
if not born then
  born = now
  redis.call('SET', KEYS[1], text(now))
end
local wait = born + settle - now
local function window_wait(log, calls, window)
  local count = redis.call('ZCOUNT', log, '(' .. text(now - window), '+inf')
  if count < calls then return 0 end
  local at = tonumber(redis.call('ZREVRANGE', log, calls - 1, calls - 1, 'WITHSCORES')[2])
  if at > now then return window end
  return at + window - now
end
local scopes = (#KEYS - 1) / 2
for i = 1, scopes do
  local log, gate = KEYS[2 * i], KEYS[2 * i + 1]
  local calls, window = tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local percent = tonumber(ARGV[3 * i + 4])
  local told = redis.call('HMGET', gate, 'closed', 'canary', 'breaker', 'calls', 'window', 'until')
  wait = math.max(wait, (tonumber(told[1]) or 0) - now)
  if told[2] and redis.call('ZCOUNT', log, '(' .. text(now), '+inf') > 0 then
    wait = math.max(wait, 200000)
  end
  if background then wait = math.max(wait, (tonumber(told[3]) or 0) - now) end
  local horizon = math.max(settle, window)
  local function allowed(n) return math.max(1, math.floor(n * percent / 100)) end
  wait = math.max(wait, window_wait(log, allowed(calls), window))
  if told[4] and tonumber(told[6]) > now then
    horizon = math.max(horizon, tonumber(told[5]))
    wait = math.max(wait, window_wait(log, allowed(tonumber(told[4])), tonumber(told[5])))
  end
  redis.call('ZREMRANGEBYSCORE', log, '-inf', text(now - horizon))
  redis.call('PEXPIRE', log, math.ceil((hold + horizon) / 1000))
end
if wait > 0 then return {math.ceil(wait), 0} end
for i = 1, scopes do
  redis.call('ZADD', KEYS[2 * i], text(now + hold), ticket)
  redis.call('PEXPIRE', KEYS[2 * i], math.ceil((hold + 3600000000) / 1000))
end
return {0, redis.call('ZCOUNT', KEYS[2], '(' .. text(now - tonumber(ARGV[6])), '+inf')}
"""
)

# KEYS: log and gate of every scope. ARGV: ticket, outcome, breaker failures, longest, jitter.
_COMPLETE = (
    _NOW
    + """
for i = 1, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], 'XX', text(now), ARGV[1])
  if ARGV[2] == 'answered' then redis.call('HDEL', KEYS[i + 1], 'canary', 'failures') end
end
if ARGV[2] == 'failed' then
  local gate = KEYS[#KEYS]
  local failures = redis.call('HINCRBY', gate, 'failures', 1)
  local first = tonumber(ARGV[3])
  if failures >= first then
    local doubled = 1000000 * 2 ^ math.min(failures - first + 1, 10)
    local longest = math.min(tonumber(ARGV[4]), doubled)
    local pause = 1000000 + math.floor(longest * tonumber(ARGV[5]) / 100)
    redis.call('HSET', gate, 'breaker', text(now + pause))
  end
  redis.call('PEXPIRE', gate, 14400000)
end
return 0
"""
)

# KEYS: gate. ARGV: forget.
_STRIKE = (
    _NOW
    + """
local told = redis.call('HMGET', KEYS[1], 'closed', 'strikes', 'struck')
if (tonumber(told[1]) or 0) > now then return tonumber(told[2]) or 1 end
local strikes = 1
if (tonumber(told[3]) or 0) > now - tonumber(ARGV[1]) then
  strikes = (tonumber(told[2]) or 0) + 1
end
redis.call('HSET', KEYS[1], 'strikes', strikes, 'struck', text(now))
redis.call('PEXPIRE', KEYS[1], 14400000)
return strikes
"""
)

# KEYS: gate. ARGV: for how long, canary.
_SHUT = (
    _NOW
    + """
local closed = tonumber(redis.call('HGET', KEYS[1], 'closed')) or 0
redis.call('HSET', KEYS[1], 'closed', text(math.max(closed, now + tonumber(ARGV[1]))))
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'canary', 1) end
redis.call('PEXPIRE', KEYS[1], 14400000)
return 0
"""
)

# KEYS: gate. ARGV: calls, window, forget.
_TIGHTEN = (
    _NOW
    + """
redis.call('HSET', KEYS[1], 'calls', ARGV[1], 'window', ARGV[2],
  'until', text(now + tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], 14400000)
return 0
"""
)


class RedisStore:
    """The count of one venue on a server that speaks Redis."""

    def __init__(self, connection: redis.Redis, *, venue: str, prefix: str = "calls") -> None:
        """Keep the scripts; nothing is asked of the server yet."""
        self._prefix = f"{prefix}:{venue}"
        self._acquire = connection.register_script(_ACQUIRE)
        self._complete = connection.register_script(_COMPLETE)
        self._strike = connection.register_script(_STRIKE)
        self._shut = connection.register_script(_SHUT)
        self._tighten = connection.register_script(_TIGHTEN)

    def acquire(
        self, ticket: str, demands: Sequence[Demand], *, hold_us: int, is_background: bool
    ) -> Grant:
        """Take a permit in every scope, or in none."""
        keys = [f"{self._prefix}:born", *self._keys([demand.scope for demand in demands])]
        arguments: list[str | int] = [ticket, hold_us, SETTLE_US, int(is_background)]
        for demand in demands:
            arguments += [demand.calls, demand.window_us, demand.percent]
        return Grant(*self._run(self._acquire, keys, arguments))

    def complete(
        self, ticket: str, scopes: Sequence[str], *, outcome: Outcome, jitter_percent: int
    ) -> None:
        """Stamp the permit as completed."""
        arguments = [ticket, outcome, BREAKER_FAILURES, BREAKER_LONGEST_US, jitter_percent]
        self._run(self._complete, self._keys(scopes), arguments)

    def strike(self, scope: str) -> int:
        """Count a 429, a ban or a page."""
        return self._run(self._strike, [self._gate(scope)], [FORGET_US])

    def shut(self, scope: str, *, for_us: int, needs_canary: bool) -> None:
        """Give no leave for so long."""
        self._run(self._shut, [self._gate(scope)], [for_us, int(needs_canary)])

    def tighten(self, scope: str, *, calls: int, window_us: int) -> None:
        """Obey a stricter limit."""
        self._run(self._tighten, [self._gate(scope)], [calls, window_us, FORGET_US])

    def _keys(self, scopes: Sequence[str]) -> list[str]:
        return [
            key for scope in scopes for key in (f"{self._prefix}:log:{scope}", self._gate(scope))
        ]

    def _gate(self, scope: str) -> str:
        return f"{self._prefix}:gate:{scope}"

    def _run(self, script: redis.commands.core.Script, keys: list, arguments: list) -> object:
        try:
            return script(keys=keys, args=arguments)
        except redis.RedisError as exc:
            raise StoreDown("the cache server cannot count calls now") from exc
