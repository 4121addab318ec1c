"""Plant a failure, search for it, and see how often it turns up: what a dataset of this size can and cannot show."""

from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import stats
from shared import ROOT

from flowgen_analysis.analysis.board import Board, Search, _levels, board, model_targets, overlap, standouts
from flowgen_analysis.analysis.candidates import candidates
from flowgen_analysis.analysis.corpus import Corpus
from flowgen_analysis.analysis.facts import sample_facts
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.scan import Cells, chance, scan, shuffled_best
from flowgen_analysis.analysis.splits import best_slices
from flowgen_analysis.analysis.statistics import share_interval
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.project import bundled
from flowgen_analysis.study import deployments
from flowgen_analysis.synthesis.datasets import make_dataset

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


# -- a failure in the words of a whole project: 1,072 samples of ten domains, six models


class Ground(NamedTuple):
    """The seeded OOD dataset and what can be said of it, without a model."""

    matrix: FeatureMatrix
    corpus: Corpus
    facts: pl.DataFrame
    clusters: dict[str, str]
    search: Search


MODELS = ("one", "two", "three", "four", "five", "six")
MEANS = (0.92, 0.9, 0.85, 0.8, 0.7, 0.6)


@cache
def ground() -> Ground:
    """Made once: the samples, their columns, and which of them meet."""
    samples = make_dataset("ood", 0, ROOT)
    registry = Registry.load(bundled("feature_matrices", "features.toml"))
    matrix = FeatureMatrix.build(samples, registry)
    made = Ground(matrix, Corpus(samples, MODELS), sample_facts(samples), deployments(samples) or {}, None)  # type: ignore
    index = scored(made, np.full((len(samples), len(MODELS)), 0.5))
    return made._replace(search=Search(candidates(samples, index), index))


def scored(on: Ground, scores: np.ndarray) -> SliceIndex:
    """The index of that dataset with scores (0..1, samples x models)."""
    frame = on.matrix.frame.with_columns(**{m: scores[:, i] for i, m in enumerate(MODELS)})
    return SliceIndex.from_frame(frame, MODELS, on.facts, clusters=on.clusters, corpus=on.corpus)


def scores_like(rng: np.random.Generator, samples: int = 1072, together: float = 0.3) -> np.ndarray:
    """Scores of six models, drawn apart from everything that is known of the samples: each model's from a beta distribution of its
    own (means 0.92 to 0.6, many near 1, a long tail), the models of a sample correlated by a Gaussian copula as those of the
    three baselines are on this dataset (0.14 to 0.31)."""
    common = rng.normal(size=(samples, 1))
    ranks = stats.norm.cdf(np.sqrt(together) * common + np.sqrt(1 - together) * rng.normal(size=(samples, len(MODELS))))
    spread = (3, 3, 3, 3, 4, 5)
    return np.column_stack(
        [stats.beta.ppf(r, m * k, (1 - m) * k) for r, m, k in zip(ranks.T, MEANS, spread, strict=True)]
    )


PLANTS = {
    "domain x step": ("domain", "step"), "table": ("table",), "shape": ("shape",), "word": ("word",), "size x step": ("size", "step"),
    "trigger x feature": ("trigger", "feature"), "value": ("value",), "column": ("column",), "step pair": ("step", "step"),
    "environment x table": ("environment", "table"), "feature & ~feature": ("feature", "lack"),
    "domain x step x feature": ("domain", "step", "feature"),
}  # fmt: skip


def told(on: Ground, kind: str) -> list[str]:
    """All texts of a kind, those that share their samples with another too."""
    found = on.search.found
    if kind in ("domain", "environment"):
        names = sorted({v for v in on.facts[kind].to_list() if v})
        return [f'{kind} = "{name}"' for name in names]
    groups = zip(found.texts, found.kinds, found.alike, strict=True)
    return [
        t
        for text, own, alike in groups
        if own == kind
        for t in (text, *(a for a in alike if a.startswith("value:") and kind == "value"))
    ]


