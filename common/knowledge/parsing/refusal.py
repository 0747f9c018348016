"""The reasons for which a document cannot be read."""

from typing import Literal

Refusal = Literal["no_text", "encrypted", "too_large", "not_supported", "broken"]


class Refused(Exception):
    """A document of which nothing is taken, for a reason that its owner is told."""

    def __init__(self, reason: Refusal) -> None:
        self.reason: Refusal = reason
        super().__init__(reason)
