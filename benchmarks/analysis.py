"""Slices of a million samples against pandas and polars, and every slice of three literals against sliceline, in one run.

    python benchmarks/analysis.py [--samples 1000000] [--rows 50000] [--peer-rows 50000] [--tables]

sliceline is no dependency: `pip install sliceline` to see it here. `--tables` prints the power curve as well, which takes
minutes.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.search import conjunctions, every_sum
from flowgen_analysis.analysis.statistics import mean_from_sums

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from planted import power

FEATURES, MODELS = 64, 6
SLICES = {
    "f0": lambda f: f("f0"),
    "f0 & ~f1 | f2": lambda f: (f("f0") & ~f("f1")) | f("f2"),
    "(f0 | f1 | f2 | f3) & ~f4 & ~f5": lambda f: (f("f0") | f("f1") | f("f2") | f("f3")) & ~f("f4") & ~f("f5"),
    "all 64 joined by |": lambda f: any_of([f(f"f{i}") for i in range(FEATURES)]),
}


def any_of(terms):
    found = terms[0]
    for term in terms[1:]:
        found = found | term
    return found


def median_ms(work: Callable[[], object], times: int = 9) -> float:
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def intervals(*sums) -> list:
    return [mean_from_sums(*row)[:4] for row in zip(*sums, strict=True)]


def with_pandas(frame: pd.DataFrame, models: list[str], make) -> list:
    part = frame.loc[make(frame.__getitem__), models]
    return intervals(part.count().tolist(), part.sum().tolist(), (part**2).sum().tolist(), (part**3).sum().tolist())


def with_polars(frame: pl.DataFrame, models: list[str], make) -> list:
    sums = [
        pl.col(models).count().name.suffix("_n"),
        pl.col(models).sum(),
        (pl.col(models) ** 2).sum().name.suffix("_2"),
        (pl.col(models) ** 3).sum().name.suffix("_3"),
    ]
    row = frame.filter(make(pl.col)).select(sums).row(0)
    size = len(models)
    return intervals(*(row[i * size : (i + 1) * size] for i in range(4)))


def slices(samples: int) -> None:
    print(f"Any slice of {samples:,} samples x {FEATURES} features x {MODELS} models, with intervals; median ms")
    rng = np.random.default_rng(0)
    features, scores = rng.random((samples, FEATURES)) < 0.3, rng.random((samples, MODELS))
    names, models = [f"f{i}" for i in range(FEATURES)], [f"m{i}" for i in range(MODELS)]
    index = SliceIndex.from_arrays(features, names, scores, models)
    columns = {n: features[:, i].copy() for i, n in enumerate(names)}
    columns |= {m: scores[:, i].copy() for i, m in enumerate(models)}
    in_pandas, in_polars = pd.DataFrame(columns), pl.DataFrame(columns)
    print(f"  {'slice':34}{'this':>8}{'polars':>8}{'pandas':>8}")
    for name, make in SLICES.items():
        text = " | ".join(names) if name.startswith("all") else name
        peer = with_pandas(in_pandas, models, make)
        ours = [tuple(row[1:]) for row in index.summary(text).rows()]
        assert np.allclose(ours, np.array(peer, float)), "the answers differ"
        assert np.allclose(ours, np.array(with_polars(in_polars, models, make), float)), "the answers differ"
        times = (
            median_ms(lambda t=text: index.summary(t)),
            median_ms(lambda m=make: with_polars(in_polars, models, m), 5),
            median_ms(lambda m=make: with_pandas(in_pandas, models, m), 5),
        )
        print(f"  {name:34}" + "".join(f"{t:8.1f}" for t in times))


def discovery(rows: int, peer_rows: int) -> None:
    rng = np.random.default_rng(0)
    print(f"\nEvery slice of up to three literals over 24 features x 5 models, {rows:,} samples")
    for density in (0.2, 0.5):
        present, loss = rng.random((rows, 24)) < density, rng.random((rows, 5))
        loss[:, 0] += 0.3 * (present[:, 0] & present[:, 1])
        own = median_ms(lambda p=present, v=loss: every_sum(p, ~p, v), 5)
        print(
            f"  this, features in {density:.0%} of samples: {own / 1000:.3f} s for {len(conjunctions(24).literals):,} slices"
        )
    try:
        from sliceline.slicefinder import Slicefinder
    except ImportError:
        print("  sliceline: not installed (pip install sliceline)")
        return
    present, loss = present[:peer_rows], loss[:peer_rows]
    ours = median_ms(lambda: every_sum(present, ~present, loss[:, :1]), 3) / 1000
    start = time.perf_counter()
    finder = Slicefinder(alpha=0.95, k=5, max_l=3, min_sup=50, verbose=False).fit(present.astype(int), loss[:, 0])
    peer = time.perf_counter() - start
    sums, names = every_sum(present, ~present, loss[:, :1]), [f"f{i}" for i in range(24)]
    mean = sums.totals[:, 0] / np.maximum(sums.n, 1)
    score = 0.95 * (mean / loss[:, 0].mean() - 1) - 0.05 * (len(loss) / np.maximum(sums.n, 1) - 1)
    best = int(np.where(sums.n >= 50, score, -np.inf).argmax())
    theirs = [f"f{i}={v}" for i, v in enumerate(finder.top_slices_[0]) if v is not None]
    print(f"  one model, {len(loss):,} samples: this {ours:.2f} s, sliceline {peer:.1f} s ({peer / ours:.0f} times)")
    print(f"  best by sliceline's own measure: this {sums.terms.text(best, names)}; sliceline {' & '.join(theirs)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--peer-rows", type=int, default=50_000)
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    slices(asked.samples)
    discovery(asked.rows, asked.peer_rows)
    if asked.tables:
        with pl.Config(tbl_rows=60):
            print(power(repeats=300))
