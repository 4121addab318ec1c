"""Plant a failure, search for it, and see how often it turns up: what a dataset of this size can and cannot show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from flowgen_analysis.analysis.scan import Cells, chance, scan, shuffled_best
from flowgen_analysis.analysis.splits import best_slices
from flowgen_analysis.analysis.statistics import share_interval

# fmt: off
COUNTS = (10, 7, 5, 10, 5, 4, 5, 37, 7, 17, 4, 10, 22, 5, 17, 38, 13, 26, 23, 6, 8, 23, 6, 7)  # of 108, in the bundled set
# fmt: on


class Planted(NamedTuple):
    """present: bool, samples x features. loss: a float a sample. The first `together` features meet in the planted samples."""

    present: np.ndarray
    loss: np.ndarray
    together: int


def plant(
    rng: np.random.Generator, effect: float, *, together: int = 2, samples: int = 108, hits: int = 12,
    noise: float = 0.22, counts: Sequence[int] = COUNTS,
) -> Planted:  # fmt: skip
    """A made-up dataset in which `hits` samples lose `effect` (0..1) more. noise: standard deviation of the losses. counts:
    how many of 108 samples have each feature. An effect of 0 is the null."""
    present = rng.random((samples, len(counts))) < rng.permutation(np.array(counts) / 108)
    rows = rng.permutation(samples)
    inside, rest = rows[:hits], rows[hits:]
    present[inside, :together] = True
    other = rng.random((len(rest), together)) < 0.3
    full = np.flatnonzero(other.all(axis=1))
    other[full, rng.integers(0, together, len(full))] = False
    present[rest, :together] = other
    loss = rng.normal(0.4, noise, samples)
    loss[inside] += effect
    return Planted(present, loss, together)


class Outcome(NamedTuple):
    """top: the planted slice is among the five best. significant: its p is at most 0.05. alarm: some slice's p is."""

    top: bool
    significant: bool
    alarm: bool


def seek(made: Planted, *, order: int = 3, minimum: int = 5, permutations: int = 199, seed: int = 0) -> Outcome:
    """Search a made-up dataset as `discover` does. Among the five best is a slice that stands for others that are alike."""
    cells = Cells(made.present, ~made.present, made.loss)
    found = scan(cells, order, minimum)
    p = chance(found, shuffled_best(cells, found, permutations, seed))
    literals = np.full(3, -1)
    literals[: made.together] = np.arange(made.together)
    rows = np.flatnonzero((found.terms.literals == literals).all(axis=1))
    best = best_slices(cells, found, 5)
    shown = np.concatenate([best.rows, *best.alike])
    return Outcome(bool(np.isin(rows, shown).any()), bool((p[rows] <= 0.05).any()), bool((p <= 0.05).any()))


def power(
    effects: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4), *, orders: Sequence[int] = (2, 3), together: int = 2,
    repeats: int = 100, permutations: int = 199, seed: int = 0, **options,
) -> pl.DataFrame:  # fmt: skip
    """The share (0..1) of made-up datasets in which the planted slice is found: `effect`, `order`, `together`, `repeats`,
    `top`, `significant` and `alarm`, the last with `alarm_low` and `alarm_high` (Wilson). options: as for `plant`."""
    rows = []
    for effect in effects:
        for order in orders:
            seeds = np.random.SeedSequence([seed, round(effect * 1000), order]).spawn(repeats)
            made = [plant(np.random.default_rng(s), effect, together=together, **options) for s in seeds]
            found = [seek(m, order=order, permutations=permutations, seed=i) for i, m in enumerate(made)]
            share = [sum(o[k] for o in found) / repeats for k in range(3)]
            alarms = share_interval(sum(o.alarm for o in found), repeats)
            rows.append((effect, order, together, repeats, *share, alarms.low, alarms.high))
    names = ["effect", "top", "significant", "alarm", "alarm_low", "alarm_high"]
    schema = {n: pl.Float64 if n in names else pl.Int64 for n in ["effect", "order", "together", "repeats", *names[1:]]}
    return pl.DataFrame(rows, schema, orient="row")
