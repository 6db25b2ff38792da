"""Reading a history list as a person sees it."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from django.http import QueryDict

RECORD = re.compile(r'class="record-id" title="([^"]*)"')


def ids_on(response: Any) -> list[str]:
    """The records that a page shows, in its order."""
    return [unescape(found) for found in RECORD.findall(response.text)]


def beside(response: Any, way: str) -> dict[str, str] | None:
    """The query of the page that is "first", "previous" or "next"; None where there is no way."""
    link = re.search(rf'id="page-{way}"[^>]* href="([^"]*)"', response.text)
    return QueryDict(urlsplit(unescape(link[1])).query).dict() if link else None
