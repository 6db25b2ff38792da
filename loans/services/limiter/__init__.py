"""One limiter for all processes: counts every call to a venue where all of them can see it.

`SharedLimiter` is what a client holds; the stores keep the count: on the cache server if it speaks
Redis, in the database otherwise. It waits for leave; it never calls a venue itself.
"""

from loans.services.limiter.database import DatabaseStore
from loans.services.limiter.redis import RedisStore
from loans.services.limiter.shared import GiveWay, SharedLimiter
from loans.services.limiter.stores import Store, StoreDown

__all__ = ["DatabaseStore", "GiveWay", "RedisStore", "SharedLimiter", "Store", "StoreDown"]
