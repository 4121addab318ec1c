"""Slices and sums against naive versions of themselves, and statistics by what they promise."""

import json
import operator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import power
from shared import ROOT

from flowgen_analysis.analysis.compare import compare
from flowgen_analysis.analysis.discover import discover
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.profile import profile
from flowgen_analysis.analysis.saved import SavedSlice, load_slices, save_slices
from flowgen_analysis.analysis.search import conjunctions, every_sum
from flowgen_analysis.analysis.slices import Slice
from flowgen_analysis.analysis.statistics import mean_interval, share_interval
from flowgen_analysis.analysis.subsets import subset_table
from flowgen_analysis.features.registry import Feature, Registry, Subset, Theme
from flowgen_analysis.flows.dataset import Run, load_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.generation.baselines.generator import generate_run
from flowgen_analysis.generation.baselines.nearest import Nearest
from flowgen_analysis.generation.baselines.rules import Rules
from flowgen_analysis.scoring.scores import score_runs

NAMES = ["a", "b", "c", "d"]
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne}

FACTS = {"steps": st.integers(0, 4), "score.m": st.integers(0, 100)}
leaf = st.sampled_from(NAMES) | st.sampled_from(list(FACTS)).flatmap(
    lambda fact: st.tuples(st.just(fact), st.sampled_from(list(SIGNS)), FACTS[fact])
)
trees = st.recursive(
    leaf,
    lambda inner: st.tuples(st.just("~"), inner) | st.tuples(st.sampled_from("&|"), inner, inner),
    max_leaves=8,
)


def text_of(tree) -> str:
    if isinstance(tree, str):
        return tree
    if tree[0] in FACTS:
        return f"{tree[0]} {tree[1]} {tree[2]}{'%' if tree[0] == 'score.m' and tree[2] % 2 else ''}"
    return f"~({text_of(tree[1])})" if tree[0] == "~" else f"({text_of(tree[1])}) {tree[0]} ({text_of(tree[2])})"


def judge(tree, cells: dict) -> bool | None:
    """Kleene's three-valued logic, a sample at a time."""
    if isinstance(tree, str):
        return cells[tree]
    if tree[0] in FACTS:
        known = cells["steps"] if tree[0] == "steps" else None if cells["m"] is None else round(100 * cells["m"])
        return None if known is None else SIGNS[tree[1]](known, tree[2])
    if tree[0] == "~":
        inner = judge(tree[1], cells)
        return None if inner is None else not inner
    sides = [judge(t, cells) for t in tree[1:]]
    settled = tree[0] == "|"
    return settled if settled in sides else None if None in sides else not settled


@settings(deadline=None, max_examples=200)
@given(trees, st.integers(0, 2**32 - 1), st.integers(0, 150))
def test_an_index_answers_as_a_naive_reader_would(tree, seed, samples):
    rng = np.random.default_rng(seed)
    cells = [
        {n: rng.choice([True, False, None], p=[0.4, 0.4, 0.2]) for n in NAMES}
        | {
            "steps": rng.choice([None, 0, 1, 2, 3, 4]),
            "m": int(rng.integers(0, 101)) / 100 if rng.random() < 0.9 else None,
        }
        for _ in range(samples)
    ]
    frame = pl.DataFrame(
        [{"sample_id": f"{i:03}", **c} for i, c in enumerate(cells)],
        {"sample_id": pl.String, **dict.fromkeys(NAMES, pl.Boolean), "steps": pl.Int64, "m": pl.Float64},
    )
    facts = frame.select("sample_id", "steps")
    index = SliceIndex.from_frame(frame.drop("steps"), ["m"], facts)
    said = [judge(tree, c) for c in cells]
    found = index.membership(text_of(tree))
    assert found.inside.tolist() == [s is True for s in said]
    assert found.outside.tolist() == [s is False for s in said]
    inside = [c["m"] for c, s in zip(cells, said, strict=True) if s is True and c["m"] is not None]
    row = index.summary(text_of(tree)).row(0)
    assert row[1] == len(inside)
    assert np.allclose(np.array(row[2:], float), np.array(mean_interval(inside)[1:4], float), equal_nan=True)
    if samples:
        again = SliceIndex.from_frame(frame.drop("steps").to_pandas(), ["m"], facts.to_pandas())
        assert again.summary(text_of(tree)).equals(index.summary(text_of(tree)))
        assert index.counts(found.inside) == {
            n: sum(c[n] is True and s is True for c, s in zip(cells, said, strict=True)) for n in NAMES
        }


