"""Every structure rule: a flow that breaks it alone, the flow next to it that does not, and what it says."""

import json
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT, SHARED, examples, json_lines, needs_shared
from strategies import flows
from work import growth

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.model import BLOCK_STEPS, Flow
from flowgen_analysis.flows.structure import RULES, STRUCTURE_ERRORS, problems, structure_errors


def flow(*steps, trigger="daily") -> Flow:
    """Steps as (number, name, block) or (number, name, block, value of an input)."""
    components = [
        {"step": n, "name": name, "block": block, "inputs": [{"name": "items", "value": v} for v in value]}
        for n, name, block, *value in steps
    ]
    return Flow.model_validate({"trigger": trigger and {"type": trigger}, "components": components})


class Case(NamedTuple):
    """A flow that breaks the rule alone, at this index with this message; and one beside it that breaks none."""

    code: str
    broken: Flow
    index: int
    message: str
    whole: Flow


LOOK = (1, "look_up_records", None)
EACH = (2, "FOREACH", None, "{{step_1.records}}")

CASES = [
    Case(
        "orphan",
        flow((1, "log", None), (2, "log", 9)),
        1,
        "step 2 (log) is in block 9, which is no step; give it the number of an earlier logic step, or null",
        flow((1, "log", None), (2, "log", None)),
    ),
    Case(
        "orphan",
        flow((1, "log", 2), (2, "IF", None), (3, "log", 2)),
        0,
        "step 1 (log) is in block 2, which comes later; give it the number of an earlier logic step, or null",
        flow((1, "IF", None), (2, "log", 1), (3, "log", 1)),
    ),
    Case(
        "orphan",
        flow((1, "IF", 1), (2, "log", 1)),
        0,
        "step 1 (IF) is its own block; give it the number of an earlier logic step, or null "
        "(with what hangs on such steps, 2 are lost)",
        flow((1, "IF", None), (2, "log", 1)),
    ),
    Case(
        "repeated_number",
        flow((1, "log", None), (1, "notify", None)),
        1,
        "step 1 (notify) has the number of step 1 (log) above it; number the steps 1, 2, 3, …",
        flow((1, "log", None), (2, "notify", None)),
    ),
    Case(
        "unordered_number",
        flow((2, "log", None), (1, "notify", None)),
        1,
        "step 1 (notify) is listed after step 2 (log); list the steps in the order of their numbers",
        flow((2, "log", None), (7, "notify", None)),
    ),
    Case(
        "child_of_action",
        flow((1, "log", None), (2, "notify", 1)),
        1,
        "step 2 (notify) is inside step 1 (log), which holds no steps; set its block to null",
        flow((1, "IF", None), (2, "notify", 1)),
    ),
    Case(
        "child_of_action",
        flow((1, "END", None), (2, "notify", 1)),
        1,
        "step 2 (notify) is inside step 1 (END), which holds no steps; set its block to null",
        flow((1, "DECISION", None), (2, "notify", 1)),
    ),
    Case(
        "else_without_if",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSE", 1), (4, "log", 3)),
        2,
        "step 3 (ELSE) is inside step 1 (IF); put it next to it, on the same level",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSE", None), (4, "log", 3)),
    ),
    Case(
        "else_without_if",
        flow((1, "IF", None), (2, "log", 1), (3, "notify", None), (4, "ELSE", None), (5, "log", 4)),
        3,
        "step 4 (ELSE) follows step 3 (notify) on its level; it must directly follow IF or ELSEIF",
        flow((1, "IF", None), (2, "log", 1), (3, "notify", 1), (4, "ELSE", None), (5, "log", 4)),
    ),
    Case(
        "else_without_if",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSE", None), (4, "log", 3), (5, "ELSE", None), (6, "log", 5)),
        4,
        "step 5 (ELSE) follows step 3 (ELSE) on its level; it must directly follow IF or ELSEIF",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSEIF", None), (4, "log", 3), (5, "ELSE", None), (6, "log", 5)),
    ),
    Case(
        "elseif_without_if",
        flow((1, "ELSEIF", None), (2, "log", 1)),
        0,
        "step 1 (ELSEIF) follows nothing on its level; it must directly follow IF or ELSEIF",
        flow((1, "IF", None), (2, "log", 1)),
    ),
    Case(
        "elseif_after_else",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSE", None), (4, "log", 3), (5, "ELSEIF", None), (6, "log", 5)),
        4,
        "step 5 (ELSEIF) comes after step 3 (ELSE); move it in front of the ELSE",
        flow((1, "IF", None), (2, "log", 1), (3, "ELSEIF", None), (4, "log", 3), (5, "ELSE", None), (6, "log", 5)),
    ),
    Case(
        "try_without_catch",
        flow((1, "TRY", None), (2, "log", 1)),
        0,
        "step 1 (TRY) has no CATCH; put a CATCH right after it, on the same level",
        flow((1, "TRY", None), (2, "log", 1), (3, "CATCH", None), (4, "log", 3)),
    ),
    Case(
        "catch_without_try",
        flow((1, "log", None), (2, "CATCH", None), (3, "log", 2)),
        1,
        "step 2 (CATCH) follows step 1 (log) on its level; it must directly follow TRY",
        flow((1, "TRY", None), (2, "log", 1), (3, "CATCH", None), (4, "log", 3)),
    ),
    Case(
        "few_branches",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "log", 2)),
        0,
        "step 1 (PARALLEL) holds 1 BRANCH; it needs two or more, each holding its steps",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "log", 2), (4, "BRANCH", 1), (5, "log", 4)),
    ),
    Case(
        "few_branches",
        flow((1, "PARALLEL", None)),
        0,
        "step 1 (PARALLEL) holds no BRANCH; it needs two or more, each holding its steps",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "log", 2), (4, "BRANCH", 1), (5, "log", 4)),
    ),
    Case(
        "loose_in_parallel",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "a", 2), (4, "BRANCH", 1), (5, "b", 4), (6, "c", 1)),
        5,
        "step 6 (c) is directly in a PARALLEL; put it in a BRANCH of it",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "a", 2), (4, "BRANCH", 1), (5, "b", 4), (6, "c", 4)),
    ),
    Case(
        "branch_outside",
        flow((1, "BRANCH", None), (2, "log", 1)),
        0,
        "step 1 (BRANCH) is not directly inside a PARALLEL; set its block to one",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "log", 2), (4, "BRANCH", 1), (5, "log", 4)),
    ),
    Case(
        "empty_block",
        flow((1, "IF", None), (2, "log", None)),
        0,
        "step 1 (IF) holds no step; set the block of the steps it should hold to 1",
        flow((1, "IF", None), (2, "log", 1)),
    ),
    Case(
        "no_list",
        flow((1, "look_up_records", None, "incident"), (2, "FOREACH", None, " "), (3, "log", 2)),
        1,
        "step 2 (FOREACH) has no list to go over; give it `items`, such as {{step_1.records}}",
        flow((1, "look_up_records", None, "incident"), EACH, (3, "log", 2)),
    ),
    Case(
        "exit_outside_loop",
        flow((1, "IF", None), (2, "EXITLOOP", 1)),
        1,
        "step 2 (EXITLOOP) is in no loop; put it inside a FOREACH or DOUNTIL, or remove it",
        flow((1, "DOUNTIL", None), (2, "IF", 1), (3, "EXITLOOP", 2)),
    ),
    Case(
        "exit_outside_loop",
        flow(LOOK, EACH, (3, "log", 2), (4, "SKIPITERATION", None)),
        3,
        "step 4 (SKIPITERATION) is in no loop; put it inside a FOREACH or DOUNTIL, or remove it",
        flow(LOOK, EACH, (3, "log", 2), (4, "SKIPITERATION", 2)),
    ),
    Case(
        "pill_missing",
        flow(LOOK, (2, "log", None, "see {{step_9.records}}")),
        1,
        "step 2 (log) uses {{step_9.…}}, and no step has that number; name an earlier step",
        flow(LOOK, (2, "log", None, "see {{step_1.records}}, {{ step_9.x }}, {{step_9}}, {step_9.x}, {{x_step_9.y}}")),
    ),
    Case(
        "pill_later",
        flow((1, "log", None, "{{step_2.record}}"), (2, "create_record", None)),
        0,
        "step 1 (log) uses the output of step 2 (create_record), which runs after it; name an earlier step",
        flow((1, "create_record", None), (2, "log", None, "{{step_1.record}}")),
    ),
    Case(
        "pill_later",
        flow((1, "log", None, "{{step_1.record}}")),
        0,
        "step 1 (log) uses its own output; name an earlier step",
        flow((1, "DOUNTIL", None, "{{step_2.state}}=7"), (2, "log", 1, "{{step_3.x}}"), (3, "look_up_record", 1)),
    ),
    Case(
        "pill_later",
        flow((1, "FOREACH", None, "{{step_2.records}}"), (2, "look_up_records", 1)),
        0,
        "step 1 (FOREACH) uses the output of step 2 (look_up_records), which runs after it; name an earlier step",
        flow((1, "log", None, "{{step_2.x}}"), (2, "look_up_record", None), (3, "GOBACKTO", None)),
    ),
    Case(
        "pill_out_of_scope",
        flow((1, "IF", None), (2, "create_record", 1), (3, "log", None, "{{step_2.record}}")),
        2,
        "step 3 (log) uses the output of step 2 (create_record), which is empty there; move it into the same block",
        flow((1, "IF", None), (2, "create_record", 1), (3, "log", 1, "{{step_2.record}}")),
    ),
    Case(
        "pill_out_of_scope",
        flow(LOOK, EACH, (3, "log", 2), (4, "log", None, "{{step_2.item}}")),
        3,
        "step 4 (log) uses the output of step 2 (FOREACH), which is empty there; move it into the same block",
        flow(LOOK, EACH, (3, "IF", 2), (4, "log", 3, "{{step_2.item}}")),
    ),
    Case(
        "pill_out_of_scope",
        flow((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "a", 2), (4, "BRANCH", 1), (5, "b", 4, "{{step_3.x}}")),
        4,
        "step 5 (b) uses the output of step 3 (a), which is empty there; move it into the same block",
        flow(
            *((1, "PARALLEL", None), (2, "BRANCH", 1), (3, "a", 2), (4, "BRANCH", 1), (5, "b", 4)),
            (6, "c", None, "{{step_3.x}} {{step_5.x}}"),
        ),
    ),
    Case(
        "pill_no_trigger",
        flow((1, "log", None, "{{trigger.current}}"), trigger=None),
        0,
        "step 1 (log) uses {{trigger.…}}, and the flow has no trigger; add one",
        flow((1, "log", None, "{{trigger.current}} {{daily.current}} {{record_update.current}}")),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.code}-{c.index}")
