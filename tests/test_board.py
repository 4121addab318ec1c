"""What a board promises, on the seeded OOD dataset with six models whose scores are drawn, and failures planted in the words of the
dataset. Each promise stands short, and marked `verify` with as many datasets as it speaks of.
"""

import re

import numpy as np
import polars as pl
import pytest
from planted import MEANS, MODELS, PLANTS, boards_of, ground, named, passes, places, plant_failure, scored, scores_like

from flowgen_analysis.analysis import conjunctions
from flowgen_analysis.analysis.board import (
    Search,
    board,
    cause_targets,
    causes_apart,
    difference_targets,
    model_targets,
    overlap,
    value_targets,
)
from flowgen_analysis.analysis.candidates import Candidates, cause_columns
from flowgen_analysis.analysis.conjunctions import Conjunctions
from flowgen_analysis.analysis.discover import discover
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.scoring.loss import Losses

QUICK = {"permutations": 99, "most": 99}


@pytest.fixture(scope="module")
def chance() -> np.ndarray:
    """What chance reaches in one draw. How rare a set is, is told in normal deviates, so that of another draw it is much the same;
    the tests marked `verify` work it out anew for each."""
    on = ground()
    index = scored(on, scores_like(np.random.default_rng(0)))
    return Search(on.search.found, index).tops([t for m in MODELS for t in model_targets(index, m)], 99, 0)


def test_a_column_holds_what_its_text_holds():
    on = ground()
    found, index = on.search.found, on.search.index
    assert len(found.texts) > 1000
    for at, text in enumerate(found.texts):
        if found.kinds[at] != "word" or at % 4 == 0:
            inside, outside = index.sets(text)
            assert (inside == found.inside[at]).all(), text
            assert (outside == found.outside[at]).all(), text
    for at in range(0, len(found.texts), 3):
        assert all((index.sets(other)[0] == found.inside[at]).all() for other in found.alike[at]), found.alike[at]
    assert "cause" not in found.kinds
    assert not any(re.match(r"score|structure_errors|loss", t) for t in found.texts)


def the_failure(seed: int = 0) -> SliceIndex:
    """The best of six models scores 1 to 43 where domain = telecom and a step is send_sms."""
    on, rng = ground(), np.random.default_rng([seed, 3])
    scores = scores_like(rng)
    inside = on.search.index.membership('domain = "telecom" & step:send_sms').inside
    scores[inside, 0] = rng.uniform(0.01, 0.43, int(inside.sum()))
    return scored(on, scores)


def test_the_failure_that_nothing_could_name_is_the_first_row(chance):
    index = the_failure()
    found = boards_of(ground(), index, chance, splits=8, **QUICK)
    [row] = found.frame.rows(named=True)
    assert (row["board"], row["slice"]) == ("one", 'domain = "telecom" & step:send_sms')
    assert row["n"] == 12
    assert row["p"] <= 0.05
    assert row["score"] < 0.43 < 0.7 < row["others"]
    assert row["low"] < row["effect"] < row["high"]
    assert row["held_effect"] > 0.2
    assert "features" not in found.family
    assert "6 searches" not in found.family
    assert "12 searches" in found.family
    features = discover(index, "one", permutations=0, splits=0).frame["slice"].to_list()
    held = index.membership(row["slice"]).inside
    assert not any(overlap(index.membership(s).inside, held) >= 0.5 for s in features)


def test_planted_failures_are_named(chance):
    """One of each of twelve kinds, well above the noise (30 points or more)."""
    hits = []
    for at, kind in enumerate(PLANTS):
        failure = plant_failure(np.random.default_rng([at, 43]), ground(), kind, 0.4)
        found = boards_of(ground(), failure.index, chance, models=[failure.model], **QUICK)
        hits.append(places(found, failure)[:1] == [True])
    assert sum(hits) >= 10, dict(zip(PLANTS, hits, strict=True))


