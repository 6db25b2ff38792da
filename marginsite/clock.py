"""The clock that starts tasks on time: Celery's beat with the schedule of the settings.

It only sends names, so it loads neither Django's applications nor the tasks: half the memory, and
it is up at once.
"""

import sys

from celery import Celery
from celery.signals import beat_init

from launch.runtime import READY_LINE

app = Celery("marginsite-clock", fixups=[], set_as_current=False)
app.config_from_object("marginsite.settings", namespace="CELERY")


@beat_init.connect
def _begin(**_: object) -> None:
    """Tell the supervisor, and show life at once: its first turn would be half a minute later, and
    until then a new site would say that its clock stands still.
    """
    sys.stdout.write(READY_LINE + "\n")
    sys.stdout.flush()
    sign = app.conf.beat_schedule["beat"]
    app.send_task(sign["task"], **sign["options"])
