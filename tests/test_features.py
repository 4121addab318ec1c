"""Properties of the journal and the matrix, and detectors on flows that nobody wrote for them."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgen_analysis.features.detectors import DETECTORS, detect
from flowgen_analysis.features.journal import Tag, append_tags, disagreements, load_journal, verdicts
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import load_samples

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
        assert load_journal(path) == ([*kept, told[0]], "")


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
    assert set(DETECTORS) == {f.name for f in registry.features if f.detected}
    assert all(len(f.title.split()) <= 3 for f in registry.features)


@pytest.mark.parametrize("source", ["flowbench", "servicenow_fluent", "homeassistant"])
def test_real_flows_get_a_matrix(source):
    path = REAL / source / "samples.jsonl"
    if not path.exists():
        pytest.skip("the shared data folder is not beside this project")
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    samples = load_samples(path)
    counts = FeatureMatrix.build(samples, registry).counts()
    detected = counts.filter(pl.col("feature").is_in(list(DETECTORS)))
    judged = sum(s.reference is not None for s in samples)
    assert (detected["present"] + detected["absent"] == judged).all()
    pieces = {s.id: {place for place, _ in s.reference.pieces()} | {"trigger"} for s in samples if s.reference}
    for s in samples:
        for name in DETECTORS:
            for place, what in detect(s, name) or []:
                assert what
                assert place.split(".inputs[")[0] in pieces[s.id]
