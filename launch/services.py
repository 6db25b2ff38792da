"""Which processes run, and how each is called.

Money has a worker of its own, whose processes take one task at a time, so that no sync ever stands
before it. Everything else waits for the network most of the time and shares a worker of threads.
"""

import functools
import http.client
import socket

from launch import broker
from launch.config import Config
from launch.install import PYTHON, child_environment
from launch.supervisor import Service

MONEY_GRACE_SECONDS = 25.0
SYNC_GRACE_SECONDS = 8.0
WEB_GRACE_SECONDS = 10.0
MONEY_PROCESSES = 2  # so that one silent exchange holds up neither the tick nor everybody else
SYNC_THREADS = 8  # they wait for the network and the rate limit, hardly ever for the processor
PROBE_SECONDS = 2.0


def environment(config: Config) -> dict[str, str]:
    """What every process of ours sees; `.env` is read by the settings themselves."""
    return {**child_environment(), "MARGINSITE_DATA_DIR": str(config.data_dir)}


def broker_service(config: Config) -> Service:
    """The embedded broker; it ends after everybody who talks to it."""
    command = broker.prepare(config)
    ready = functools.partial(broker.answers, config.broker_socket)
    return Service("broker", command, environment(config), stop_last=True, is_ready=ready)


def application_services(config: Config) -> list[Service]:
    """Everything that runs the application's code."""
    variables = environment(config)
    page = functools.partial(page_answers, config)
    services = [
        Service("web", _gunicorn(), variables, WEB_GRACE_SECONDS, is_ready=page),
        Service("money", _money_worker(), variables, MONEY_GRACE_SECONDS),
        Service("sync", _sync_worker(), variables, SYNC_GRACE_SECONDS),
        Service("beat", _beat(config), variables),
    ]
    if config.serves_paper:
        open_port = functools.partial(_accepts, config.paper_port)
        paper = Service("paper", _paper(config), variables, stop_last=True, is_ready=open_port)
        services.insert(0, paper)
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
    return _worker(*name, "--pool", "prefork", "--concurrency", str(MONEY_PROCESSES))


def _sync_worker() -> list[str]:
    name = ["--hostname", "sync@%h", "--queues", "sync"]
    return _worker(*name, "--pool", "threads", "--concurrency", str(SYNC_THREADS))


def _beat(config: Config) -> list[str]:
    schedule = str(config.data_dir / "run" / "beat-schedule")
    options = ["--schedule", schedule, "--pidfile=", "--loglevel", "WARNING"]
    return _python("celery", "--quiet", "--app", "marginsite.clock", "beat", *options)


def _paper(config: Config) -> list[str]:
    return [str(PYTHON), "manage.py", "paper_exchange", "--port", str(config.paper_port)]


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def page_answers(config: Config) -> bool:
    """Whether the sign-in page is really served, not just the port open."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104
        config.bind_address, config.bind_address
    )
    connection = http.client.HTTPConnection(address, config.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/accounts/login/", headers={"Host": f"localhost:{config.port}"})
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
