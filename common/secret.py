"""A secret in the clear, for as short a time as it is needed."""


class SecretDropped(Exception):
    """The secret was asked for after its time."""


class Secret:
    """Text that shows itself only through ``reveal``: never in a repr, a log record or a traceback's locals."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: str | None = text

    def reveal(self) -> str:
        """The text itself. Raises SecretDropped once it was dropped."""
        if self._text is None:
            raise SecretDropped
        return self._text

    def drop(self) -> None:
        """Forget the text, so that the object cannot be read any more."""
        self._text = None

    def __repr__(self) -> str:
        return "Secret(…)"
