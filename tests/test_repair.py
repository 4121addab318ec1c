"""Replies damaged the way models damage them: each with the flow that is in it, or the reason that none is."""

import json
from collections import Counter

import pytest
from shared import ROOT, SHARED, json_lines, needs_shared

from flowgen_analysis.flows.dataset import load_runs, load_samples
from flowgen_analysis.flows.model import Flow
from flowgen_analysis.flows.reading import flow_to_dict
from flowgen_analysis.flows.replies import read_reply

CASES = json_lines(ROOT / "tests" / "damaged_replies.jsonl")


def inputs(owner) -> dict[str, str]:
    return {i.name: i.value for i in owner.inputs}


def plain(flow: Flow) -> tuple:
    """The trigger and the steps of a flow as the cases write them."""
    trigger = flow.trigger and [flow.trigger.type, inputs(flow.trigger)]
    return trigger, [[s.name, s.step, s.block, inputs(s)] for s in flow.components]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_tolerant(case):
    result = read_reply(case["reply"])
    assert result.read_as == case["tolerant"], result
    if result.flow is None:
        assert case["reason"] in result.reason
        assert "\n" not in result.reason
        assert result.notes == []
    else:
        assert plain(result.flow) == (case["trigger"], case["steps"])
        assert bool(result.notes) == (case["tolerant"] == "repaired")
        assert case.get("note", "") in "; ".join(result.notes)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_strict(case):
    result = read_reply(case["reply"], strict=True)
    assert result.read_as == case["strict"]
    assert result.notes == []
    assert bool(result.reason) == (result.flow is None)


def test_there_are_enough_of_each():
    counted = Counter((c["strict"], c["tolerant"]) for c in CASES)
    assert sum(counted.values()) >= 60
    assert counted == {("clean", "clean"): 5, ("unreadable", "repaired"): 90, ("unreadable", "unreadable"): 25}


REPLY = {
    "flat": {
        "trigger": {"type": "daily", "inputs": [{"name": "time", "value": '8 "sharp", {or} so'}]},
        "components": [
            {"name": "look_up_records", "step": 1, "block": None, "inputs": [{"name": "table", "value": "a'b"}]},
            {"name": "FOREACH", "step": 2, "block": None, "inputs": []},
            {"name": "IF", "step": 3, "block": 2, "inputs": [{"name": "condition", "value": "a=1^b]=2"}]},
            {"name": "log", "step": 12, "block": 3, "inputs": [{"name": "message", "value": "line\nbreak\\"}]},
        ],
    },
    "nested": {
        "trigger": None,
        "components": [
            {"name": "IF", "step": 1, "components": [{"name": "log", "step": 2}, {"name": "log", "step": 13}]},
            {"name": "ELSE", "step": 14, "components": [{"name": "log", "step": 15, "inputs": []}]},
        ],
    },
}


@pytest.mark.parametrize("dialect", REPLY)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("around", [("", ""), ("Here it is:\n```json\n", "")])
def test_cut_at_every_character(dialect, indent, around):
    """What is read is what was whole: never half a name, number or value, and no step where it does not belong."""
    text = around[0] + json.dumps(REPLY[dialect], indent=indent)
    trigger, steps = plain(read_reply(text).flow)
    most = 0
    for end in range(len(text)):
        result = read_reply(text[:end])
        if result.flow is None:
            assert most == 0, "a longer reply never reads as less"
            continue
        read_trigger, read = plain(result.flow)
        assert read_trigger == trigger
        assert [s[:3] for s in read] == [s[:3] for s in steps[: len(read)]]
        assert all(s[3].items() <= whole[3].items() for s, whole in zip(read, steps, strict=False))
        assert len(read) >= most
        most = len(read)
    assert most == len(steps)


def test_reading_what_was_read_changes_nothing():
    for case in CASES:
        flow = read_reply(case["reply"]).flow
        if flow:
            again = read_reply(json.dumps(flow_to_dict(flow)), strict=True)
            assert (again.flow, again.read_as) == (flow, "clean"), case["name"]


@needs_shared
def test_home_assistant_generations_stay_as_they_are():
    """491 are flows as they stand; 149 have none, and their text is in no flow dialect."""
    home = SHARED / "real" / "homeassistant"
    samples = load_samples(home / "samples.jsonl")
    for strict in (False, True):
        runs = load_runs(sorted((home / "runs").glob("*.jsonl")), samples, strict)
        counted = Counter(g.read_as for run in runs for g in run.generations)
        assert counted == {"clean": 491, "unreadable": 149}
    raws = [g.raw for run in runs for g in run.generations if not g.readable]
    assert all("flow" in read_reply(raw).reason for raw in raws)