def plant_words(rng: np.random.Generator, on: Ground, kind: str) -> tuple[str, np.ndarray]:
    """A slice of a kind of `PLANTS`, drawn so that its size is as good as uniform from 8 to 40, and its samples, asked of the
    language. No part of it can be left out."""
    wanted, parts = int(rng.integers(8, 41)), [told(on, part) for part in PLANTS[kind]]
    best, far = ("", np.zeros(0, bool)), 99
    for tried in range(20_000):
        texts = [str(rng.choice(own)) for own in parts]
        masks = np.array([_held(on, t) for t in texts])
        inside, n = masks.all(axis=0), int(masks.all(axis=0).sum())
        shorter = [int(np.delete(masks, i, axis=0).all(axis=0).sum()) for i in range(len(texts))]
        if 8 <= n <= 40 and abs(n - wanted) < far and all(s > n for s in shorter):
            best, far = (" & ".join(texts), inside), abs(n - wanted)
        if far <= 1 or (tried >= 300 and best[0]):
            break
    assert best[0], f"no slice of the kind {kind} holds 8 to 40 samples"
    return best


_HELD: dict[str, np.ndarray] = {}


def _held(on: Ground, text: str) -> np.ndarray:
    if text not in _HELD:
        _HELD[text] = on.search.index.membership(text).inside
    return _HELD[text]


class Failure(NamedTuple):
    """A planted failure: which model loses how much (0..1) more, where, and the index of it all."""

    kind: str
    text: str
    inside: np.ndarray
    model: str
    effect: float
    index: SliceIndex


def plant_failure(rng: np.random.Generator, on: Ground, kind: str, least: float = 0.2, most: float = 0.6) -> Failure:
    """One of six models loses 20 to 60 points (no score falls under 0) where a slice of that kind holds."""
    text, inside = plant_words(rng, on, kind)
    scores, at, effect = scores_like(rng), int(rng.integers(len(MODELS))), float(rng.uniform(least, most))
    scores[inside, at] = np.maximum(scores[inside, at] - effect, 0)
    return Failure(kind, text, inside, MODELS[at], effect, scored(on, scores))


def boards_of(
    on: Ground, index: SliceIndex, tops: np.ndarray | None = None, models: Sequence[str] = MODELS, **options
) -> Board:
    """The boards of all six models, or of some. tops: what chance reaches, where it is not to be worked out anew."""
    search = copy(on.search)
    search.index, search._tops = index, {}
    if tops is not None:
        search.tops = lambda *_: tops  # type: ignore[method-assign]
    return board(search, {m: model_targets(index, m) for m in models}, **({"splits": 0} | options))


def places(found: Board, failure: Failure) -> list[bool]:
    """For each row of the failing model's board whether it is the planted slice: its very words, or (Jaccard 0.9) its samples."""
    return [_is(row["slice"], failure) for row in found.of(failure.model).frame.to_dicts()]


def named(found: Board, failure: Failure, rows: int = 3) -> bool:
    """Whether one of the first rows names the planted slice: as its own, or below it as one of nearly the same samples."""
    told = found.of(failure.model).frame.head(rows).to_dicts()
    return any(_is(name, failure) for row in told for name in (row["slice"], *row["alike"]))


def passes(on: Ground, failure: Failure, tops: np.ndarray) -> bool:
    """Whether the planted samples themselves stand out beyond what chance reaches: else no search at that level may name them."""
    search = copy(on.search)
    search.index, levels = failure.index, _levels(tops)
    for target in model_targets(failure.index, failure.model):
        kept = ~np.isnan(target.scores)
        over = search.over(kept)
        for found in standouts(over, over.ranked(target.scores), levels, 4000):
            if overlap(found.mask, failure.inside[kept]) >= 0.9:
                if found.passes >= 0:
                    return True
                break
    return False


def _is(name: str, failure: Failure) -> bool:
    held = failure.index.membership(name).inside
    return set(name.split(" & ")) == set(failure.text.split(" & ")) or overlap(held, failure.inside) >= 0.9
