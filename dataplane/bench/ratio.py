"""A figure as a ratio of interleaved pairs: median, 95 % interval, goal and verdict.

The interval is the distribution-free one for a median (order statistics, binomial with p = 1/2):
with n pairs it leaves out the k smallest and the k largest, where k is the largest number with
P(Binomial(n, 1/2) < k) <= 2.5 %. Twelve pairs give the 3rd to the 10th (96.1 %).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

PAIRS = 12
WIDEST = 0.10  # an interval wider than +-10 % of its median decides nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: the median ratio, its 95 % interval, and the goal that it is to stay under.

    `verdict` is `met`, `missed` or `undecided here`. A row whose whole interval lies on one side
    of the goal is decided however wide it is.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    goal: float
    pairs: int
    verdict: str


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of independent values."""
    ordered = sorted(values)
    n, k, tail = len(ordered), 0, 0.0
    while (tail := tail + comb(n, k) / 2**n) <= 0.025:
        k += 1
    return ordered[max(k - 1, 0)], ordered[n - max(k, 1)]


def row(name: str, ratios: Sequence[float], *, goal: float, unit: str = "x") -> Row:
    """Judge the ratios of interleaved pairs against a goal (smaller is better)."""
    middle, (low, high) = median(ratios), interval(ratios)
    wide = max(high - middle, middle - low) > WIDEST * middle
    if high <= goal or (middle <= goal and not wide):
        verdict = "met"
    elif low > goal or (middle > goal and not wide):
        verdict = "missed"
    else:
        verdict = "undecided here"
    return Row(
        name=name,
        unit=unit,
        median=middle,
        low=low,
        high=high,
        goal=goal,
        pairs=len(ratios),
        verdict=verdict,
    )


def interleaved(
    ours: Callable[[], float], theirs: Callable[[], float], *, pairs: int = PAIRS
) -> list[float]:
    """Return ours/theirs for every pair; the order within a pair alternates against drift."""
    ratios = []
    for number in range(pairs):
        if number % 2:
            b, a = theirs(), ours()
        else:
            a, b = ours(), theirs()
        ratios.append(a / b)
    return ratios
