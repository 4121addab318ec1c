"""The bundled dataset has the shape of the paper's, and holds together."""

import re

import pytest
from shared import ROOT

from flowgen_analysis.analysis.readers import readers_agree
from flowgen_analysis.features.journal import disagreements, load_journal, verdicts
from flowgen_analysis.flows.environment import load_environment
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.structure import structure_errors
from flowgen_analysis.flows.unknown import unknown_names
from flowgen_analysis.model_runs import _others as others
from flowgen_analysis.model_runs import project_training_set
from flowgen_analysis.project import PURPOSES, Project, init_project
from flowgen_analysis.synthesis.measures import near_duplicates, populate_inputs

PAPER = {  # arXiv 2505.24189, Table 5
    "foreach": 22, "parallel": 10, "try_catch": 5, "worknotes_description": 26, "trigger_conditionals": 37,
    "complex_inputs": 23, "trigger_service_catalog": 7, "trigger_sla": 5, "glide": 5,
}  # fmt: skip

project = Project.open(ROOT)
samples = project.samples("test")
matrix = project.matrix("test", samples)


def test_counts_are_the_papers():
    assert len(samples) == 108
    assert {name: len(matrix.samples(name)) for name in PAPER} == PAPER


def test_every_feature_is_there_at_least_three_times():
    assert len(matrix.names) == 24
    assert all(n >= 3 for n in matrix.counts()["present"])
    assert len(matrix.samples("implicit_actions")) >= 20


def test_people_judged_every_cell():
    journal = load_journal(project.journal_path("test"))
    assert not journal.torn
    assert {(t.sample_id, t.feature) for t in journal.tags} == {(s.id, f) for s in samples for f in matrix.names}
    assert matrix.unmatched == []


def test_the_committed_matrix_is_the_one_the_journal_gives(tmp_path):
    assert matrix.save(tmp_path / "test.csv").read_text() == project.matrix_path("test").read_text()


def test_several_samples_have_a_second_flow():
    assert sum(len(s.expected) > 1 for s in samples) >= 15
    assert all(s.expected for s in samples)
    assert max(len(s.reference.components) for s in samples) >= 20


def test_the_papers_own_example_is_there():
    first = samples[0].reference
    assert first.trigger.type == "record_update"
    assert [(s.name, s.block) for s in first.components] == [
        ("look_up_records", None), ("FOREACH", None), ("update_record", 2)]  # fmt: skip


def test_expected_flows_are_sound():
    """No structure error, and only steps, tables and columns that the sample's environment has."""
    environments = {
        name: load_environment(ROOT / "environments" / f"{name}.json")
        for name in {s.environment or "base" for s in samples}
    }
    for sample in samples:
        for flow in sample.expected:
            assert structure_errors(flow) == [], sample.id
            assert unknown_names(flow, environments[sample.environment or "base"]) == [], sample.id


def test_populate_inputs_examples_are_as_many_as_the_papers():
    assert abs(sum(map(populate_inputs, samples)) / 367 - 1) < 0.05  # Table 1


@pytest.mark.parametrize(("name", "count"), [("validation", 80), ("test-2", 100)])
def test_what_is_set_aside_is_like_test_and_shares_nothing_with_it(name, count):
    """Hand-written by the same conventions, by somebody who had not read TEST, with tags and a matrix of its own."""
    aside = project.samples(name)
    assert len(aside) == count
    assert sum(s.environment is not None for s in aside) >= count / 4
    texts = [s.requirement for s in aside]
    for other in ("test", *({"validation", "test-2"} - {name})):
        assert near_duplicates(texts, [s.requirement for s in project.samples(other)], threshold=0.2) == []
    own = project.matrix(name, aside)
    assert own.unmatched == []
    assert own.save(project.root / ".flowgen" / "matrix.csv").read_text() == project.matrix_path(name).read_text()
    assert all(len(own.samples(f)) >= 2 for f in own.names)
    judged = {"out_of_scope", "ambiguous", "implicit_actions", "misleading_input", "incorrect_incomplete"}
    tags = load_journal(project.journal_path(name)).tags
    assert {(t.sample_id, t.feature) for t in tags} == {(s.id, f) for s in aside for f in judged}
    for s in aside:
        env = load_environment(ROOT / "environments" / f"{s.environment or 'base'}.json")
        for flow in s.expected:
            assert structure_errors(flow) == [], s.id
            assert unknown_names(flow, env) == [], s.id


def test_what_is_set_aside_is_opened_only_where_it_is_named(tmp_path, monkeypatch):
    """Neither by default, nor as what a baseline copies from, nor as a training set; and a list says what it is for."""
    made = Project.open(init_project(tmp_path / "p", demo=True)[0].parent)
    assert made.chosen() == "test"
    opened = []
    monkeypatch.setattr(Project, "samples", _noting(Project.samples, opened))
    assert {s.id[0] for s in others(made)} == {"t"}
    with pytest.raises(InputError, match="measured on"):
        project_training_set(made, ["test-2"])
    assert not {"test-2", "validation"} & set(opened)
    (made.root / "datasets" / "test.jsonl").unlink()
    with pytest.raises(InputError, match="holds no dataset"):
        made.chosen()
    assert made.chosen("test-2") == "test-2"
    assert "one final look" in PURPOSES["test-2"]


def _noting(samples, opened):
    def noted(self, dataset):
        opened.append(dataset)
        return samples(self, dataset)

    return noted


def test_no_reference_is_compared_by_its_key():
    """Conditions and values name a group, a person or a place as people do; a key of 32 hex digits is only *Me*."""
    me = "90d1921e5f510100a9ad2572f2b477fe"
    for name in ("test", "validation", "test-2"):
        for s in project.samples(name):
            keys = re.findall(
                r"[0-9a-f]{32}", " ".join(i.value for f in s.expected for _, p in f.pieces() for i in p.inputs)
            )
            assert set(keys) <= {me}, s.id


def test_the_page_on_ground_truth_shows_the_agreement_of_the_readers():
    page = (ROOT / "docs" / "ground_truth.md").read_text()
    shown = {
        m[1]: tuple(map(int, m.groups()[1:]))
        for m in re.finditer(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|", page, re.M)
    }
    table = readers_agree(load_journal(project.journal_path("test")).tags, "author", "second_reader")
    assert {r["feature"]: (r["both"], r["only_first"], r["only_second"]) for r in table.to_dicts()} == shown


def test_who_differed_was_heard_and_decided_with_a_reason():
    """No cell of TEST is left open, and whatever was decided, or changed later, says why."""
    tags = load_journal(project.journal_path("test")).tags
    first, second = ({(t.sample_id, t.feature) for t in tags if t.by == by} for by in ("author", "second_reader"))
    assert len(first) == len(second) == 2592
    assert all(v is not None for v in verdicts(tags).values())
    decided = [t for t in tags if t.by == "adjudication"]
    assert {(t.sample_id, t.feature) for t in decided} == {
        (d.sample_id, d.feature) for d in disagreements(t for t in tags if t.by != "adjudication")
    }
    assert all(t.note for t in decided)
    assert all(t.note for t in tags if t.by == "author" and t.at > "2026-11-21")
