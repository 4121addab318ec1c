"""Shapes that scores, differences and losses have, and how often an interval of a sample of them holds the true mean."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from scipy import stats

from flowgen_analysis.analysis.statistics import (
    Mean,
    difference_from_sums,
    loss_from_sums,
    mean_from_clusters,
    mean_from_sums,
)

SIZES = (5, 8, 12, 16, 23, 33, 50, 75, 108)
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
Method = Callable[[np.ndarray], list[Mean]]


def with_zeros(draw: Draw, share: float) -> Draw:
    return lambda rng, size: np.where(rng.random(size) < share, 0.0, draw(rng, size))


def resampled(values: np.ndarray) -> Draw:
    kept = values[~np.isnan(values)]
    return lambda rng, size: rng.choice(kept, size)


def bell(mean: float, sd: float, low: float = 0.0) -> Draw:
    return lambda rng, size: np.clip(rng.normal(mean, sd, size), low, 1)


def _humps(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return np.where(rng.random(size) < 0.5, bell(0.45, 0.08)(rng, size), bell(0.9, 0.05)(rng, size))


def _body(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.beta(6, 2.5, size)


def _gains(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.uniform(0.3, 0.8, size)


def _either(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size) * _gains(rng, size)


SCORES: dict[str, Draw] = {
    "bell": bell(0.7, 0.1),
    "skewed": lambda rng, size: rng.beta(6, 1.2, size),
    "two humps": _humps,
    **{f"{share}% zeros": with_zeros(_body, share / 100) for share in (4, 8, 12)},
    "0.7, alike": bell(0.7, 0.03),
    **{f"{m}, alike, {s}% zeros": with_zeros(bell(m, 0.03), s / 100) for m in (0.7, 0.8, 0.9) for s in (4, 8)},
}
MANY_ZEROS = {f"0.7, alike, {s}% zeros": with_zeros(bell(0.7, 0.03), s / 100) for s in (20, 30)}
DIFFERENCES: dict[str, Draw] = {"bell": bell(0.05, 0.2, -1.0)}
for _ties in (60, 75, 90):
    DIFFERENCES[f"{_ties}% ties, gains"] = with_zeros(_gains, _ties / 100)
    DIFFERENCES[f"{_ties}% ties, collapses"] = with_zeros(lambda rng, size: -_gains(rng, size), _ties / 100)
    DIFFERENCES[f"{_ties}% ties, both"] = with_zeros(_either, _ties / 100)
RARE: dict[str, Draw] = {
    "small, 4% collapses": lambda rng, size: np.where(
        rng.random(size) < 0.04, -_gains(rng, size), rng.normal(0.02, 0.05, size)
    )
}
LOSSES: dict[str, Draw] = {
    f"{zeros}% zeros, {name}": with_zeros(lambda rng, size, b=b: rng.beta(*b, size), zeros / 100)
    for zeros in (60, 80, 90, 95)
    for name, b in {"small": (1.5, 6), "wide": (1, 1.5)}.items()
}


def _sums(rows: np.ndarray) -> Iterable[tuple]:
    n = np.full(len(rows), rows.shape[1])
    return zip(*(x.tolist() for x in (n, rows.sum(axis=1), (rows**2).sum(axis=1), (rows**3).sum(axis=1))), strict=True)


def used(rows: np.ndarray) -> list[Mean]:
    """`mean_interval` of each row."""
    return [mean_from_sums(*row) for row in _sums(rows)]


def used_for_differences(rows: np.ndarray) -> list[Mean]:
    """`difference_interval` of each row."""
    differing = (rows != 0).sum(axis=1).tolist()
    return [difference_from_sums(*row, k) for row, k in zip(_sums(rows), differing, strict=True)]


def used_for_losses(rows: np.ndarray) -> list[Mean]:
    """`loss_interval` of each row."""
    return [loss_from_sums(*row[:3]) for row in _sums(rows)]


def student(rows: np.ndarray, bounds: tuple[float, float] = (0.0, 1.0)) -> list[Mean]:
    """Student's t, cut to the bounds."""
    n, mean = rows.shape[1], rows.mean(axis=1)
    half = stats.t.ppf(0.975, n - 1) * rows.std(axis=1, ddof=1) / np.sqrt(n)
    ends = np.clip([mean - half, mean + half], *bounds).T.tolist()
    return [Mean(n, m, *e) for m, e in zip(mean.tolist(), ends, strict=True)]


def coverage(
    shapes: Mapping[str, Draw],
    method: Method,
    sizes: Sequence[int] = SIZES,
    repeats: int = 2000,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> pl.DataFrame:
    """How often the interval of `method` holds the true mean: `shape`, `n`, `coverage` (0..1), the same of `t` and of those
    not marked (`unmarked`, nan for none), the share `marked`, and the mean `width` in that of t."""
    found = []
    for shape, draw in shapes.items():
        true = draw(np.random.default_rng(seed + 1), (1000, 1000)).mean()
        rng = np.random.default_rng(seed)
        for n in sizes:
            rows = draw(rng, (repeats, n))
            means, plain = (np.array([m[:5] for m in found], float) for found in (method(rows), student(rows, bounds)))
            held, held_t = ((m[:, 2] <= true + 1e-9) & (true - 1e-9 <= m[:, 3]) for m in (means, plain))
            marked = means[:, 4] > 0
            own = held[~marked].mean() if (~marked).mean() >= 0.02 else np.nan
            width = (means[:, 3] - means[:, 2]).mean() / max((plain[:, 3] - plain[:, 2]).mean(), 1e-9)
            found.append((shape, n, held.mean(), held_t.mean(), own, marked.mean(), width))
    names = ("coverage", "t", "unmarked", "marked", "width")
    schema = {"shape": pl.String, "n": pl.Int64} | dict.fromkeys(names, pl.Float64)
    return pl.DataFrame(found, schema, orient="row")


def shares(rng: np.random.Generator, share: float, repeats: int, alike: float, size: tuple[int, int]) -> np.ndarray:
    """Per-sample shares of `repeats` things, of which `share` is met; alike: their intra-class correlation."""
    own = np.full(size, share)
    if alike == 1:
        own = (rng.random(size) < share).astype(float)
    elif alike:
        own = rng.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, size)
    return rng.binomial(repeats, own) / repeats


def clustered(clusters: int, samples: int, alike: float, repeats: int, seed: int = 0, zeros: float = 0.0) -> float:
    """How often `clustered_interval` holds, of clusters of `samples` each; alike: the intra-class correlation."""
    rng, sd = np.random.default_rng(seed), 0.15
    levels = rng.normal(0.6, sd * np.sqrt(alike), (repeats, clusters, 1))
    rows = levels + rng.normal(0, sd * np.sqrt(1 - alike), (repeats, clusters, samples))
    rows = np.where(rng.random(rows.shape) < zeros, 0.0, np.clip(rows, 0, 1))
    n, true = np.full(clusters, samples), 0.6 * (1 - zeros)
    found = [mean_from_clusters(n, total) for total in rows.sum(axis=2)]
    return float(np.mean([m.low <= true <= m.high for m in found]))
