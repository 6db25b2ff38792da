"""Which files of installed packages the site serves beside its own."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage

PREFIX = "uplot"
CHART_FILES = ("uPlot.iife.js", "uPlot.min.css")


class ChartFiles(BaseFinder):
    """The chart library's two files out of its wheel, and nothing else that lies beside them.

    The package is found, never imported: its notebook widget wants numpy.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        package = find_spec("uplot").submodule_search_locations[0]
        self._storage = FileSystemStorage(location=Path(package) / "static")
        self._storage.prefix = PREFIX
        super().__init__(*args, **kwargs)

    def find(self, path: str, find_all: bool = False) -> str | list[str]:
        """Where a served path lies; empty for every other."""
        found = [self._storage.path(name) for name in CHART_FILES if path == f"{PREFIX}/{name}"]
        return found if find_all or not found else found[0]

    def list(self, ignore_patterns: list[str] | None) -> Iterator[tuple[str, Storage]]:
        """What is collected."""
        return ((name, self._storage) for name in CHART_FILES)
