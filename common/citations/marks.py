"""The marks of citations in an answer, ``[1]`` or ``[1, 2]``: read and taken out, but never in code.

A stream is cut anywhere, so the filter holds back what may become a mark, and a mark that may turn out to stand in a
code span, until it knows. Whatever it cannot know is prose: a mark that was never offered gets out nowhere else.
"""

import re
from collections.abc import Callable, Iterator

# The text behind an open backtick that is waited for, and the part of a paragraph that is looked through.
CODE_CHARS = 1_000
_PARAGRAPH_CHARS = 4_000
_LINE_CHARS = 200
_BEFORE_CHARS = 80
_MOST_DIGITS = 2

# Whether a mark of this number stays, by the text before it.
Keeps = Callable[[int, str], bool]

_STOP = re.compile(r"\n|[ \t]*\\?\[")
_MARK = re.compile(r"(?P<space>[ \t]*)\\?\[\^?[ ]?(?P<numbers>[0-9]{1,3}(?:[ ]?[,;–-][ ]?[0-9]{1,3})*)[ ]?\\?\]")
_MARK_BEGUN = re.compile(r"[ \t]*\\?\[\^?[0-9 ,;–-]{0,40}\\?\Z")
_MAY_BEGIN = re.compile(r"(?:[ \t]+\\?|\\)\Z")
_ESCAPE = re.compile(r"\\\Z")
_NUMBER = re.compile(r"[0-9]+")
_RANGE = re.compile(r"([0-9]+)[ ]?[–-][ ]?([0-9]+)")
_FENCE = re.compile(r"[ \t>]*(?:[-*+•][ \t]+|\d{1,9}[.)][ \t]+)?(`{3,}(?=[^`]*\Z)|~{3,})")
# A line that begins a block of its own: no code span goes on into it.
_BLOCK = re.compile(r"\n(?=[ \t]*(?:\n|`{3}|~{3}|[#>|]|[-*+•][ \t]|\d{1,9}[.)][ \t]))")
_RUN = re.compile(r"`+")


class MarkFilter:
    """Takes marks out of a text that comes in pieces. ``spaces`` before one are held back where some are expected."""

    def __init__(self, keeps: Keeps, *, spaces: Callable[[], bool] = lambda: True) -> None:
        self._keeps = keeps
        self._spaces = spaces
        self._held = ""
        self._out: list[str] = []
        self._line = ""
        self._paragraph = ""
        self._fence = ""

    def feed(self, text: str) -> str:
        """Take the next piece; returns what is certain by now."""
        if not self._held and self._is_plain(text):
            self._note(text)
            return text
        self._held += text
        return self._pass_on(ended=False)

    def close(self) -> str:
        """Return what is held back; what comes next begins anew."""
        return self._pass_on(ended=True)

    def _is_plain(self, text: str) -> bool:
        """Return true if nothing in the piece, and nothing that it may begin, is looked at: nearly every piece."""
        if "[" in text or "\n" in text or text.endswith("\\"):
            return False
        return not (text.endswith((" ", "\t")) and self._spaces())

    def _pass_on(self, *, ended: bool) -> str:
        text, at = self._held, 0
        while (found := _STOP.search(text, at)) is not None:
            self._say(text[at : found.start()])
            at = found.start()
            after = self._stop(text, found, ended=ended)
            if after is None:
                break
            at = after
        else:
            left = None if ended else (_MAY_BEGIN if self._spaces() else _ESCAPE).search(text, at)
            end = left.start() if left else len(text)
            self._say(text[at:end])
            at = end
        self._held = text[at:]
        passed = "".join(self._out)
        self._out.clear()
        return passed

    def _stop(self, text: str, found: re.Match[str], *, ended: bool) -> int | None:
        """Pass on what was found, and return where it ends. Returns None for what has to wait."""
        start, end = found.span()
        if found[0] == "\n":
            self._end_line()
        elif self._fence:
            self._say(found[0])
        else:
            return self._bracket(text, start, end, ended=ended)
        return end

    def _bracket(self, text: str, start: int, end: int, *, ended: bool) -> int | None:
        mark = _MARK.match(text, start)
        if mark is None:
            if not ended and _MARK_BEGUN.match(text, start):
                return None
            self._say(text[start:end])
            return end
        in_code = _in_code(self._paragraph, mark[0], text[mark.end() :], ended=ended)
        if in_code is None:
            return None
        self._say(mark[0] if in_code else self._kept(mark))
        return mark.end()

    def _kept(self, mark: re.Match[str]) -> str:
        """The mark with the numbers that stay; a list of figures that is none stays as it is."""
        before, numbers = f"{self._paragraph[-_BEFORE_CHARS:]}{mark['space']}", list(_numbers(mark["numbers"]))
        kept = [number for number in numbers if self._keeps(number, before)]
        if len(numbers) > 1 and len(kept) < len(numbers):
            is_list = self._spaces() and all(len(each) <= _MOST_DIGITS for each in _NUMBER.findall(mark["numbers"]))
            if not is_list:
                return mark[0]
        return mark["space"] + "".join(f"[{number}]" for number in kept) if kept else ""

    def _say(self, text: str) -> None:
        self._out.append(text)
        self._note(text)

    def _note(self, text: str) -> None:
        self._line = (self._line + text)[: _LINE_CHARS + 1]
        self._paragraph = (self._paragraph + text)[-_PARAGRAPH_CHARS:]

    def _end_line(self) -> None:
        line, self._line = self._line, ""
        self._out.append("\n")
        opens = _FENCE.match(line) if len(line) <= _LINE_CHARS and not self._fence else None
        closes = bool(self._fence) and _closes(line, self._fence)
        self._paragraph = "" if opens or closes or not line.strip() else f"{self._paragraph}\n"
        self._fence = opens[1] if opens else "" if closes else self._fence


