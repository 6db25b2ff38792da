"""All settings, from the environment or `.env`. Every variable stands in `.env.example`; nonsense
fails at start.
"""

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import environ
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from launch.config import read_environment
from launch.console import StartError
from launch.runtime import broker_socket
from marginsite.secrets_file import Secrets

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
try:
    env.ENVIRON.update(read_environment(BASE_DIR))
except StartError as exc:
    raise environ.ImproperlyConfigured(str(exc)) from exc
TRUE, FALSE = ("true", "yes", "on", "1", "y", "ok"), ("false", "no", "off", "0", "n")
LEVELS = ("debug", "info", "warning", "error", "critical")
DATABASE_SCHEMES = ("sqlite://", "postgres://", "postgresql://", "pgsql://", "psql://")


def text_setting(name: str, default: str) -> str:
    """What is set; a variable that is set to nothing counts as unset."""
    return env.str(name, default="") or default


def whole_setting(name: str, default: int, *, most: int) -> int:
    """A whole number from 1 to `most`."""
    text = text_setting(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise environ.ImproperlyConfigured(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def decimal_setting(name: str, default: str) -> Decimal:
    """A positive decimal number of seconds."""
    try:
        value = Decimal(text_setting(name, default))
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise environ.ImproperlyConfigured(f"{name} must be a positive number of seconds")
    return value


def word_setting(name: str, default: str, known: tuple[str, ...]) -> str:
    """One of the known words, in small letters."""
    word = text_setting(name, default).lower()
    if word not in known:
        raise environ.ImproperlyConfigured(f"{name} must be one of {', '.join(known)}")
    return word


def bool_setting(name: str) -> bool:
    """Whether it is switched on; off unless set."""
    return word_setting(name, "false", TRUE + FALSE) in TRUE


def database_of(url: str) -> dict[str, Any]:
    """The database that DATABASE_URL names. A URL may hold a password, so it is never shown."""
    try:
        found = env.db_url_config(url) if url.startswith(DATABASE_SCHEMES) else {}
    except ValueError:
        found = {}
    if found.get("NAME", "") in ("", ":memory:"):
        raise environ.ImproperlyConfigured(
            "DATABASE_URL must be like postgres://user:password@host:5432/name or sqlite:////file"
        )
    return found


# --- Where everything lives --------------------------------------------------------------------
DATA_DIR = (BASE_DIR / Path(text_setting("MARGINSITE_DATA_DIR", "var")).expanduser()).resolve()
try:
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as exc:
    raise environ.ImproperlyConfigured(f"MARGINSITE_DATA_DIR cannot be made: {exc}") from exc
DATABASE_URL = text_setting("DATABASE_URL", f"sqlite:///{DATA_DIR / 'marginsite.sqlite3'}")
DATABASES = {"default": {"OPTIONS": {}} | database_of(DATABASE_URL)}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"

# --- Secrets -----------------------------------------------------------------------------------
NEW_SECRETS = bool_setting("MARGINSITE_NEW_SECRETS")  # the old ones are lost, and known
secrets = Secrets.read(
    DATA_DIR / "secrets.env",
    environment=env.ENVIRON,
    database=Path(DATABASES["default"]["NAME"]) if IS_SQLITE else None,
    make_anew=NEW_SECRETS,
)

SECRET_KEY = secrets.secret_key
CREDENTIAL_KEYS = secrets.credential_keys  # kid:base64url(32 bytes)[,kid2:...]; the first encrypts
FINGERPRINT_PEPPER = secrets.fingerprint_pepper

# --- Web ---------------------------------------------------------------------------------------
DEBUG = bool_setting("DEBUG")
PORT = whole_setting("MARGINSITE_PORT", 8000, most=65535)
BIND = text_setting("MARGINSITE_BIND", "127.0.0.1")
WEB_WORKERS = whole_setting("MARGINSITE_WEB_WORKERS", 1, most=64)
WEB_THREADS = whole_setting("MARGINSITE_WEB_THREADS", 4, most=64)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = bool_setting("MARGINSITE_HTTPS")
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # without one, /metrics does not exist

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "heroicons",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "loans",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "marginsite.middleware.security_headers",
    "marginsite.middleware.client_address",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "marginsite.middleware.modest_requests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "marginsite.middleware.words_for_wrong_ways",
    "marginsite.middleware.CannotCount",
    "marginsite.middleware.sessions_in_use",
    "marginsite.middleware.LoginRequired",
    "marginsite.middleware.proof_for_people",
    "marginsite.middleware.local_time",
]

DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024
DEFAULT_EXCEPTION_REPORTER_FILTER = "marginsite.error_reports.Discreet"

ROOT_URLCONF = "marginsite.urls"
WSGI_APPLICATION = "marginsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "loans.views.shell.shell",
            ],
        },
    },
]

FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

# --- Database ----------------------------------------------------------------------------------
# What the URL asks for besides stays: how a line is encrypted, above all.
if IS_SQLITE:
    # IMMEDIATE, or read-then-write transactions fail with "database is locked"; FULL, or a power
    # cut may forget a committed SENDING.
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["OPTIONS"] |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    DATABASES["default"]["OPTIONS"] |= {
        "pool": {"min_size": 0, "max_size": 8, "timeout": 10},
        "prepare_threshold": 5,  # for `loans.services.sql.ask`; nothing else is prepared
    }
    DATABASES["default"]["CONN_MAX_AGE"] = 0
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache, sessions ---------------------------------------------------------------------------
BROKER_SOCKET = broker_socket(DATA_DIR)


def default_cache_url() -> str:
    """The embedded broker's second database, or the server that was named as the broker."""
    broker_url = text_setting("CELERY_BROKER_URL", "")
    if broker_url.startswith(("redis://", "rediss://")):
        return broker_url
    if broker_url and "CACHE_URL" not in env.ENVIRON:
        raise environ.ImproperlyConfigured(
            "With this CELERY_BROKER_URL, CACHE_URL must be set, too"
        )
    return f"unix://{BROKER_SOCKET}?db=1"


# Shared by all processes, because sign-in counts its attempts here. A broken cache fails fast, and
# pages go on without it (`marginsite.cache`). A call that timed out is not made again: only a kept
# connection that the server has closed meanwhile is worth a second try.
CACHES = {
    "default": {
        "BACKEND": "marginsite.cache.Cache",
        "LOCATION": text_setting("CACHE_URL", default_cache_url()),
        "KEY_PREFIX": "marginsite",
        "OPTIONS": {
            "socket_connect_timeout": 1,
            "socket_timeout": 0.5,
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        },
    }
}
# In the database alone: a copy in the cache could not be taken away while the cache does not
# answer, and a session that was ended meanwhile would be back with it.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_UNUSED = timedelta(minutes=whole_setting("SESSION_UNUSED_MINUTES", 30, most=720))
ACCOUNT_SESSION_REMEMBER = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
KNOWN_BROWSER_COOKIE_NAME = "known_browser"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
if HTTPS:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    KNOWN_BROWSER_COOKIE_NAME = "__Host-known-browser"
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- People ------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "loans:overview"
ACCOUNT_ADAPTER = "loans.views.sign_in.ClosedSignup"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody can sign up
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # for addresses of mail: whoever has one gets a password
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "loans.views.sign_in.SealedFactors"
MFA_FORMS = {
    "authenticate": "loans.forms.proof.SignInForm",
    "reauthenticate": "loans.forms.proof.CodeForm",
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
USERSESSIONS_TRACK_ACTIVITY = True  # shown in the list; noted by marginsite.middleware
EMAIL_URL = env.str("EMAIL_URL", default="")
SENDS_MAIL = bool(EMAIL_URL)
vars().update(environ.Env.email_url_config(EMAIL_URL or "dummymail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="marginsite@localhost")

# --- Words, time, static files -----------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "marginsite.static_files.ChartFiles",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# --- Venues ------------------------------------------------------------------------------------
PAPER_PORT = whole_setting("PAPER_PORT", 8001, most=65535)
PAPER_BASE_URL = text_setting("PAPER_BASE_URL", f"http://127.0.0.1:{PAPER_PORT}")
BITMART_BASE_URL = env.str("BITMART_BASE_URL", default="https://api-cloud.bitmart.com")

# --- Money path (reliability bounds; see ARCHITECTURE.md, "Life of a borrow") ------------------
MONEY_EXPIRY_SECONDS = decimal_setting("MONEY_EXPIRY_SECONDS", "60")  # W
MONEY_PROCESSING_SECONDS = decimal_setting("MONEY_PROCESSING_SECONDS", "600")  # P
MONEY_VISIBILITY_SECONDS = decimal_setting("MONEY_VISIBILITY_SECONDS", "120")  # V
MONEY_QUEUE_SECONDS = decimal_setting("MONEY_QUEUE_SECONDS", "60")
MONEY_DEADLINE_SECONDS = decimal_setting("MONEY_DEADLINE_SECONDS", "20")
MONEY_PROBED_VENUES = env.list("MONEY_PROBED_VENUES", default=["paper"])
CONFIRM_MIN_SECONDS = decimal_setting("CONFIRM_MIN_SECONDS", "2")
CONFIRM_MAX_SECONDS = decimal_setting("CONFIRM_MAX_SECONDS", "120")

# --- Celery ------------------------------------------------------------------------------------
# A message is only a hint: what is to be done stands in the database, and ticks find what a lost
# message left undone. So publishing gives up quickly, and a task may be delivered twice.
CELERY_BROKER_URL = text_setting("CELERY_BROKER_URL", f"redis+socket://{BROKER_SOCKET}")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A message taken by a worker that was killed comes back after this long. A task that runs
    # longer is started a second time beside the first, and so is a countdown above half of it.
    "visibility_timeout": 15 * 60,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    # Of each command. Longer than a worker asks the broker to wait for a message, which is a second
    # (a worker that finds the broker frozen connects anew).
    "socket_timeout": 2,
    "max_retries": 0,  # of connecting in order to publish; workers try until they succeed
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 5 * 60  # where the pool can enforce it (money); far below the above
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "sync"
CELERY_TASK_ROUTES = {
    "loans.tasks.send_instruction": {"queue": "money"},
    "loans.tasks.money_tick": {"queue": "money"},
    "loans.tasks.beat_tick": {"queue": "money"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
# Seconds. A tick that could not run by the time of the next one is dropped, never piled up.
CELERY_BEAT_SCHEDULE = {
    "money": {"task": "loans.tasks.money_tick", "schedule": 2, "options": {"expires": 2}},
    "keys": {"task": "loans.tasks.key_tick", "schedule": 20, "options": {"expires": 20}},
    "beat": {"task": "loans.tasks.beat_tick", "schedule": 30, "options": {"expires": 20}},
    "sync": {"task": "loans.tasks.sync_tick", "schedule": 60, "options": {"expires": 50}},
    "daily": {"task": "loans.tasks.daily_tick", "schedule": 86_400, "options": {"expires": 3600}},
    "jobs": {"task": "loans.tasks.job_tick", "schedule": 5, "options": {"expires": 5}},
    "files": {"task": "loans.tasks.expire_files", "schedule": 3600, "options": {"expires": 3600}},
}

# --- Logs --------------------------------------------------------------------------------------
LOG_LEVEL = word_setting("LOG_LEVEL", "info", LEVELS).upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # A form that says what is wrong with what was typed is no trouble of the site.
    "filters": {
        "not_typing": {"()": "marginsite.log.NotTyping"},
        "untraced": {"()": "marginsite.log.Untraced"},
        "refused": {"()": "marginsite.log.Refused"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # urllib3 logs whole URLs at DEBUG; never let it.
    # Celery's own lines, several for every tick, would bury everything else.
    "loggers": {
        "django.request": {"filters": ["not_typing", "refused"]},
        "django.security.SuspiciousOperation": {"filters": ["untraced"]},
        "django.security.DisallowedHost": {"filters": ["untraced"]},
        "urllib3": {"level": "INFO"},
        "requests": {"level": "INFO"},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
