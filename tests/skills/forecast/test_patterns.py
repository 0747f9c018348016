"""The parts of which a history is taken apart."""

import random
from statistics import median

import pytest

from common.skills.forecast.patterns import moving_medians


@pytest.mark.parametrize(("behind", "ahead"), [(0, 1), (0, 30), (3, 4), (7, 8), (12, 1)])
def test_moving_medians_are_the_medians_of_their_windows(behind: int, ahead: int) -> None:
    chance = random.Random(behind + 31 * ahead)
    for count in (1, 2, 5, 29, 30, 31, 90):
        # With values that are equal, negative and zero.
        values = [chance.choice([0.0, 1.5, -3.0, 100 * chance.random()]) for _ in range(count)]
        windows = [values[max(0, index - behind) : index + ahead] for index in range(count)]
        assert moving_medians(values, behind, ahead) == [median(window) for window in windows]
