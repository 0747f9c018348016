"""The summary of what has fallen out of the model's window, and when there is enough for the next one.

Messages stay in the window until so many can go at once: until then each prompt begins as the one before it.
"""

from dataclasses import dataclass

# The messages that go at once; where an organisation wants fewer than that remembered, its window does not grow.
STEP = 40
_SMALL_STEP = 20
_A_TURN = 2
# After a summary that failed, the next one is asked for so many messages later: the longer it is overdue, the later.
_LEAST_PAUSE, _LONGEST_PAUSE = 2 * _A_TURN, STEP


@dataclass(frozen=True, slots=True)
class RollingSummary:
    """A summary of what was said up to the message numbered ``through_sequence``.

    ``after`` is the number that the summary before it ended with, of which it is made; None for the first one.
    """

    text: str
    through_sequence: int
    after: int | None


@dataclass(frozen=True, slots=True)
class SummaryPause:
    """A summary that could not be made: none is asked for before the conversation has ``until`` messages.

    ``after`` is as in RollingSummary.
    """

    until: int
    after: int | None


def most_shown(remembered: int) -> int:
    """The most messages that a model sees of a history of which ``remembered`` are always there."""
    return remembered + STEP if remembered >= STEP else remembered


def falling(waiting: int, unseen: int, remembered: int) -> int:
    """The number of messages, the oldest first, that the next summary is to stand for; 0 while they are too few.

    ``waiting`` are those that none stands for. ``unseen`` of them did not fit into the model's window or the kept one.
    """
    if not remembered:
        return 0
    step = _step(remembered)
    if waiting + _A_TURN >= remembered + step:
        return min(waiting, waiting + _A_TURN - remembered)
    return unseen if unseen >= _SMALL_STEP else 0


def pause_of(waiting: int, unseen: int, remembered: int) -> int:
    """The messages to wait for after a summary of these that failed: as many as have come since it was due."""
    overdue = max(waiting + _A_TURN - remembered - _step(remembered), unseen - _SMALL_STEP)
    return min(max(overdue, _LEAST_PAUSE), _LONGEST_PAUSE)


def _step(remembered: int) -> int:
    return STEP if remembered >= STEP else _SMALL_STEP
