"""How gunicorn serves the application: one process that forked from a loaded one, and some threads.

More threads than cores cost speed here (the pages compute, they do not wait); more processes cost
memory. MARGINSITE_WEB_WORKERS and MARGINSITE_WEB_THREADS are for bigger machines.
"""

import contextlib
import gc
import os
import socket
import sys
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from gunicorn.workers.gthread import TConn, ThreadWorker

from launch.parentage import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marginsite.settings")

HEAD_SECONDS, ANSWER_SECONDS = 10, 60


class Worker(ThreadWorker):
    """Threads that nobody keeps by sending half a request: gunicorn waits for the rest without end.

    A head has ten seconds to come, and a minute passes at most from there until there is an answer:
    then the connection is shut, which wakes its thread.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.due: dict[socket.socket, float] = {}

    def handle(self, conn: TConn) -> Any:
        """Read a request and answer it."""
        self.due[conn.sock] = time.monotonic() + HEAD_SECONDS
        try:
            return super().handle(conn)
        finally:
            self.due.pop(conn.sock, None)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer it: the head is there, the body may not be."""
        self.due[conn.sock] = time.monotonic() + ANSWER_SECONDS
        return super().handle_request(req, conn)

    def load_wsgi(self) -> None:
        """Once there is an answer, it takes whatever time it takes to send."""
        super().load_wsgi()
        application = self.wsgi

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                return application(environ, start_response)
            finally:
                self.due.pop(environ["gunicorn.socket"], None)

        self.wsgi = answer

    def notify(self) -> None:
        """Once a second at least: say that we live, and shut what is overdue."""
        super().notify()
        now = time.monotonic()
        for connection in [one for one, due in list(self.due.items()) if due < now]:
            with contextlib.suppress(OSError):  # closed just now
                connection.shutdown(socket.SHUT_RDWR)


wsgi_app = "marginsite.wsgi:application"
bind = f"{settings.BIND}:{settings.PORT}"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
worker_class = Worker
preload_app = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
graceful_timeout = 8
timeout = 60
keepalive = 5
forwarded_allow_ips = ",".join(settings.TRUSTED_PROXIES)
forwarder_headers = ""  # SCRIPT_NAME and PATH_INFO by default, which some proxies pass on unseen
limit_request_line = 4094
limit_request_fields = 50
control_socket_disable = True
accesslog = None
loglevel = "warning"


def on_starting(_server: Any) -> None:
    """Refuse dangerous settings, also where this is started without `run.py`."""
    from loans.checks import refuse_danger  # only now is Django set up

    try:
        refuse_danger()
    except ImproperlyConfigured as exc:
        sys.exit(str(exc))


def when_ready(_server: Any) -> None:
    """Keep the collector's marks out of the pages that the workers share with us."""
    gc.collect()
    gc.freeze()


def post_fork(_server: Any, _worker: Any) -> None:
    """A worker ends with its master, however that ends."""
    die_with_parent()
