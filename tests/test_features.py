"""Properties of the journal and the matrix, and detectors on flows that nobody wrote for them."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_detectors import IN_PYTHON

from flowgen_analysis.features.detectors import DETECTORS, Detection, Evidence, detect, detector, rule_of
from flowgen_analysis.features.journal import Tag, append_tags, disagreements, load_journal, verdicts
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Feature, Registry
from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import Flow, Sample
from flowgen_analysis.synthesis.datasets import make_dataset

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "real"

text = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
verdict = st.sampled_from([True, False, None])
tags = st.lists(
    st.builds(
        Tag,
        by=st.sampled_from("abc") | names,
        sample_id=st.sampled_from(["s", "t"]),
        feature=st.just("log"),
        value=verdict,
        was=verdict,
        note=text,
    ),
    max_size=12,
)


@settings(deadline=None)
@given(st.lists(tags, max_size=4), st.data())
def test_a_journal_keeps_every_tag_that_was_acknowledged(batches, data):
    with tempfile.TemporaryDirectory() as folder:
        path, sizes = Path(folder) / "j.jsonl", [0]
        for batch in batches:
            append_tags(path, batch)
            sizes.append(path.stat().st_size)
        told = [tag for batch in batches for tag in batch]
        assert load_journal(path).tags == told
        if not told:
            return
        cut = data.draw(st.integers(0, sizes[-1]))
        path.write_bytes(path.read_bytes()[:cut])
        kept = load_journal(path).tags
        acknowledged = sum(len(b) for b, size in zip(batches, sizes[1:], strict=True) if size <= cut)
        assert kept == told[: len(kept)]
        assert len(kept) >= acknowledged
        append_tags(path, told[:1])
        found = load_journal(path)
        assert (found.tags, found.torn, found.bad) == ([*kept, told[0]], "", ())


@settings(deadline=None)
@given(tags)
def test_verdicts_are_the_majority_of_last_words(said):
    expected = {}
    for sample in {t.sample_id for t in said}:
        people = {t.by for t in said if t.sample_id == sample}
        last = [[t.value for t in said if (t.sample_id, t.by) == (sample, who)][-1] for who in people]
        yes, no = last.count(True), last.count(False)
        if yes or no:
            expected[sample, "log"] = None if yes == no else yes > no
    assert verdicts(said) == expected
    split = {(d.sample_id, d.feature) for d in disagreements(said)}
    assert {cell for cell, value in expected.items() if value is None} <= split <= set(expected)


@settings(deadline=None)
@given(st.data())
def test_a_matrix_reads_back_as_it_was_written(data):
    ids = data.draw(st.lists(names, unique=True, max_size=6))
    columns = data.draw(
        st.lists(names.filter(lambda n: n.isprintable() and n != "sample_id"), unique=True, min_size=1, max_size=4)
    )
    cells = {c: data.draw(st.lists(verdict, min_size=len(ids), max_size=len(ids))) for c in columns}
    schema = {"sample_id": pl.String} | dict.fromkeys(columns, pl.Boolean)
    matrix = FeatureMatrix(pl.DataFrame({"sample_id": ids, **cells}, schema=schema))
    with tempfile.TemporaryDirectory() as folder:
        path = matrix.save(Path(folder) / "m.csv")
        again = FeatureMatrix.load(path)
        before = path.read_bytes()
        again.save(path)
        assert path.read_bytes() == before
    assert again.frame.equals(matrix.frame)
    assert all(again.samples(c) == sorted(i for i, v in zip(ids, cells[c], strict=True) if v) for c in columns)
    assert FeatureMatrix(matrix.to_pandas()).frame.equals(matrix.frame)


def test_every_detected_feature_has_a_detector_and_no_other():
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    assert set(DETECTORS) == {f.name for f in registry.features if f.detected and not f.when}
    assert [f.name for f in registry.features if rule_of(f) is None] == [
        f.name for f in registry.features if not f.detected
    ]
    assert all(len(f.title.split()) <= 3 for f in registry.features)


@pytest.mark.parametrize("source", ["flowbench", "servicenow_fluent", "homeassistant", "chat2workflow"])
def test_real_flows_get_a_matrix(source):
    path = REAL / source / "samples.jsonl"
    if not path.exists():
        pytest.skip("the shared data folder is not beside this project")
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    samples = load_samples(path)
    counts = FeatureMatrix.build(samples, registry).counts()
    detected = [f for f in registry.features if f.detected]
    counts = counts.filter(pl.col("feature").is_in([f.name for f in detected]))
    judged = sum(s.reference is not None for s in samples)
    assert (counts["present"] + counts["absent"] == judged).all()
    pieces = {s.id: {place for place, _ in s.reference.pieces()} | {"trigger"} for s in samples if s.reference}
    detection = Detection(samples)
    for feature in detected:
        for s, found in zip(samples, detection.evidence(feature), strict=True):
            for place, what in found or []:
                assert what
                assert place.split(".inputs[")[0] in pieces[s.id]
    _agrees(samples)


def _agrees(samples):
    """The features say of the samples what the Python detectors said that they took the place of, with the same places."""
    detection = Detection(samples)
    for feature in Registry.load(ROOT / "feature_matrices" / "features.toml").features:
        if feature.name in IN_PYTHON:
            before = [None if s.reference is None else sorted(IN_PYTHON[feature.name](s)) for s in samples]
            now = [found and sorted(found) for found in detection.evidence(feature)]
            assert now == before, feature.name
            assert detection.present(feature) == [None if found is None else bool(found) for found in before], (
                feature.name
            )


def test_what_the_language_says_is_what_python_said():
    assert len(IN_PYTHON) == 19
    _agrees(load_samples(ROOT / "datasets" / "test.jsonl"))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.verify] * (n == "internal")) for n in ("synthetic", "ood", "internal")]
)
def test_what_the_language_says_of_synthetic_flows_is_what_python_said(name):
    _agrees(make_dataset(name, 0, ROOT))


def test_the_matrix_of_test_is_the_one_that_is_kept():
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    tags = load_journal(ROOT / "feature_matrices" / "test.journal.jsonl").tags
    matrix = FeatureMatrix.build(load_samples(ROOT / "datasets" / "test.jsonl"), registry, tags)
    kept = FeatureMatrix.load(ROOT / "feature_matrices" / "test.csv")
    assert matrix.frame.equals(kept.frame)
    assert (len(matrix) * len(matrix.names), matrix.frame.null_count().sum_horizontal().sum()) == (
        2592,
        kept.frame.null_count().sum_horizontal().sum(),
    )


def _feature(when, detected=True):
    return Feature("mine", "Mine", "Ours", "What we look for.", detected, when)


def test_a_detector_of_a_notebook_comes_before_the_file_and_the_file_before_the_library():
    sample = load_samples(ROOT / "datasets" / "test.jsonl")[0]
    named = _feature("requirement ~ /./")._replace(name="foreach")
    assert rule_of(named) != rule_of("foreach")
    assert rule_of(named._replace(when="")) == rule_of("foreach")
    assert rule_of(named._replace(when="", detected=False)) is None
    assert detect(sample, named) == [Evidence("requirement", sample.requirement[0])]
    try:
        detector("foreach")(lambda s: [Evidence("trigger", "mine")])
        assert detect(sample, named) == detect(sample, "foreach") == [Evidence("trigger", "mine")]
    finally:
        del DETECTORS["foreach"]
    assert detect(sample, named) == [Evidence("requirement", sample.requirement[0])]


@pytest.mark.parametrize("when", [
    "gpt-4o < 40", "spread > 50", "cause:wrong_table", "loss:missing_step@learned > 10", "learned has step:log", "no model has step:log",
    "by:ana", 'note ~ "unsure"', "foreach", "foreach & step:log", 'in "hard ones"', "id in (t-001)", "id:t-*", '"escalat"', "steps > 8",
    "unreadable", "repeats_disagree:learned", "domain:tele*", "~(step:log | by:ana)", "step:log &", "step:/(/", "", "   ",
])  # fmt: skip
def test_a_when_speaks_of_expected_flow_and_requirement_alone(when, tmp_path):
    path = tmp_path / "features.toml"
    head = '# ours\n[[themes]]\nname = "Ours"\ndescription = "d"\n\n[[features]]\nname = "mine"\ntitle = "Mine"\ntheme = "Ours"\n'
    path.write_text(head + f"description = \"What we look for.\"\nwhen = '{when}'\n")
    with pytest.raises(InputError) as told:
        Registry.load(path)
    line = str(told.value)
    assert line.startswith(f"{path}:{11 if when.strip() else 6} ")
    assert "\n" not in line
    assert "at column" in line or "at its end" in line or not when.strip() or "regular expression" in line


def test_a_when_survives_saving_and_adding(tmp_path):
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    assert Registry.load(registry.save(tmp_path / "new.toml")) == registry
    path = tmp_path / "kept.toml"
    path.write_bytes((ROOT / "feature_matrices" / "features.toml").read_bytes())
    before = path.read_text()
    registry.add(_feature(r"""step:*mail*[body ~ /\bVIP\b/] & ~trigger:"a 'b'" """)).save(path)
    assert path.read_text().startswith(before)
    assert Registry.load(path).feature("mine") == _feature(r"""step:*mail*[body ~ /\bVIP\b/] & ~trigger:"a 'b'" """)
    with pytest.raises(InputError, match="new feature when: says gpt < 4"):
        registry.add(_feature("gpt < 4"))


def test_unknown_is_joined_as_in_a_slice():
    samples = [Sample(id="a", requirement="Mail me."), Sample(id="b", requirement="Do it.", expected=[Flow()])]
    detection = Detection(samples)
    for when, present in [
        ("requirement ~ mail", [True, False]), ("step:log", [None, False]), ("step:log | requirement ~ mail", [True, False]),
        ("~step:log & requirement ~ mail", [None, False]), ("step:log & requirement ~ /do/", [False, False]), ("~trigger:*", [None, True]),
    ]:  # fmt: skip
        assert detection.present(_feature(when)) == present, when
        assert [None if e is None else bool(e) for e in detection.evidence(_feature(when))] == present, when
