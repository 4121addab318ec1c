"""The explorer without a browser: hostile text, real runs, and slices that say the same taken apart and put together."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import ROOT

from flowgen_analysis.analysis.slices import And, Name, Not, Or, Slice, Term
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import Run, load_runs, load_samples
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.widgets.explorer import Explorer
from flowgen_analysis.widgets.facets import facet_counts, take_apart, text_of
from flowgen_analysis.widgets.overview import overview

REAL = ROOT.parent / "shared" / "data" / "real" / "homeassistant"
STATIC = ROOT / "flowgen_analysis" / "widgets" / "static"
NAMES = "abcd"


def negated_or_joined(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(inner.map(Not), several.map(And), several.map(Or))


terms = st.recursive(st.sampled_from(NAMES).map(Name), negated_or_joined, max_leaves=8)
MASKS = {n: (m, ~m) for n, m in zip(NAMES, np.indices((2,) * 4).reshape(4, -1).astype(bool), strict=True)}


@given(terms)
def test_a_slice_says_the_same_taken_apart_and_put_together(term):
    said = Slice(text_of(term))
    again = take_apart(said).slice
    assert (said.membership(MASKS, 16).inside == again.membership(MASKS, 16).inside).all()


def registry() -> Registry:
    return Registry.load(ROOT / "feature_matrices" / "features.toml")


def explorer_of(samples: list[Sample], runs: list[Run]) -> Explorer:
    matrix = FeatureMatrix.build(samples, registry())
    return Explorer(samples, runs, matrix, score_runs(samples, runs), registry())


EVIL = "<img src=x onerror=alert(1)>\"'\u202e{{x}}%{y}" + "w" * 10_000


def test_hostile_text_is_text_everywhere():
    step = Step(
        name=EVIL, annotation=EVIL, step=1, inputs=[Input(name=EVIL, value=EVIL), Input(name="conditions", value=EVIL)]
    )
    flow = Flow(trigger=Trigger(type=EVIL, annotation=EVIL), components=[step])
    sample = Sample(id=EVIL, requirement=EVIL, expected=[flow])
    generations = [Generation(sample_id=EVIL, model=EVIL, error=EVIL, raw=EVIL)]
    runs = [Run(EVIL, generations), Run("m", [Generation(sample_id=EVIL, model="m", generated=flow)])]
    explorer = explorer_of([sample], runs)
    explorer.selected = EVIL
    shown = [
        explorer._view.state["html"],
        explorer._chart.figure.to_json(),
        overview(score_runs([sample], runs)).figure.to_json(),
    ]
    for text in shown:
        assert "<img" not in text
        assert "\\u003cimg" not in text


@pytest.mark.skipif(not REAL.exists(), reason="the shared data is not here")
def test_thirty_two_real_runs():
    samples = load_samples(REAL / "samples.jsonl")
    runs = load_runs(sorted((REAL / "runs").glob("*.jsonl")), samples)
    explorer = explorer_of(samples, runs)
    assert len(explorer.index.models) == 32
    for name in [*facet_counts(explorer.index, Slice())][:4]:
        explorer.slice = name
        assert len(explorer.to_pandas()) == len(explorer.samples()) == explorer._bar.state["n"]
    explorer.slice = ""
    explorer.selected = explorer.ids()[0]
    assert explorer._view.state["html"].count("<section") > 2
    unread = [r["failed"] for r in explorer._list.state["rows"]]
    assert any("could not be read" in reason for row in unread for reason in row)


def test_the_page_loads_nothing_and_sets_html_in_one_place():
    scripts = {p.name: p.read_text(encoding="utf-8") for p in STATIC.iterdir()}
    assert not [name for name, text in scripts.items() if re.search(r"https?://|@import|url\(", text)]
    assert [name for name, text in scripts.items() if "innerHTML" in text or "insertAdjacentHTML" in text] == [
        "sample_view.js"
    ]
