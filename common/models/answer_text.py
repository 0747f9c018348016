"""The text of an answer as a reader may see it: whole characters, and nothing of what the model thought."""

import re

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")
_LONGEST = max(map(len, _TAGS))
_REPLACEMENT = "\ufffd"
# Words in which no tag begins and nothing is replaced.
_PLAIN = re.compile(r"[^<\x00]+").fullmatch


def whole(text: str) -> str:
    """The text with the two halves of a surrogate pair joined, and a lone half or a NUL replaced."""
    if "\x00" in text:
        text = text.replace("\x00", _REPLACEMENT)
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class AnswerText:
    """Takes an answer's text piece by piece. What a piece leaves open is held until the next one decides it.

    ``<think>…</think>`` is left out: some gateways put a model's thoughts into the content. So is white space before
    the first word.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self._at_start = True

    def feed(self, piece: str) -> str:
        """The text that may be shown now."""
        if not (self._held or self._thinking or self._at_start) and piece.isascii() and _PLAIN(piece):
            return piece
        text = self._held + piece
        keep = _open_end(text)
        self._held = text[len(text) - keep :]
        return self._shown(whole(text[: len(text) - keep]))

    def finish(self) -> str:
        """The rest of the text: nothing more comes that could change what it is."""
        rest, self._held = self._held, ""
        return self._shown(whole(rest))

    def _shown(self, text: str) -> str:
        text = self._without_thoughts(text)
        if self._at_start:
            text = text.lstrip()
            self._at_start = not text
        return text

    def _without_thoughts(self, text: str) -> str:
        if not self._thinking and "<" not in text:
            return text
        shown, at = [], 0
        for tag in _TAG.finditer(text):
            if not self._thinking:
                shown.append(text[at : tag.start()])
            self._thinking = not tag[1]
            at = tag.end()
        if not self._thinking:
            shown.append(text[at:])
        return "".join(shown)


def _open_end(text: str) -> int:
    """Count the last characters that may belong to a tag or to a character that has not come whole."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return 1
    begin = text.rfind("<", -_LONGEST)
    if begin < 0:
        return 0
    beginning = text[begin:].lower()
    return len(beginning) if any(tag.startswith(beginning) and tag != beginning for tag in _TAGS) else 0
