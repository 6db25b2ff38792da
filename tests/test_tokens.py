"""The colours: every pair that carries text or a control has enough contrast, in both themes."""

import re
from pathlib import Path

import pytest

from marginsite.settings import BASE_DIR

STYLES = Path(BASE_DIR) / "static" / "css"
TOKENS = dict(
    re.findall(
        r"--([\w-]+): (light-dark\(#\w{6}, #\w{6}\)|#\w{6});", (STYLES / "tokens.css").read_text()
    )
)
GROUNDS = ("bg", "surface", "sunken", "hover")
TEXTS = ("text", "text-2", "text-3", "accent", "ok", "warn", "bad")
READ_ON = [(text, ground) for text in TEXTS for ground in GROUNDS] + [
    ("accent", "accent-soft"),
    ("text", "accent-soft"),
    ("text-3", "accent-soft"),
    ("ok", "ok-soft"),
    ("warn", "warn-soft"),
    ("text", "warn-soft"),
    ("bad", "bad-soft"),
    ("text", "bad-soft"),
    ("text", "glow"),
    ("on-fill", "accent-fill"),
    ("on-fill", "accent-fill-hover"),
    ("on-fill", "bad-fill"),
    ("on-fill", "bad-fill-hover"),
    ("paper-text", "paper-a"),
    ("paper-text", "paper-b"),
    ("live-text", "live-bg"),
]
SEEN_ON = [("line-strong", ground) for ground in ("surface", "bg")] + [
    ("focus", ground) for ground in GROUNDS
]


def colour(token: str, theme: int) -> str:
    found = re.findall(r"#\w{6}", TOKENS[token])
    return found[min(theme, len(found) - 1)]


def luminance(colour: str) -> float:
    def channel(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (channel(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), READ_ON)
def test_text_can_be_read(text: str, ground: str, theme: int) -> None:
    assert contrast(colour(text, theme), colour(ground, theme)) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), SEEN_ON)
def test_edges_of_controls_and_focus_can_be_seen(line: str, ground: str, theme: int) -> None:
    assert contrast(colour(line, theme), colour(ground, theme)) >= 3


def test_no_style_sheet_but_the_tokens_names_a_colour() -> None:
    for sheet in STYLES.glob("*.css"):
        if sheet.name != "tokens.css":
            rules = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
            assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[ ;,)])", rules), sheet.name
