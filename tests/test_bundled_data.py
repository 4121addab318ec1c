"""The bundled dataset has the shape of the paper's, and holds together."""

from shared import ROOT

from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.flows.environment import load_environment
from flowgen_analysis.flows.structure import structure_errors
from flowgen_analysis.flows.unknown import unknown_names
from flowgen_analysis.project import Project
from flowgen_analysis.synthesis.measures import populate_inputs

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
