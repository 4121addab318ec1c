"""The explorer without a browser: hostile text, real runs, and slices that say the same taken apart and put together."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT

from flowgen_analysis.analysis.compare import compare
from flowgen_analysis.analysis.facets import facet_counts, take_apart
from flowgen_analysis.analysis.fact_filters import FactBins, set_range, set_words
from flowgen_analysis.analysis.index import SliceIndex
from flowgen_analysis.analysis.profile import profile
from flowgen_analysis.analysis.slices import And, Name, Not, Or, Slice, Term
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import Run, load_runs, load_samples
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.project import Project
from flowgen_analysis.study import Study
from flowgen_analysis.widgets.explorer import states
from flowgen_analysis.widgets.explorer.explorer import Explorer
from flowgen_analysis.widgets.explorer.history import View
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
    said = Slice(str(term))
    again = take_apart(said).slice
    assert (said.membership(MASKS, 16).inside == again.membership(MASKS, 16).inside).all()


def registry() -> Registry:
    return Registry.load(ROOT / "feature_matrices" / "features.toml")


def study_of(samples: list[Sample], runs: list[Run]) -> Study:
    return Study("d", samples, runs, registry(), FeatureMatrix.build(samples, registry()))


def explorer_of(samples: list[Sample], runs: list[Run], **more) -> Explorer:
    return Explorer(study_of(samples, runs), **more)


@pytest.fixture(scope="module")
def small() -> tuple[list[Sample], list[Run]]:
    """Forty samples of TEST, and three models: one is right, one drops the last step, one always says the same."""
    samples = Project(ROOT).samples("test")[:40]

    def run(model: str, make) -> Run:
        return Run(model, [Generation(sample_id=s.id, model=model, generated=make(s.reference)) for s in samples])

    short = run("short", lambda f: Flow(trigger=f.trigger, components=f.components[:-1]))
    return samples, [run("right", lambda f: f), short, run("same", lambda f: samples[0].reference)]


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
        explorer.figure().to_json(),
        overview(study_of([sample], runs)).state["html"],
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
        assert len(explorer.to_pandas()) == len(explorer.samples()) == explorer.bar.state["n"]
    explorer.slice = ""
    explorer.selected = explorer.ids()[0]
    assert sum(m["on"] for m in explorer._view.state["models"]) == 3
    explorer.selected = None
    explorer.pinned = explorer.index.models
    unread = [r["failed"] for r in explorer._panel.rows["rows"]]
    assert any("could not be read" in reason for row in unread for reason in row)


FEATURES = ("foreach", "parallel", "notification_email", "log")
events = st.one_of(
    st.tuples(st.just("facet"), st.sampled_from(FEATURES), st.sampled_from([True, False, None])).map(
        lambda e: {"type": e[0], "name": e[1], "value": e[2]}
    ),
    st.tuples(st.sampled_from(["steps", "score"]), st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.booleans()).map(
        lambda e: {"type": "range", "name": e[0], "low": e[1], "high": e[2], "below": e[3]}
    ),
    st.sampled_from(["domain", "environment"]).flatmap(
        lambda n: st.sampled_from(["it", "hr", "a b", EVIL[:40]]).map(lambda w: {"type": "word", "name": n, "value": w})
    ),
    st.sampled_from(["", "foreach | ~log", "steps > 3 & ~(notification_email & log)", "foreach &", "gone"]).map(lambda t: {"type": "slice", "text": t}),
    st.sampled_from(["foreach & ste", "gone", "(((", EVIL[:90]]).map(lambda t: {"type": "read", "text": t, "at": len(t)}),
    st.sampled_from(["", "STRUCTURE", "INPUT"]).map(lambda v: {"type": "subset", "value": v}),
    st.sampled_from(["outline", "inputs", "inputs_validated"]).map(lambda v: {"type": "metric", "value": v}),
    st.sampled_from(["", "right", "short", "same"]).map(lambda v: {"type": "baseline", "value": v}),
    st.sampled_from(["mean", "short", "difference same", "residual right"]).map(lambda v: {"type": "rank", "value": v}),
    st.sampled_from(["value", "difference", "coverage"]).map(lambda v: {"type": "measure", "value": v}),
    st.sampled_from(["samples", "features", "slices"]).map(lambda v: {"type": "tab", "value": v}),
    st.sampled_from(FEATURES).map(lambda n: {"type": "cell", "name": n, "model": "same"}),
    st.sampled_from([{"type": t} for t in ("undo", "redo", "reset")] + [{"type": "step", "value": 1}, {"type": "nonsense"}]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(told=st.lists(events, max_size=14))
def test_any_state_comes_back_from_its_text_and_undo_goes_all_the_way(told, pair):
    explorer, other = pair
    explorer.view = View()
    explorer._history = type(explorer._history)(explorer.view)
    for event in told:
        explorer.handle(event)
    other.state_text = explorer.state_text
    assert other.view == explorer.view
    assert other.ids() == explorer.ids()
    for part in ("facets", "means", "main", "rows"):
        assert getattr(other._panel, part) == getattr(explorer._panel, part), part
    last = explorer.view.filters
    while explorer.bar.state["undo"]:
        explorer.handle({"type": "undo"})
    assert explorer.view.filters == View()
    while explorer.bar.state["redo"]:
        explorer.handle({"type": "redo"})
    if not any(e["type"] == "undo" for e in told):
        assert explorer.view.filters == last


@pytest.fixture(scope="module")
def pair(small) -> tuple[Explorer, Explorer]:
    return explorer_of(*small), explorer_of(*small)


slices = st.lists(
    st.sampled_from(["foreach", "~log", "notification_email | parallel", "steps > 3", "score <= 80", 'domain = "it"', "~(steps = 4)"]),
    unique=True, max_size=4,
).map(lambda parts: Slice(" & ".join(f"({p})" if "|" in p else p for p in parts)))  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(slice=slices)
def test_live_counts_are_what_the_slice_would_hold(slice, pair):
    index: SliceIndex = pair[0].index
    counts = facet_counts(index, slice)
    for name in FEATURES:
        held = [
            int(index.membership(take_apart(slice).set(name, has).slice).inside.sum()) for has in (True, False, None)
        ]
        assert counts[name] == (held[0], held[1], held[2] - held[0] - held[1])
    bins = FactBins(index)
    for fact in bins.names:
        for one in bins.bins(fact, slice):
            asked = (
                set_words(slice, fact, [str(one.low)])
                if bins.is_words(fact)
                else set_range(slice, fact, float(one.low), float(one.high), below=not one.last)
            )
            assert one.n == len(index.members(asked)), (fact, one)


@pytest.mark.parametrize("text", ["", "notification_email", "steps > 3 & ~log"])
def test_the_heatmap_says_what_the_analysis_says(pair, text):
    explorer = pair[0]
    explorer.view = View(slice=text, baseline="same")
    index, heat = explorer.index, explorer.heatmap()
    within = [f"({text}) & {n}" if text else n for n in index.names]
    tested = compare(index, baseline="same", slices=within)
    for row in heat.to_dicts():
        cut = within[index.names.index(row["name"])]
        known = next(m for m in profile(index, cut).models if m.model == row["model"])
        assert (row["n"], row["mean"], row["low"], row["high"]) == known.inside[:4]
        assert row["coverage"] == pytest.approx(known.coverage)
        if row["model"] == "same":
            assert row["q"] is None
            continue
        [found] = tested.filter((tested["slice"] == cut) & (tested["a"] == row["model"])).to_dicts()
        assert row["difference"] == pytest.approx(found["difference"])
        assert row["p"] == pytest.approx(found["p"], abs=0.006)
        assert [row[k] for k in ("wins", "ties", "losses")] == [found[k] for k in ("wins", "ties", "losses")]
        if found["q"] is not None:
            assert row["q"] == pytest.approx(found["q"], abs=0.02)


def test_saved_slices_go_to_a_file_and_come_back(small, tmp_path):
    path = tmp_path / "slices.toml"
    explorer = explorer_of(*small, slices_path=path)
    explorer.slice = "foreach & steps > 3"
    assert explorer.handle({"type": "save", "name": EVIL[:60], "folder": "Mine"})[0]["error"] == ""
    again = explorer_of(*small, slices_path=path)
    assert [s["text"] for s in again.bar.state["saved"]] == ["foreach & steps > 3"]
    path.write_text(path.read_text() + '[[slices]]\nname = "old"\nexpression = "was_a_feature"\n')
    again.tab = "slices"
    errors = {r["name"]: r["error"] for r in again._panel.main["rows"]}
    assert "names no feature 'was_a_feature'" in errors["old"]
    assert errors[EVIL[:60]] == ""
    path.write_text("[[slices]\n")
    again.tab = "samples"
    assert "is not TOML" in again.bar.state["saved_problem"]
    assert "is not TOML" in again.handle({"type": "save", "name": "a", "folder": ""})[0]["error"]
    assert path.read_text() == "[[slices]\n", "a file that cannot be read is not written over"


def test_an_explorer_tells_the_page_only_what_has_changed(small, monkeypatch):
    explorer = explorer_of(*small)
    monkeypatch.setattr(states, "WINDOW", 5)
    sent: list[dict] = []
    explorer._panel._send = lambda msg, buffers=None: sent.append(msg)
    explorer.handle({"type": "facet", "name": "notification_email", "value": True})
    assert len(sent) == 1
    assert set(sent[0]["state"]) == {"facets", "means", "main", "rows"}
    explorer.handle({"type": "rows", "at": 3})
    assert len(sent) == 2
    assert set(sent[1]["state"]) == {"rows"}
    assert len(json.dumps(sent[0])) < 60_000


def test_what_is_typed_is_answered_and_changes_nothing(small):
    """The messages of the field, as the page sends them: several together are answered in order, each by its number."""
    explorer = explorer_of(*small)
    explorer.slice = "foreach & ~parallel"
    before, answers = explorer.bar.state, []
    explorer._panel.send = lambda answer: answers.append(answer)
    texts = ["ste", "step:", "step:sned_email", "foreech", "step:send_email & foreach", "", "(" * 300, EVIL]
    told = [{"type": "read", "seq": str(i), "text": text, "at": len(text)} for i, text in enumerate(texts)]
    explorer._panel._received(explorer._panel, {"type": "several", "events": told}, [])
    assert [(a["seq"], a["error"]) for a in answers] == [(str(i), "") for i in range(len(texts))]
    shown = [a["lines"][0] for a in answers]
    assert [s["reading"]["text"] for s in shown] == texts
    assert json.loads(json.dumps(shown)) == shown, "plain data"
    assert "step:" in [c["text"] for c in shown[0]["completions"]]
    assert {c["kind"] for c in shown[1]["completions"]} == {"step"}
    assert shown[2]["reading"]["notes"][0]["fixes"][0]["whole"] == "step:send_email"
    assert shown[3]["reading"]["mistake"]["fixes"][0]["whole"] == "foreach"
    parts = shown[4]["reading"]["parts"]
    assert [explorer.index.columns.count(p["text"]) for p in parts] == [p["n"] for p in parts]
    assert shown[4]["reading"]["n"] == len(explorer.index.members("step:send_email & foreach"))
    assert all(s["reading"]["mistake"] for s in shown[6:])
    assert explorer.slice.text == "foreach & ~parallel"
    assert explorer.bar.state == before
    assert [p["without"] for p in before["reading"]["parts"]] == ["~parallel", "foreach"]


def test_the_page_loads_nothing():
    scripts = {p.name: p.read_text(encoding="utf-8") for p in STATIC.iterdir()}
    assert not [name for name, text in scripts.items() if re.search(r"https?://|@import|url\(", text)]


def test_html_is_set_in_one_place_and_comes_escaped_from_python():
    scripts = {p.name: p.read_text(encoding="utf-8") for p in STATIC.glob("*.js")}
    sets = [n for n, text in scripts.items() if re.search("DOMParser|innerHTML|insertAdjacentHTML|outerHTML", text)]
    assert set(sets) <= {"panel.js"}
    calls = [c for text in scripts.values() for c in re.findall(r"showHtml\((?!node, html\))(.+?)\);", text)]
    assert set(calls) <= {
        'node, model.get("sample").html ?? ""', "body, state.html", "shown, c.html",
    }  # fmt: skip
