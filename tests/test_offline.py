"""Offline generators: they never see the answer, say what made a run, and write flows that hold together."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from work import growth

from flowgen_analysis.flows.conditions import QUERY_INPUTS, parse_query
from flowgen_analysis.flows.dataset import check_expected, load_runs, load_samples, save_run
from flowgen_analysis.flows.model import BLOCK_STEPS, Flow, Sample, Step
from flowgen_analysis.generation.baselines.generator import fingerprint, generate_run, is_stale
from flowgen_analysis.generation.baselines.nearest import Nearest
from flowgen_analysis.generation.baselines.rules import Rules

ROOT = Path(__file__).parents[1]
SAMPLES = [
    Sample(id="a", requirement="When an incident is created, log it", expected=[Flow(components=[Step(name="log", step=1)])]),
    Sample(id="b", requirement="When an incident is closed, log it", expected=[Flow(components=[Step(name="a", step=1)])]),
    Sample(id="c", requirement="Email everyone", expected=[Flow(components=[Step(name="b", step=1)])]),
    Sample(id="d", requirement="Email everyone", expected=[Flow(components=[Step(name="c", step=1)])]),
    Sample(id="e", requirement="Nothing is expected of this", expected=[]),
]  # fmt: skip
CUES = (
    "if otherwise else if for each of them until in parallel at the same time when an incident is created every Monday"
    " look up incident tasks close it notify the manager log try anything fails wait for approval , . ; : “ \" ' ‹0› and then"
    " the change request update problem if so unless delete all articles create a task meanwhile"
)


class Spy:
    """A generator that keeps what it is shown."""

    name, note, pool = "spy", "a test", ()

    def __init__(self):
        self.shown: list[Sample] = []

    def generate(self, sample: Sample) -> Flow:
        self.shown.append(sample)
        return Flow()


def test_a_generator_is_never_shown_the_expected_flow():
    spy = Spy()
    marked = [s.model_copy(update={"expected": [Flow(components=[Step(name="secret", step=1)])]}) for s in SAMPLES]
    extra = [Sample.model_validate({**s.model_dump(), "answer": "secret", "domain": "x"}) for s in marked]
    generate_run(spy, extra)
    assert [s.id for s in spy.shown] == [s.id for s in SAMPLES]
    assert "secret" not in "".join(s.model_dump_json() for s in spy.shown)


def test_nearest_copies_from_others_only():
    run = generate_run(Nearest(SAMPLES), SAMPLES)
    own = {s.id: s.reference for s in SAMPLES if s.reference}
    assert [g.generated.components[0].name for g in run[:2]] == ["a", "log"]
    assert all(g.generated != own[g.sample_id] for g in run if g.sample_id in own)
    assert run[2].generated.components[0].name not in "bc", "a double of the requirement is no other sample"


def test_what_a_sample_expects_does_not_change_its_own_generation():
    for i, sample in enumerate(SAMPLES):
        other = sample.model_copy(update={"expected": [Flow(components=[Step(name="changed", step=1)])]})
        changed = [*SAMPLES[:i], other, *SAMPLES[i + 1 :]]
        for before, after in ((Nearest(SAMPLES), Nearest(changed)), (Rules(), Rules())):
            assert before.generate(sample) == after.generate(other)


@pytest.mark.parametrize("make", [Nearest, lambda samples: Rules()], ids=["nearest", "rules"])
def test_a_run_knows_when_it_is_stale(make, tmp_path):
    run = generate_run(make(SAMPLES), SAMPLES)
    [read] = load_runs([save_run(tmp_path / "run.jsonl", run)], SAMPLES)
    assert read.generations == run
    assert not is_stale(read.generations, make(SAMPLES), SAMPLES)
    asked = [SAMPLES[0].model_copy(update={"requirement": "Something else"}), *SAMPLES[1:]]
    assert is_stale(read.generations, make(asked), asked)
    expected = [*SAMPLES[:-1], SAMPLES[-1].model_copy(update={"expected": [Flow()]})]
    assert is_stale(read.generations, make(expected), expected) == (make is Nearest)


def test_the_code_hash_covers_the_modules_a_generator_builds_on(monkeypatch):
    before = fingerprint(Rules(), SAMPLES)
    source = __import__("inspect").getsource
    changed = "flowgen_analysis.generation.baselines.triggers"
    monkeypatch.setattr("inspect.getsource", lambda m: source(m) + ("# new" if m.__name__ == changed else ""))
    assert fingerprint(Rules(), SAMPLES)["code"] != before["code"]
    assert fingerprint(Rules(), SAMPLES)["data"] == before["data"]
    assert "baseline" in before["note"]


def assert_holds_together(flow: Flow) -> None:
    """No orphan, no gap in the numbers, no empty block, every pair complete, every query readable, no pill ahead."""
    check_expected(flow, "generated")
    assert [s.step for s in flow.components] == list(range(1, len(flow.components) + 1))
    children: dict[int | None, list[str]] = {}
    for s in flow.components:
        children.setdefault(s.block, []).append(s.name)
        pills = json.dumps([i.value for i in s.inputs])
        assert "step_@" not in pills
        assert all(f"{{{{step_{n}." not in pills for n in range(s.step, len(flow.components) + 1))
    for s in flow.components:
        assert (s.name in BLOCK_STEPS) == bool(children.get(s.step)), s.name
        if s.name == "PARALLEL":
            assert len(children[s.step]) >= 2
            assert set(children[s.step]) == {"BRANCH"}
    for names in children.values():
        for before, name, after in zip(["", *names], names, [*names[1:], ""], strict=False):
            assert name not in ("ELSE", "ELSEIF") or before in ("IF", "ELSEIF")
            assert name != "TRY" or after == "CATCH"
            assert name != "CATCH" or before == "TRY"
    inputs = [i for _, part in flow.pieces() for i in part.inputs if i.name in QUERY_INPUTS]
    assert all(parse_query(i.value) is not None for i in inputs), inputs


@given(st.lists(st.sampled_from(CUES.split()), max_size=40).map(" ".join) | st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_rules_write_flows_that_hold_together_whatever_they_read(requirement):
    flow = Rules().generate(Sample(id="s", requirement=requirement))
    assert flow == Rules().generate(Sample(id="s", requirement=requirement))
    assert_holds_together(flow)


def test_a_requirement_twice_as_long_is_twice_the_work():
    texts = (
        "if ",
        "When an incident is created and ",
        "a",
        "email the caller, ",
        "'",
        "log it, and if it fails, for each of them ",
    )
    texts += ("log it until ", "Log it. Meanwhile, email the caller. If anything fails, close it. ", "find ", " ", "1")
    for text in texts:

        def sample(n: int, text: str = text) -> Sample:
            return Sample(id="s", requirement=text * (n // len(text)))

        assert_holds_together(Rules().generate(sample(20_000)))
        assert growth(Rules().generate, sample, 1500) < 2.5, text


@pytest.mark.parametrize("name", ["flowbench", "servicenow_fluent", "homeassistant"])
def test_real_requirements_end_in_flows(name):
    path = ROOT.parent / "shared" / "data" / "real" / name / "samples.jsonl"
    if not path.exists():
        pytest.skip("the shared data is not on this machine")
    samples = load_samples(path)
    for g in generate_run(Rules(), samples) + generate_run(Nearest(samples), samples):
        assert g.readable, g.error
        if g.model == "rules":
            assert_holds_together(g.generated)
