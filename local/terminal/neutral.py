"""Makes text that somebody else wrote harmless to a terminal: nothing in it moves the cursor or changes the screen."""

import unicodedata

_KEPT = frozenset("\n\t\u200c\u200d")  # The joiners belong to the spelling of some languages, and to emoji.
_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, "\u2421"
_UNSEEN = "\ufffd"
# Control, format (bidi overrides and isolates among them), surrogate, line and paragraph separators.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def neutral(text: object) -> str:
    """The text with a visible sign in the place of each character that a terminal would act on."""
    plain = str(text).replace("\r\n", "\n")
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(
        char if char in _KEPT or unicodedata.category(char) not in _ACTING else _sign(char) for char in plain
    )


def neutral_line(text: object) -> str:
    """The same on one line."""
    return neutral(" ".join(str(text).split()))


def _sign(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(_PICTURES + code)
    return _DELETE_PICTURE if code == _DELETE else _UNSEEN