def test_a_share_in_a_slice_is_what_screens_show():
    index = SliceIndex.from_arrays(np.ones((3, 1), bool), ["a"], np.array([[0.29], [0.4], [1.0]]), ["x"])
    assert index.members("score.x < 40") == index.members("score.x < 40%") == index.members("score < 40") == ["0"]
    assert Slice("score.x < 40%").comparisons[0].text == "score.x < 40"
    assert index.members("score = 29") == ["0"]
    assert index.members("score.x >= 100") == ["2"]
    for text, said in {
        "score < 0.4": "write 40",
        "structure_errors.x = 0.005%": "no fact",
        "score.x > 100.5": "from 0 to 100",
        "score.x > -1": "from 0 to 100",
        "a & steps > 40%": "without %",
    }.items():
        with pytest.raises(InputError, match=said):
            index.members(text)


@settings(deadline=None)
@given(st.text("ab ()&|~<>=!'\"`.%0-;\\", max_size=20) | st.text(max_size=12))
def test_no_text_breaks_the_parser(text):
    masks = {"a": (np.ones(2, bool), np.zeros(2, bool))}
    said = ""
    try:
        parsed = Slice(text)
        assert Slice(parsed.text) == parsed
        parsed.membership(masks, 2)
    except InputError as e:
        said = str(e)
    assert "\n" not in said


