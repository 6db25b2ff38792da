"""Which processes run, and how each is called.

Money has a worker of its own: one process, one task at a time, so that no sync ever stands before
it. Everything else waits for the network most of the time and shares a worker of threads.
"""

from launch import broker
from launch.config import Config
from launch.install import PYTHON, child_environment
from launch.supervisor import Service

MONEY_GRACE_SECONDS = 25.0
SYNC_GRACE_SECONDS = 8.0
WEB_GRACE_SECONDS = 10.0
SYNC_THREADS = 4


def environment(config: Config) -> dict[str, str]:
    """What every process of ours sees; `.env` is read by the settings themselves."""
    return {**child_environment(), "MARGINSITE_DATA_DIR": str(config.data_dir)}


def broker_service(config: Config) -> Service:
    """The embedded broker; it ends after everybody who talks to it."""
    command = broker.prepare(config)
    return Service("broker", command, environment(config), stop_last=True)


def application_services(config: Config) -> list[Service]:
    """Everything that runs the application's code."""
    variables = environment(config)
    services = [
        Service("web", _gunicorn(), variables, grace_seconds=WEB_GRACE_SECONDS),
        Service("money", _money_worker(), variables, grace_seconds=MONEY_GRACE_SECONDS),
        Service("sync", _sync_worker(), variables, grace_seconds=SYNC_GRACE_SECONDS),
        Service("beat", _beat(config), variables),
    ]
    if config.serves_paper:
        services.insert(0, Service("paper", _paper(config), variables, stop_last=True))
    return services


def _python(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", *arguments]


def _gunicorn() -> list[str]:
    return _python("gunicorn", "--config", "marginsite/gunicorn.py", "marginsite.wsgi:application")


def _worker(*arguments: str) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
    return _python("celery", "--quiet", "--app", "marginsite", "worker", *quiet, *arguments)


def _money_worker() -> list[str]:
    name = ["--hostname", "money@%h", "--queues", "money"]
    return _worker(*name, "--pool", "prefork", "--concurrency", "1", "--prefetch-multiplier", "1")


def _sync_worker() -> list[str]:
    name = ["--hostname", "sync@%h", "--queues", "sync"]
    return _worker(*name, "--pool", "threads", "--concurrency", str(SYNC_THREADS))


def _beat(config: Config) -> list[str]:
    schedule = str(config.data_dir / "run" / "beat-schedule")
    options = ["--schedule", schedule, "--pidfile=", "--loglevel", "WARNING"]
    return _python("celery", "--quiet", "--app", "marginsite", "beat", *options)


def _paper(config: Config) -> list[str]:
    return [str(PYTHON), "manage.py", "paper_exchange", "--port", str(config.paper_port)]
