"""A chart in lines of text: a sparkline with its least and most, or horizontal bars."""

import math
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from local.terminal.chart_data import Bars, Picture, Series
from local.terminal.neutral import neutral_line

_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-=+*#@"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MOST_BARS = 20
_MOST_SERIES = 8
_NAME_WIDTH = 28
_DAY = len("2026-01-31")


def lines_of(picture: Picture, width: int, *, ascii_only: bool = False) -> list[str]:
    """The picture in at most ``width`` columns, harmless to a terminal."""
    heading = " · ".join(neutral_line(each) for each in (picture.title, picture.unit) if each)
    lines = [heading] if heading else []
    series = [part for part in picture.parts if isinstance(part, Series)]
    for part in series[:_MOST_SERIES]:
        lines += _sparkline(part, width, ascii_only)
    if len(series) > _MOST_SERIES:
        lines.append(f"…and {len(series) - _MOST_SERIES} more lines.")
    for bars in picture.parts:
        if isinstance(bars, Bars):
            lines += _bars(bars, width, ascii_only)
    return [set_cell_size(line, width).rstrip() if cell_len(line) > width else line for line in lines]


def _sparkline(series: Series, width: int, ascii_only: bool) -> list[str]:
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    name = neutral_line(series.name)
    amounts = _fitted([amount for _, amount in series.points], max(8, width - 4))
    low, high = min(amounts), max(amounts)
    steps = [round((amount - low) / (high - low) * (len(levels) - 1)) if high > low else 0 for amount in amounts]
    least = min(series.points, key=lambda point: point[1])
    most = max(series.points, key=lambda point: point[1])
    first, last = _moment(series.points[0][0]), _moment(series.points[-1][0])
    span = f"  {first} to {last}" if first != last else f"  {first}"
    extremes = f"min {_number(least[1])} on {_moment(least[0])}, max {_number(most[1])} on {_moment(most[0])}"
    facts = [f"{span}, {extremes}"] if cell_len(f"{span}, {extremes}") <= width else [span, f"  {extremes}"]
    return [*([name] if name else []), f"  {''.join(levels[step] for step in steps)}", *facts]


def _fitted(amounts: Sequence[float], width: int) -> Sequence[float]:
    """As many amounts as there are columns; where there are more, each is the mean of its neighbours."""
    if len(amounts) <= width:
        return amounts
    edges = [round(index * len(amounts) / width) for index in range(width + 1)]
    return [math.fsum(amounts[start:end]) / (end - start) for start, end in pairwise(edges)]


def _bars(bars: Bars, width: int, ascii_only: bool) -> list[str]:
    shown = bars.amounts[:_MOST_BARS]
    names = [neutral_line(name) or "(not set)" for name, _ in shown]
    whole = all(amount.is_integer() for _, amount in shown)
    numbers = [f"{amount:,.0f}" if whole else _number(amount) for _, amount in shown]
    name_width = min(_NAME_WIDTH, max(map(cell_len, names)))
    number_width = max(map(len, numbers))
    room = max(4, width - name_width - number_width - 6)
    largest = max(abs(amount) for _, amount in shown)
    lines = [neutral_line(bars.name)] if bars.name else []
    for name, number, (_, amount) in zip(names, numbers, shown, strict=True):
        drawn = _bar(abs(amount) / largest * room if largest else 0, ascii_only)
        # A bar that points down is drawn in another sign, not in another colour only.
        drawn = drawn if amount >= 0 else ("-" if ascii_only else "░") * max(1, len(drawn))
        lines.append(f"  {_fit(name, name_width)}  {number:>{number_width}}  {drawn}".rstrip())
    if len(bars.amounts) > len(shown):
        lines.append(f"  …and {len(bars.amounts) - len(shown)} more.")
    return lines


def _bar(length: float, ascii_only: bool) -> str:
    if ascii_only:
        return "#" * round(length)
    whole, eighths = divmod(round(length * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def _fit(name: str, width: int) -> str:
    if cell_len(name) <= width:
        return set_cell_size(name, width)
    return f"{set_cell_size(name, width - 1)}…"


def _moment(text: str) -> str:
    """A day, without the midnight that a date is written with."""
    plain = neutral_line(text)
    return plain[:_DAY] if plain[_DAY:].strip("T 0:.Z+-") == "" else plain


def _number(amount: float) -> str:
    """Two decimals; below a cent, two digits that say something."""
    if amount == 0 or abs(amount) >= 0.01:
        return f"{amount:,.2f}"
    return f"{amount:.{1 - math.floor(math.log10(abs(amount)))}f}"
