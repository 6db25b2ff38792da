"""How gunicorn serves the application: one process that forked from a loaded one, and some threads.

More threads than cores cost speed here (the pages compute, they do not wait); more processes cost
memory. MARGINSITE_WEB_WORKERS and MARGINSITE_WEB_THREADS are for bigger machines.
"""

import gc
import os
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from launch.parentage import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marginsite.settings")

wsgi_app = "marginsite.wsgi:application"
bind = f"{settings.BIND}:{settings.PORT}"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS
worker_class = "gthread"
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
