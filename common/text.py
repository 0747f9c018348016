"""Text that has to fit, cut at its end with an ellipsis; and names that others wrote, in one line."""


def one_line(text: str) -> str:
    """Return the text in one line, without characters that are not shown or turn what is beside them."""
    shown = (each if each.isprintable() else " " if each.isspace() else "" for each in text)
    return " ".join("".join(shown).split())


def shorten(text: str, most: int) -> str:
    """Return the text in at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shorten_bytes(text: str, most: int) -> str:
    """Return the text in at most so many bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= most else f"{encoded[: most - 3].decode(errors='ignore')}…"
