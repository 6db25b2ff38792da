"""Texts that people write for others to read beside money: nothing in them hides or misleads."""

import unicodedata

from django.core.exceptions import ValidationError

# Control characters and line ends, characters without a shape, and ones that nobody has defined.
# Some of them turn the text around that follows: “(PAPER)” would read as something else.
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def refuse_hidden(text: str) -> None:
    """Raises ValidationError for a character that cannot be seen."""
    if any(unicodedata.category(character) in HIDDEN for character in text):
        raise ValidationError("This has a character that cannot be seen. Type it anew.")


def refuse_hidden_in_lines(text: str) -> None:
    """The same for a text of several lines."""
    refuse_hidden("".join(character for character in text if character not in "\r\n\t"))