def remove_marks(text: str, keeps: Callable[[int], bool]) -> str:
    """The text without its marks, but for those of numbers that ``keeps`` names."""
    marks = MarkFilter(lambda number, _before: keeps(number))
    return marks.feed(text) + marks.close()


def disarm(text: str) -> str:
    """Return a document's text with its own marks in round brackets: where an answer quotes it, they cite nothing."""
    marks = _Disarming(lambda _number, _before: True)
    return marks.feed(text) + marks.close()


class _Disarming(MarkFilter):
    """Writes marks in round brackets."""

    def _kept(self, mark: re.Match[str]) -> str:
        return f"{mark['space']}({mark['numbers']})"


def numbers_in(text: str) -> set[int]:
    """The numbers of all marks of a text."""
    found: set[int] = set()

    def note(number: int) -> bool:
        found.add(number)
        return True

    remove_marks(text, note)
    return found


def _numbers(written: str) -> Iterator[int]:
    """The numbers of a list, each once; ``1-3`` stands for three of them."""
    spread = _RANGE.sub(lambda match: ",".join(map(str, _between(int(match[1]), int(match[2])))), written)
    yield from dict.fromkeys(map(int, _NUMBER.findall(spread)))


def _between(first: int, last: int) -> list[int]:
    return list(range(first, last + 1)) if first <= last <= first + 20 else [first, last]


def _closes(line: str, fence: str) -> bool:
    bare = line.strip(" \t>")
    return len(bare) >= len(fence) and bare == fence[0] * len(bare)


def _in_code(paragraph: str, mark: str, rest: str, *, ended: bool) -> bool | None:
    """Return whether a mark stands in a code span. Returns None where text that is still to come decides it."""
    block = paragraph[[0, *(each.end() for each in _BLOCK.finditer(paragraph))][-1] :]
    if "`" not in block or len(block) >= _PARAGRAPH_CHARS:
        return False
    over = _BLOCK.search(rest)
    scope = rest[: over.start()] if over else rest
    waits = over is None and not ended and len(scope) <= CODE_CHARS
    if waits and scope.endswith("`"):
        return None
    runs, at = list(_RUN.finditer(block + mark + scope)), len(block)
    while runs and runs[0].start() < at:
        opening = runs.pop(0)
        closing = next((n for n, run in enumerate(runs) if len(run[0]) == len(opening[0])), None)
        if closing is not None and runs[closing].start() > at:
            return True
        if closing is None and waits:
            return None
        runs = runs if closing is None else runs[closing + 1 :]
    return False