@pytest.mark.verify
def test_three_hundred_planted_failures_are_named():
    """Of 12 kinds, 8 to 40 samples and 20 to 60 points; the first sixty are told apart, too. Some of the small ones stand out no more
    than chance does: these cannot be named at this level, and the rest is."""
    on, rows = ground(), []
    index = scored(on, scores_like(np.random.default_rng(0)))
    chance = Search(on.search.found, index).tops([t for m in MODELS for t in model_targets(index, m)], 399, 0)
    for seed in range(25):
        for at, kind in enumerate(PLANTS):
            failure = plant_failure(np.random.default_rng([at, seed, 41]), on, kind)
            found = boards_of(on, failure.index, chance, permutations=399, most=399)
            hit, others = places(found, failure), found.frame.height - found.of(failure.model).frame.height
            features = discover(failure.index, failure.model, top=3, permutations=0, splits=0).frame["slice"].to_list()
            plain = any(overlap(failure.index.membership(s).inside, failure.inside) >= 0.9 for s in features)
            told = (hit[:1] == [True], named(found, failure), others > 0, plain)
            could = told[1] or passes(on, failure, chance)
            rows.append((seed, kind, int(failure.inside.sum()), failure.effect, *told, could))
    columns = ["seed", "kind", "n", "effect", "first", "named", "others", "plain", "could"]
    frame = pl.DataFrame(rows, columns, orient="row")
    sizes = [pl.col("n").cut([12, 20]).alias("size"), pl.col("effect").cut([0.3, 0.4]).alias("points")]
    told = pl.col("first", "named", "others", "plain", "could").sum()
    print(frame.select(pl.len(), told), frame.filter(pl.col("seed") < 5).select(pl.len(), told))
    print(frame.group_by(sizes).agg(pl.len(), told).sort("size", "points"))
    assert frame["first"].mean() >= 0.8
    assert frame["named"].mean() >= 0.85
    assert frame.filter("could")["named"].mean() >= 0.95, "of those that stand out beyond chance at all"
    assert frame["others"].mean() <= 0.1


def test_nothing_is_found_where_nothing_is(chance):
    found = [
        boards_of(ground(), scored(ground(), scores_like(np.random.default_rng([s, 31]))), chance, **QUICK)
        for s in range(3)
    ]
    assert sum(f.frame.height > 0 for f in found) <= 1


@pytest.mark.verify
def test_the_boards_of_models_without_a_failure_are_empty():
    """Of a hundred projects of six models."""
    full = 0
    for seed in range(100):
        index = scored(ground(), scores_like(np.random.default_rng([seed, 31])))
        full += boards_of(ground(), index, permutations=199).frame.height > 0
    print(f"projects with an alarm: {full} of 100")
    assert full <= 9  # 5% in expectation


