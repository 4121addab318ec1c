"""What is judged on samples that were chosen by score: nothing is found in it that is not there, and nothing is estimated from it."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from flowgen_analysis.analysis.board import Search, board, model_targets
from flowgen_analysis.analysis.candidates import candidates
from flowgen_analysis.analysis.compare import compare, verdict
from flowgen_analysis.analysis.discover import discover
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.prevalence import estimate
from flowgen_analysis.analysis.profile import profile
from flowgen_analysis.analysis.subsets import slice_row
from flowgen_analysis.features.codes import CodeBook, definition
from flowgen_analysis.features.journal import Tag
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.queues import Drawn
from flowgen_analysis.features.registry import Feature, Registry, Theme
from flowgen_analysis.flows.model import Sample

SAMPLES = [Sample(id=f"s{i:03d}", requirement="?", expected=[]) for i in range(100)]
NAMES = ["one", "two", "three", "odd"]
REGISTRY = Registry((Theme("T", "t"),), tuple(Feature(n, n, "T", n, False) for n in NAMES))


def judged_where_it_fails(rng: np.random.Generator, queue: str) -> SliceIndex:
    """Two models and four features without any effect; `odd` is judged on the worst 35 of the first model alone."""
    hard = rng.normal(0, 0.12, (100, 1))
    scores = np.clip(0.65 + hard + rng.normal(0, 0.2, (100, 2)), 0, 1)
    has = rng.random((100, 4)) < 0.45
    asked = np.ones((100, 4), bool)
    asked[:, 3] = scores[:, 0] <= np.sort(scores[:, 0])[34]
    tags = [
        Tag(
            by="ana", sample_id=SAMPLES[i].id, feature=NAMES[f], value=bool(has[i, f]), queue=queue if f == 3 else "all"
        )
        for i, f in zip(*np.nonzero(asked), strict=True)
    ]
    matrix = FeatureMatrix.build(SAMPLES, REGISTRY, tags)
    frame = matrix.frame.with_columns(pl.Series("m", scores[:, 0]), pl.Series("o", scores[:, 1]))
    index = SliceIndex.from_frame(frame, ["m", "o"])
    index.chosen = matrix.chosen
    return index


def found(index: SliceIndex) -> dict[str, bool]:
    """Where something is said of `odd`, by who says it."""
    told = {"discover": discover(index, ["m", "o"], permutations=199, splits=0).frame}
    search = Search(candidates(SAMPLES, index).only("feature", "lack"), index)
    told["board"] = board(search, {m: model_targets(index, m) for m in "mo"}, permutations=99, most=99, splits=0).frame
    said = {
        name: any("odd" in text and p is not None and p < 0.05 for text, p in frame.select("slice", "p").iter_rows())
        for name, frame in told.items()
    }
    rows = compare(index, slices=["odd", "~odd", "odd & one"]).to_dicts()
    said["compare"] = any(verdict(r) in ("higher", "lower", "fragile") for r in rows)
    halves = [profile(index, s).models[0] for s in ("odd", "odd & one")]
    said["means"] = any(m.inside.low is not None or m.outside.low is not None for m in halves)
    said["means"] |= slice_row(index, "odd", "odd").means["m"].low is not None
    return said


def check_nothing_is_found(datasets: int) -> None:
    rng = np.random.default_rng(5)
    for queue in (Drawn(kind="worst", model="m").text, ""):
        hits = [found(judged_where_it_fails(rng, queue)) for _ in range(datasets)]
        most = stats.binom.ppf(0.999, datasets, 0.05)
        said = {name: sum(h[name] for h in hits) for name in hits[0]}
        print(f"of {datasets} datasets without an effect, judged {queue or 'nobody says how'}: {said}")
        assert {name: n for name, n in said.items() if n > most} == {}


def test_a_feature_judged_where_a_model_fails_makes_no_discovery():
    check_nothing_is_found(4)


@pytest.mark.verify
def test_a_feature_judged_where_a_model_fails_makes_discoveries_at_the_level():
    check_nothing_is_found(200)


def test_why_it_says_nothing_is_said():
    index = judged_where_it_fails(np.random.default_rng(0), Drawn(kind="worst", model="m").text)
    row = compare(index, slices=["odd"]).to_dicts()[0]
    assert row["hollow"].startswith("odd is judged on 35 of 100, chosen by how models did (worst of m)")
    assert (row["low"], row["q"], verdict(row)) == (None, None, "too few")
    assert index.hollow("one & two") == "" != index.hollow("one | odd")


def test_outside_is_what_was_judged():
    index = judged_where_it_fails(np.random.default_rng(1), "")
    both = profile(index, "odd & one")
    judged = index.membership("odd")
    assert both.n + both.outside == int((judged.inside | judged.outside).sum()) == 35


def coverage(times: int) -> float:
    """How often the interval from the first 30 of a random order holds the share among all that a model may ever make."""
    rng, held = np.random.default_rng(9), 0
    outputs = [(s.id, "m", 0) for s in SAMPLES]
    for t in range(times):
        share = rng.uniform(0.05, 0.6)
        wrong = rng.random(100) < share
        drawn = Drawn(kind="random", model="m", seed=t)
        place = {s.id: i for i, s in enumerate(SAMPLES)}
        tags = [
            Tag(by="a", sample_id=s, model="m", feature="c", value=bool(wrong[place[s]]), queue=drawn.text)
            for s in drawn.order(place)[:30]
        ]
        told = estimate(CodeBook([definition("a", "c", "C"), *tags]), "c", outputs)
        assert told.low is not None
        assert told.high is not None
        held += told.low <= share <= told.high
    return held / times


def test_a_random_queue_covers_and_a_worst_first_one_gives_no_estimate():
    assert coverage(60) >= 0.88
    worst = Drawn(kind="worst", model="m").text
    tags = [Tag(by="a", sample_id=s.id, model="m", feature="c", value=True, queue=worst) for s in SAMPLES[:30]]
    told = estimate(CodeBook([definition("a", "c", "C"), *tags]), "c", [(s.id, "m", 0) for s in SAMPLES])
    assert (told.share, told.low, told.high) == (None, None, None)
    assert told.why == "30 of 100 judged, worst of m: no estimate"
    assert (told.least, told.most) == (0.3, 1.0)


@pytest.mark.verify
def test_a_random_queue_covers_95_percent():
    held = coverage(4000)
    print(f"a random queue covers {held:.1%} of 4,000")
    assert held >= 0.945
