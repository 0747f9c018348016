"""The path of headings above a place in a document, as its headings come."""


class Headings:
    """Keeps the headings that are open; one of a level ends those of its level and below."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def begin(self, level: int, text: str) -> None:
        """Open a heading; level 1 is the outermost."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        if title := " ".join(text.split()):
            self._open.append((level, title[:200]))

    @property
    def path(self) -> tuple[str, ...]:
        """The open headings, outermost first."""
        return tuple(title for _, title in self._open)
