"""Settings of a proof: the application's own database options, except for the connection pool.

A proof forks hundreds of processes, and a pool's threads do not survive a fork.
"""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["OPTIONS"] = {}
DATABASES["default"]["CONN_MAX_AGE"] = None  # nothing here serves requests
LOGGING_CONFIG = None  # a proof says itself where its processes' logs go
