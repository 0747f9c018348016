"""Text that has to fit: cut at its end, with an ellipsis where something is missing."""


def shorten(text: str, most: int) -> str:
    """Return the text in at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shorten_bytes(text: str, most: int) -> str:
    """Return the text in at most so many bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= most else f"{encoded[: most - 3].decode(errors='ignore')}…"