def test_the_level_is_kept_where_a_feature_was_judged_where_the_model_fails():
    """Counted as outside where nobody judged it, such a feature is an alarm every time."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, 13])
        present, loss = rng.random((300, 12)) < 0.3, rng.beta(0.6, 0.8, 300)
        judged = np.ones(present.shape, bool)
        judged[:, :4] = (loss > 0.5)[:, None]
        alarms += boards_over(present & judged, ~present & judged, 1 - loss).frame.height > 0
    assert alarms <= 4


def boards_over(inside: np.ndarray, outside: np.ndarray, scores: np.ndarray, clusters=None, **options):
    """The board of one model over plain columns f0, f1, …"""
    names = [f"f{i}" for i in range(inside.shape[1])]
    scores = scores[:, None] if scores.ndim == 1 else scores
    models = [f"m{i}" for i in range(scores.shape[1])]
    index = SliceIndex([str(i) for i in range(len(inside))], inside, outside, names, scores, models, clusters=clusters)
    found = Candidates(names, ["feature"] * len(names), [[] for _ in names], index.present, index.absent, len(inside))
    return board(Search(found, index), {"m0": model_targets(index, "m0")}, **({"splits": 0} | QUICK | options))


def test_what_is_explained_already_does_not_come_back():
    """Two failures: a larger and a lighter one. Neither its parts nor its neighbours come as rows of their own."""
    rng = np.random.default_rng(5)
    inside = rng.random((600, 20)) < 0.3
    scores = 1 - np.clip(rng.normal(0.3, 0.1, 600), 0, 1)
    first, second = inside[:, :2].all(axis=1), inside[:, 4:7].all(axis=1)
    scores -= 0.3 * first + 0.25 * (second & ~first)
    found = boards_over(inside, ~inside, scores)
    assert found.frame["slice"].to_list() == ["f0 & f1", "f4 & f5 & f6"]
    assert found.frame["explained"][0] > found.frame["explained"][1] > 0
    assert np.isclose(found.frame["effect"][0], (1 - scores)[first].mean() - (1 - scores)[~first].mean())
    more = boards_over(inside, ~inside, scores, level=1.0, top=5)
    assert more.exploratory
    assert more.frame.height == 5
    assert not found.exploratory


def test_names_of_the_same_samples_stand_in_one_row():
    rng = np.random.default_rng(6)
    inside = rng.random((400, 8)) < 0.2
    inside[:, 7] = inside[:, 0] & inside[:, 1]
    found = boards_over(inside, ~inside, 0.7 - 0.4 * inside[:, 7] + rng.normal(0, 0.05, 400))
    assert found.frame["slice"][0] == "f7"
    assert found.frame.height == 1


def test_the_answer_is_the_same_on_any_number_of_threads(monkeypatch):
    on, index = ground(), the_failure(1)
    values = [t for m in ("one", "two") for t in model_targets(index, m)]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(conjunctions, "_threads", lambda n=threads: n)
        search = Search(on.search.found, index)
        search._over = on.search._over
        found.append(
            (search.tops(values, 12, 0), board(search, {"one": values[:2]}, splits=2, permutations=19, most=19))
        )
    assert (found[0][0] == found[1][0]).all()
    assert found[0][1].frame.equals(found[1][1].frame)


def test_a_difference_is_looked_at_from_both_sides(chance):
    on, index = ground(), the_failure()
    search = Search(on.search.found, index)
    search._over = on.search._over
    for pair in (("one", "two"), ("two", "one")):
        found = board(search, {"pair": difference_targets(index, *pair)}, splits=0, **QUICK)
        [row] = found.frame.rows(named=True)
        assert (row["target"], row["measure"], row["slice"]) == (
            "one",
            "difference",
            'domain = "telecom" & step:send_sms',
        )
        gap = index.column("two") - index.column("one")
        assert np.isclose(row["mean"], gap[index.membership(row["slice"]).inside].mean())


def test_causes_say_why_and_what_sets_models_apart():
    """One model loses 10 points by wrong tables where a step is send_sms; both lose alike by all else."""
    on, rng = ground(), np.random.default_rng(8)
    ids, sms = on.search.index.samples, on.search.index.membership("step:send_sms").inside
    rows = []
    for m in ("one", "two"):
        for kind in ("missing_step", "wrong_table", "wrong_value"):
            lost = rng.beta(1, 20, len(ids)) * (rng.random(len(ids)) < 0.4)
            lost += 0.1 * sms if (m, kind) == ("one", "wrong_table") else 0
            rows += [(i, m, 0, kind, float(v)) for i, v in zip(ids, lost, strict=True) if v > 0]
    frame = pl.DataFrame(rows, ["sample_id", "model", "repeat", "kind", "loss"], orient="row")
    made = pl.DataFrame(
        [(i, m, 0) for m in ("one", "two") for i in ids], ["sample_id", "model", "repeat"], orient="row"
    )
    losses = Losses(frame, made, "inputs")
    apart = causes_apart(losses, "one", ["two"])
    assert apart["kind"][0] == "wrong_table"
    assert apart["q"][0] < 0.01
    assert (apart["q"][1:] > 0.05).all()
    assert np.isclose(apart["difference"][0], apart["loss"][0] - apart["others"][0])
    targets = cause_targets(losses, "one", ["wrong_table"], ids)
    found = board(on.search, {"one": targets}, splits=0, **QUICK)
    assert found.frame["slice"][0] == "step:send_sms"
    assert found.frame["measure"][0] == "value"
    lost = targets[0].values > 0
    [column] = cause_columns({("wrong_table", "one"): lost}, {"one": np.ones(len(lost), bool)})
    assert column[:2] == ("cause", "cause:wrong_table@one")


@pytest.mark.parametrize(
    "nothing", [np.full(300, 0.5), np.full(300, np.nan), np.r_[np.full(290, np.nan), np.arange(10.0) / 10]]
)
def test_there_may_be_nothing_to_look_at(nothing):
    inside = np.random.default_rng(0).random((300, 5)) < 0.3
    assert boards_over(inside, ~inside, nothing).frame.is_empty()
    assert boards_over(inside[:, :0], inside[:, :0], np.linspace(0, 1, 300)).frame.is_empty()
    assert board(ground().search, {}).frame.is_empty()
    assert not value_targets({})


def test_models_without_some_scores_are_searched_where_they_have_them():
    rng = np.random.default_rng(9)
    inside = rng.random((500, 10)) < 0.3
    scores = rng.normal(0.7, 0.1, (500, 3))
    scores[:, 0] -= 0.3 * inside[:, :2].all(axis=1)
    scores[rng.random(500) < 0.3, 0] = np.nan
    [row] = boards_over(inside, ~inside, scores).frame.rows(named=True)
    known = ~np.isnan(scores[:, 0])
    assert row["slice"] == "f0 & f1"
    assert row["n"] == (known & inside[:, :2].all(axis=1)).sum()


def test_large_sets_and_small_ones_are_as_rare():
    """Of a skewed loss a plain z of 8 samples passes 3.1 three times as often as one of 100; told as deviates, both one in a thousand."""
    rng = np.random.default_rng(2)
    inside = np.column_stack([rng.permutation(1000) < n for n in [10] * 150 + [150] * 150])
    made = Conjunctions(inside[:, :], ~inside, minimum=10)
    skewed = made.aligned(np.minimum(rng.gamma(0.4, 0.3, 1000), 1))
    w = made.deviates(skewed[made.shuffles(400, rng)], made.tails(skewed))[:, : made.singles]
    small = made.n[: made.singles] == 10
    shares = [(w[:, side] > 3.09).mean() for side in (small, ~small)]
    assert all(0.0006 < share < 0.0015 for share in shares), shares
    assert max(MEANS) < 1
