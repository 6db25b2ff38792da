"""A browser is named only where what it says is known."""

import pytest

from loans.templatetags.devices import device

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
LINUX, WINDOWS = "Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (f"{LINUX} {KIT} Chrome/131.0.0.0 Safari/537.36", "Chrome on Linux"),
        (f"{LINUX} {KIT} HeadlessChrome/131.0.0.0 Safari/537.36", "Headless Chrome on Linux"),
        (f"{PIXEL} {KIT} Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"{IPHONE} {IOS} CriOS/131.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{IPHONE} {IOS} Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{WINDOWS} {KIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} {KIT} Chrome/131.0.0.0 Safari/537.36 OPR/116.0.0.0", "Opera on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Firefox on macOS",
        ),
        (
            "Mozilla/5.0 (Android 13; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0",
            "Firefox on Android",
        ),
    ],
)
def test_a_usual_browser_is_named_with_its_system(user_agent: str, words: str) -> None:
    assert device(user_agent) == words


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "curl/8.5.0",
        "Chrome",
        "Mozilla/5.0 (((",
        f"{LINUX} {KIT} Chrome/131.0.0.0 Safari/537.36 Unheard/1.0",
        f"{WINDOWS} {KIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0 OPR/116.0",
        f"Mozilla/5.0 (PlayStation 5) {KIT} Chrome/131.0.0.0 Safari/537.36",
        f"{IPHONE} {IOS} Mobile/15E148",
    ],
)
def test_what_says_anything_else_is_left_as_it_is(user_agent: str) -> None:
    assert device(user_agent) == user_agent