def test_a_flow_that_breaks_it_alone_and_one_that_does_not(case):
    severity = "error" if case.code in STRUCTURE_ERRORS else "warning"
    assert problems(case.broken) == [(case.code, severity, f"components[{case.index}]", case.message)]
    assert bool(structure_errors(case.broken)) == (case.code in STRUCTURE_ERRORS)
    assert problems(case.whole) == []


def test_every_rule_has_a_case_a_title_and_a_reason():
    assert {c.code for c in CASES} == set(RULES)
    for code, rule in RULES.items():
        assert rule.code == code
        assert rule.title
        assert rule.source
    assert {c for c, r in RULES.items() if r.severity == "error"} == STRUCTURE_ERRORS


def test_an_outline_needs_no_list():
    assert problems(flow(LOOK, (2, "FOREACH", None), (3, "log", 2))) == []


def test_a_repeated_number_says_nothing_of_pills():
    found = problems(flow((1, "log", None), (2, "log", None, "{{step_3.x}}"), (3, "a", None), (3, "b", None)))
    assert [p.code for p in found] == ["repeated_number"]


def test_what_hangs_on_an_orphan_is_not_judged_again():
    found = problems(flow((1, "TRY", 9), (2, "ELSE", 1), (3, "EXITLOOP", 2, "{{step_99.x}}")))
    assert [p.code for p in found] == ["orphan"]


