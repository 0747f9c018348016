"""The timing of a turn: stages that were not reached are unknown, and those that were add up."""

import contextvars
import time

import pytest

from common.telemetry import timing
from common.telemetry.request import CurrentRequest, current
from common.telemetry.timing import Timing


def test_what_was_not_reached_is_unknown_and_not_nothing() -> None:
    assert set(Timing().milliseconds().values()) == {None}
    assert Timing().milliseconds().keys() == {
        "read_ms", "queue_ms", "key_ms", "question_ms", "first_token_ms", "model_ms", "tools_ms", "answer_ms",
    }  # fmt: skip


def test_a_stage_that_is_entered_again_adds_up_even_when_it_fails() -> None:
    timed = Timing()
    for _ in range(2):
        with pytest.raises(KeyError), timed.stage("model"):
            fail_after(0.02)
    assert (timed.milliseconds()["model_ms"] or 0) >= 40


def fail_after(seconds: float) -> None:
    started = time.perf_counter()
    while time.perf_counter() < started + seconds:
        pass
    raise KeyError


def test_the_first_word_counts_from_the_moment_the_request_began() -> None:
    def opened() -> Timing:
        current.set(CurrentRequest("r1", "send", began=time.perf_counter() - 5))
        timed = timing.begin()
        assert timing.of_this_turn() is timed
        return timed

    timed = contextvars.copy_context().run(opened)
    assert timing.of_this_turn() is not timed
    timed.said()
    first = timed.milliseconds()["first_token_ms"]
    assert first is not None
    assert first >= 5000
    timed.first_token = 0.0
    timed.said()
    assert timed.first_token == 0.0


def test_bytes_add_up() -> None:
    timed = Timing()
    timed.read(100, 0)
    timed.read(50, 10_485_760)
    assert (timed.bytes_processed, timed.bytes_billed) == (150, 10_485_760)
