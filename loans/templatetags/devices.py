"""What a browser says of itself, in words: `Chrome on Linux`. Only the usual ones are named; what
says anything else is shown as it is, because a guess would hide a stranger's browser.
"""

import re

from django import template

register = template.Library()

# What nearly all of them say, whoever made them.
USUAL = {"AppleWebKit", "Chrome", "Gecko", "Mobile", "Mozilla", "Safari", "Version"}
BROWSERS = {
    "CriOS": "Chrome",
    "Edg": "Edge",
    "EdgA": "Edge",
    "EdgiOS": "Edge",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "HeadlessChrome": "Headless Chrome",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
}
# The first that fits: a phone with Android says Linux, too, and an iPhone speaks of a Mac.
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows NT": "Windows",
    "Macintosh": "macOS",
    "Linux": "Linux",
}


@register.filter
def device(user_agent: str) -> str:
    """`{{ session.user_agent|device }}`: browser and system, or the text itself if unknown."""
    remarks = re.findall(r"\(([^)]*)\)", user_agent)
    products = {word.split("/")[0] for word in re.sub(r"\([^)]*\)", "", user_agent).split()}
    browser = _browser(products)
    systems = (name for sign, name in SYSTEMS.items() if remarks and sign in remarks[0])
    system = next(systems, "")
    return f"{browser} on {system}" if browser and system else user_agent


def _browser(products: set[str]) -> str:
    """The name of the one that says these products; empty if it is not known."""
    own = products - USUAL
    if len(own) == 1:
        return BROWSERS.get(own.pop(), "")
    if own:
        return ""
    if "Chrome" in products:
        return "Chrome"
    return "Safari" if {"Version", "Safari"} <= products else ""
