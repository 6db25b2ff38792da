"""The application's settings, as the tests need them: nothing outside this process, and quick.

No `.env` is read, also by processes that tests start. State goes to a directory that is thrown
away, the cache to memory, messages nowhere; static files are served as they are, because hashed
names would be missing, and a page without its style passes every accessibility rule.
"""

import os
import tempfile

os.environ["TEST_WITHOUT_ENV_FILE"] = "true"
if "MARGINSITE_DATA_DIR" not in os.environ:
    _scratch = tempfile.TemporaryDirectory(prefix="marginsite-test-")
    os.environ["MARGINSITE_DATA_DIR"] = _scratch.name
os.environ["CELERY_BROKER_URL"] = "memory://"
os.environ["CACHE_URL"] = "redis://127.0.0.1:1"  # replaced below

from marginsite.settings import *  # noqa: F403
from marginsite.settings import DATA_DIR, DATABASES, STORAGES

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, as people have: in memory, writers do not wait for each other, they fail.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CELERY_TASK_PUBLISH_RETRY = False
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
