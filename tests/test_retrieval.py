"""Retrieval as the pipeline uses it: sizes, orders that say nothing, hostile texts, and no peeking at the answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.environment import Environment, StepDefinition, load_environment
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import Flow, Sample, Step
from flowgen_analysis.generation.baselines.generator import question
from flowgen_analysis.generation.models.prompts import DEPTH, create_flow_prompt, populate_inputs_prompt
from flowgen_analysis.generation.models.scope import plan_calls
from flowgen_analysis.generation.retrieval.deployments import Deployments
from flowgen_analysis.generation.retrieval.perfect import PerfectRetriever
from flowgen_analysis.generation.retrieval.recall import recall_by_sample, recall_rows
from flowgen_analysis.generation.retrieval.required import needs_of, steps_of, training_pairs
from flowgen_analysis.generation.retrieval.restricted import restrict
from flowgen_analysis.generation.retrieval.retriever import EnvironmentRetriever
from flowgen_analysis.synthesis.datasets import make_dataset

ENVIRONMENTS = ROOT / "environments"


@pytest.fixture(scope="module")
def base():
    return load_environment(ENVIRONMENTS / "base.json")


@pytest.fixture(scope="module")
def samples():
    return [s for s in load_samples(ROOT / "datasets" / "test.jsonl") if s.reference]


@pytest.fixture(scope="module")
def taught():
    """Deployments whose retriever has learned from the INTERNAL dataset."""
    return Deployments(ENVIRONMENTS, make_dataset("internal", project_root=ROOT))


def test_examples_find_what_descriptions_do_not(samples, taught):
    """Recall on TEST stays where it was measured, give or take what a change of wording may move."""
    plain, learned = (recall_by_sample(recall_rows(samples, d)) for d in (Deployments(ENVIRONMENTS), taught))
    for kind, floor in (("steps", 0.92), ("tables", 0.78), ("columns", 0.80)):
        before, after = (b.filter(kind=kind)["recall"].mean() for b in (plain, learned))
        assert after > max(floor, before), (kind, before, after)


def test_perfect_has_everything_in_as_many_names(samples, taught):
    perfect = taught.perfect(samples)
    rows = recall_rows(samples, perfect)
    assert (rows["found"] == rows["required"]).all()
    for s in samples:
        (environment, real), (_, right) = taught(s), perfect(s)
        needs = needs_of(s.reference, environment)
        asked = [("steps", {}), ("tables", {}), *(("columns", {"table": t}) for t in needs.tables)]
        for kind, place in asked:
            context, k = {"sample": s.id, **place}, getattr(DEPTH, kind)
            names, found = right.suggest(kind, s.requirement, k, context), real.suggest(kind, s.requirement, k, context)
            used = set(right.used(kind, context))
            near = set(right.used(kind, context, s.requirement))
            assert len(names) == len(set(names))
            assert used <= set(names) if len(used) <= k else near <= set(names)
            assert len(names) == max(len(found), len(near) if len(used) > k else 0)


def test_position_tells_nothing(samples, taught):
    """What the flow uses stands on average in the middle, with real suggestions as with perfect ones."""
    for setting in (taught, taught.perfect(samples)):
        places = []
        for s in samples:
            names = setting(s).retriever.suggest("steps", s.requirement, 15, {"sample": s.id})
            places += [names.index(n) for n in steps_of(s.reference) if n in names]
        n = len(places)
        assert abs(sum(places) / n - 7) < 4 * (18.7 / n) ** 0.5


def test_prompts_of_the_pipeline(samples, taught):
    """The prompts take both retrievers, and where the search found everything the perfect prompt is the same one."""
    perfect, same = taught.perfect(samples), 0
    for s in samples[:30]:
        (environment, real), (_, right) = taught(s), perfect(s)
        asked = question(s)
        ours, theirs = (create_flow_prompt(asked, environment, r) for r in (real, right))
        assert len(ours.suggestions["steps"]) == len(theirs.suggestions["steps"]) == 15
        complete = set(steps_of(s.reference)) <= set(ours.suggestions["steps"])
        assert (ours.messages == theirs.messages) == complete
        same += complete
        calls = plan_calls(s.reference, environment)
        for n in range(len(calls)):
            prompt = populate_inputs_prompt(asked, s.reference, calls, n, environment, right)
            assert all(len(c) <= 5 for c in prompt.suggestions.get("columns", {}).values())
    assert 15 < same < 30


def test_no_answer_without_its_sample(samples, base):
    """A question that was stripped of its answer is enough: the retriever knows the answers, the generator does not."""
    inner = EnvironmentRetriever(base)
    perfect = PerfectRetriever(inner, samples, base)
    s = samples[0]
    assert question(s).reference is None
    assert set(steps_of(s.reference)) <= set(perfect.suggest("steps", "", 15, {"sample": s.id}))
    assert perfect.suggest("steps", "", 15, {}) == inner.suggest("steps", "", 15, {})
    blind = PerfectRetriever(inner, map(question, samples), base)
    assert blind.suggest("steps", s.requirement, 15, {"sample": s.id}) == inner.suggest(
        "steps", s.requirement, 15, {"sample": s.id}
    )


_TEXT = st.text(max_size=200) | st.text("{}<>^\\'\"\x00 \n💥é漢", max_size=60)


@settings(deadline=None, max_examples=60)
@given(query=_TEXT, k=st.integers(-2, 80), table=st.sampled_from(["incident", "nowhere", "", "sys_user"]))
def test_any_text_is_a_query(query, k, table):
    retriever = _RETRIEVER
    for kind, context in (("steps", {}), ("tables", {}), ("columns", {"table": table, "sample": query})):
        names = retriever.suggest(kind, query, k, context)
        whole = retriever.rank(kind, query, context)
        assert len(names) == len(set(names)) == min(max(k, 0), len(whole))
        assert names == retriever.suggest(kind, query, k, context)
        assert set(names) == set(whole[: max(k, 0)])


_RETRIEVER = EnvironmentRetriever(load_environment(ENVIRONMENTS / "base.json"))


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(_TEXT, max_size=6), query=_TEXT)
def test_any_environment_can_be_searched(texts, query):
    """Also one without a word, and one with nothing in it."""
    steps = [StepDefinition(name=f"n{i}", kind="action", label=t, description=t) for i, t in enumerate(texts)]
    retriever = EnvironmentRetriever(Environment(name="e", steps=steps))
    assert set(retriever.suggest("steps", query, 15, {})) == {s.name for s in steps}
    assert retriever.suggest("tables", query, 5, {}) == []
    assert retriever.best("steps", "", {}) is None


def test_order_of_the_examples_changes_nothing(samples, base):
    pairs = training_pairs(samples[:40], lambda _: base)
    one, two = EnvironmentRetriever(base, pairs), EnvironmentRetriever(base, pairs[::-1])
    for s in samples[40:70]:
        assert one.rank("steps", s.requirement, {}) == two.rank("steps", s.requirement, {})


def test_flows_that_the_environment_does_not_know(base):
    """What is nowhere is required all the same as a step, and left out as a table or a column."""
    flow = Flow.model_validate({
        "components": [
            {"name": "teleport", "step": 1, "inputs": [{"name": "table", "value": "mars"}]},
            {"name": "look_up_records", "step": 2, "inputs": [
                {"name": "table", "value": "mars"}, {"name": "conditions", "value": "a=1^^^"}, {"name": "sort_column", "value": "x.y"}]},
            {"name": "log", "step": 3, "inputs": [{"name": "log_message", "value": "{{step_2.records.x}} {{}} {{nothing}} {{step_9.a.b}}"}]},
        ]
    })  # fmt: skip
    assert steps_of(flow) == ["teleport", "look_up_records", "log"]
    assert needs_of(flow, base) == ((), (), ())
    sample = Sample(id="s", requirement="…", expected=[flow])
    assert training_pairs([sample], lambda _: base) == []
    names = PerfectRetriever(EnvironmentRetriever(base), [sample], base).suggest("steps", "…", 15, {"sample": "s"})
    assert "teleport" in names
    assert len(names) == 15


def test_restricting_keeps_blocks(base):
    flow = Flow(components=[Step(name="IF", step=1), Step(name="log", step=2, block=1, annotation="xyzzy")])
    assert [(s.name, s.block) for s in restrict(flow, ["log"], base).flow.components] == [("IF", None), ("log", 1)]
    kept = restrict(flow, ["create_record"], base)
    assert [s.name for s in kept.flow.components] == ["IF"]
    assert kept.dropped == ("log",)


def test_trained_encoder_is_loaded_again(tmp_path):
    pytest.importorskip("sentence_transformers", reason="the extra [dense] is not installed")
    from flowgen_analysis.generation.retrieval.dense import dense_scorer, load_encoder, train_encoder
    from flowgen_analysis.generation.retrieval.entries import Entry
    from flowgen_analysis.generation.retrieval.required import Pair

    entries = [
        Entry("close", "Close Till. Take a till out of service.", "close"),
        Entry("open", "Open Store. Open it.", "open"),
    ]
    pairs = [
        Pair("steps", f"{w} {i}", e)
        for e, w in zip(entries, ("shut it down", "let them in"), strict=True)
        for i in range(8)
    ]
    train_encoder(pairs, tmp_path / "encoder", epochs=1, batch_size=2)
    scorer = dense_scorer(load_encoder(tmp_path / "encoder"))([e.text for e in entries])
    assert scorer.scores("shut it down").argmax() == 0
    assert not list((tmp_path / "encoder").rglob("*.bin")), "weights are stored in a form that cannot run code"
    with pytest.raises(InputError, match="is no folder"):
        load_encoder(tmp_path / "nowhere")