def test_a_long_or_odd_name_stays_one_line():
    [problem] = problems(flow((1, "a\nb" * 99, 7)))
    assert "\n" not in problem.message
    assert len(problem.message) < 200


names = st.sampled_from([*sorted(BLOCK_STEPS), "EXITLOOP", "GOBACKTO", "log", "", "\n"])
values = st.sampled_from(["", "{{step_1.x}}", "{{step_2.x}} {{step_7.x}}", "{{trigger.x}}", "{{{{step_1.}}"])
numbers = st.integers(-1, 8)


@settings(max_examples=examples(200, 2000), deadline=None)
@given(st.lists(st.tuples(numbers, names, st.none() | numbers, values), max_size=12), st.sampled_from([None, "daily"]))
def test_any_flow_is_judged(steps, trigger):
    found = problems(flow(*steps, trigger=trigger))
    assert all(RULES[p.code].severity == p.severity and p.message and p.place for p in found)
    assert structure_errors(flow(*steps, trigger=trigger)) == [p for p in found if p.severity == "error"]


@settings(max_examples=200, deadline=None)
@given(flows())
def test_orphans_are_the_steps_outside_the_tree(drawn):
    assert not [p for p in problems(drawn) if p.code in ("orphan", "repeated_number", "unordered_number")]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: (n, "IF", n - 1 or None, "{{step_1.x}}"),
        lambda n: (n, "EXITLOOP", None, "{{step_1.x}} {{step_2.x}}"),
        lambda n: (n, ("PARALLEL", "BRANCH")[n % 2], n - 1 or None),
        lambda n: (1, "ELSE", None),
        lambda n: (n, "FOREACH", n // 2 or None, " ".join(f"{{{{step_{k}.x}}}}" for k in range(1, 200))),
    ],
    ids=["deep", "wide", "deep branches", "one number", "many pills"],
)
def test_twice_the_steps_are_twice_the_work(make):
    assert growth(problems, lambda n: flow(*map(make, range(1, n + 1))), 150) < 2.5


@needs_shared
@pytest.mark.parametrize("name", ["flowbench", "servicenow_fluent", "homeassistant"])
def test_flows_written_by_people_raise_nothing(name):
    for sample in load_samples(SHARED / "real" / name / "samples.jsonl"):
        for expected in sample.expected:
            assert problems(expected) == [], sample.id


@pytest.mark.parametrize("dataset", sorted((ROOT / "datasets").glob("*.jsonl")), ids=lambda p: p.stem)
def test_our_own_samples_raise_nothing(dataset):
    found = [
        (s.id, p.code, p.message) for s in load_samples(dataset) for expected in s.expected for p in problems(expected)
    ]
    assert not found


@needs_shared
def test_the_oracle_rules_that_are_structure():
    """What FLOWSIM.md calls a structure error is one: its rows with orphans and a repeated number."""
    rows = json_lines(SHARED / "oracle" / "flowsim_rules.jsonl")
    found = {
        row["rule"]: [p.code for p in structure_errors(Flow.model_validate(row["generated"]))]
        for row in rows
        if row["generated"] is not None
    }
    assert sorted({code for codes in found.values() for code in codes}) == ["orphan", "repeated_number"], json.dumps(
        found
    )
