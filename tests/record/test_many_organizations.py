"""A thousand organisations at the peak of a day with a million turns, in simulated time."""

from tests.bench.simulated_sync import simulate


def test_the_record_is_at_most_two_minutes_behind() -> None:
    found = simulate(organizations=1_000, turns_per_second=60, seconds=150, stored_turns=500_000)
    assert found.turns > 8_000
    assert found.left == 0
    assert found.lag(1) <= 120


def test_a_statement_per_organization_would_fall_behind() -> None:
    found = simulate(organizations=200, turns_per_second=12, seconds=150, apart=True)
    assert found.lag(1) > 120