@settings(deadline=None, max_examples=50)
@given(st.lists(st.builds(SavedSlice, st.text(min_size=1).filter(str.strip), st.text(), st.just("a & ~b")), max_size=4))
def test_saved_slices_come_back(tmp_path_factory, slices):
    slices = list({(s.name, s.folder): s for s in slices}.values())
    try:
        json.dumps([*map(list, slices)], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    path = tmp_path_factory.mktemp("saved") / "slices.toml"
    assert load_slices(save_slices(path, slices)) == slices


@pytest.mark.parametrize("samples", [0, 40, 6000])
@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_every_conjunction_is_summed_as_if_one_at_a_time(samples, unknown):
    rng = np.random.default_rng(samples)
    cells = rng.choice([1, 0, -1], (samples, 5), p=[0.4, 0.6 - unknown, unknown])
    present, absent, values = cells == 1, cells == 0, rng.random((samples, 2))
    found, both = every_sum(present, absent, values), np.concatenate([present, absent], axis=1)
    for row, literals in enumerate(conjunctions(5).literals):
        mask = both[:, [i for i in literals if i >= 0]].all(axis=1)
        assert found.n[row] == mask.sum()
        assert np.allclose(found.totals[row], values[mask].sum(axis=0))


def test_discovery_ignores_unknown_cells_and_missing_scores():
    rng = np.random.default_rng(0)
    cells = rng.choice([1, 0, -1], (150, 6), p=[0.4, 0.5, 0.1])
    scores = rng.random((150, 1))
    scores[cells[:, 0] == 1] *= 0.4
    scores[:20] = np.nan
    index = SliceIndex([str(i) for i in range(150)], cells == 1, cells == 0, list("abcdef"), scores, ["m"])
    found = discover(index, "m", permutations=99)
    assert found.samples == 130
    assert found.frame["slice"][0] == "a"
    for row in found.frame.iter_rows(named=True):
        names = Slice(row["slice"]).names
        judged = (cells[:, ["abcdef".index(n) for n in names]] >= 0).all(axis=1) & ~np.isnan(scores[:, 0])
        inside = index.membership(row["slice"]).inside & judged
        outside = judged & ~inside
        assert (row["n"], row["outside_n"]) == (inside.sum(), outside.sum())
        assert np.isclose(row["mean"], 1 - scores[inside].mean())
        assert np.isclose(row["outside"], 1 - scores[outside].mean())
        assert np.isclose(row["effect"], row["mean"] - row["outside"])


def test_subset_averages_are_over_the_union():
    """The paper's arithmetic: each sample once, however many of the subset's features it has."""
    rng = np.random.default_rng(0)
    features, scores = rng.random((108, 3)) < 0.3, rng.random((108, 2))
    names = ["foreach", "parallel", "try_catch"]
    registry = Registry(
        (Theme("t", "d"),), tuple(Feature(n, n, "t", "d", True) for n in names), (Subset("S", "S", "d", tuple(names)),)
    )
    table = subset_table(SliceIndex.from_arrays(features, names, scores, ["x", "y"]), registry.subsets[0], registry)
    union = features.any(axis=1)
    assert table.union.n == union.sum() < sum(row.n for row in table.rows)
    assert np.isclose(table.union.means["x"].mean, scores[union, 0].mean())
    weighted = np.average([row.means["x"].mean for row in table.rows], weights=[row.n for row in table.rows])
    assert not np.isclose(table.union.means["x"].mean, weighted)
    apart = features & (features.cumsum(axis=1) == 1)
    table = subset_table(SliceIndex.from_arrays(apart, names, scores, ["x", "y"]), registry.subsets[0], registry)
    weighted = np.average([row.means["x"].mean for row in table.rows], weights=[row.n for row in table.rows])
    assert np.isclose(table.union.means["x"].mean, weighted)


@pytest.fixture(scope="module")
def bundled():
    """The real scores of the offline baselines over the bundled samples."""
    samples = load_samples(ROOT / "datasets" / "test.jsonl")
    runs = [Run(g.name, list(generate_run(g, samples))) for g in (Nearest(samples), Rules())]
    return score_runs(samples, runs)


def test_coverage_and_loss_add_up_on_real_scores(bundled):
    wide = bundled.by_sample().pivot("model", index="sample_id", values="inputs")
    frame = wide.with_columns((pl.col("rules") > 0.3).alias("easy"), (pl.int_range(pl.len()) % 3 == 0).alias("third"))
    index = SliceIndex.from_frame(frame, bundled.models)
    for text in ("third", "easy & third", "score.rules < 20"):
        inside, outside = profile(index, text), profile(index, f"~({text})")
        for a, b in zip(inside.models, outside.models, strict=True):
            assert np.isclose(a.coverage + b.coverage, 1)
            assert a.inside == b.outside
    assert compare(index)["n"].to_list() == [108]


def test_what_is_planted_is_found():
    """A short form; `pytest -m verify` has a thousand null datasets and the whole curve."""
    found = power((0.0, 0.3), orders=(3,), repeats=40).rows(named=True)
    assert found[0]["alarm_low"] <= 0.05
    assert found[1]["top"] >= 0.7
    assert found[1]["significant"] >= 0.45


@pytest.mark.verify
def test_no_more_than_five_percent_of_null_datasets_raise_an_alarm():
    [row] = power((0.0,), orders=(3,), repeats=1000, seed=7).rows(named=True)
    assert share_interval(round(row["alarm"] * 1000), 1000).low <= 0.05
    assert row["alarm"] <= 0.065


@pytest.mark.verify
def test_a_planted_pair_of_30_points_is_found():
    for row in power((0.3,), orders=(2, 3), repeats=300).iter_rows(named=True):
        assert row["top"] >= 0.8
        assert row["significant"] >= 0.6
