"""Whatever a model writes is read, judged and scored, or it is unreadable with a reason: without hanging, and in little memory.

Real generations and the hand-written damaged replies are mutated the ways text and data go wrong. 2,000 inputs in
`make test`; 100,000 in `make verify`.
"""

import json
import random
import resource
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT, SHARED, examples, json_lines
from work import ends, growth

from flowgen_analysis.flows import mending
from flowgen_analysis.flows.dataset import generation_to_dict, read_generation
from flowgen_analysis.flows.mending import read_data
from flowgen_analysis.flows.model import Flow
from flowgen_analysis.flows.reading import flow_to_dict
from flowgen_analysis.flows.replies import read_reply
from flowgen_analysis.flows.structure import problems
from flowgen_analysis.scoring.flowsim import flowsim

BYTES = 200_000_000
EXPECTED = Flow.model_validate(
    {
        "trigger": {"type": "daily"},
        "components": [
            {"name": "look_up_records", "step": 1, "inputs": [{"name": "conditions", "value": "active=true^a=1"}]},
            {"name": "FOREACH", "step": 2, "inputs": [{"name": "items", "value": "{{step_1.records}}"}]},
            {"name": "update_record", "step": 3, "block": 2, "inputs": [{"name": "values", "value": "state=7"}]},
        ],
    }
)


def seeds() -> tuple[list[str], list]:
    """Texts and data to start from."""
    cases = json_lines(ROOT / "tests" / "damaged_replies.jsonl")
    texts, data = [c["reply"] for c in cases], [json.loads(c["reply"]) for c in cases if c["strict"] == "clean"] * 20
    for path in sorted((SHARED / "real" / "homeassistant" / "runs").glob("*.jsonl")):
        for row in json_lines(path):
            if row["generated"]:
                data.append(row["generated"])
                texts += [
                    json.dumps(row["generated"]),
                    f"Here:\n```json\n{json.dumps(row['generated'], indent=2)}\n```\n",
                ]
            else:
                texts.append(row["raw"][:4000])
    return texts, data


BITS = [
    *"{}[]\",:\\'`#/\n\t \u201c\ud83d\x00",
    *(
        "```",
        "```json\n",
        "//",
        "/*",
        "*/",
        "{{step_1.x}}",
        "null",
        "None",
        "true",
        "<think>",
        "</think>",
        "...",
        "---\n",
    ),
    *(
        '"components": [',
        '{"trigger": ',
        '"step": ',
        '"block": 0,',
        "'",
        "components:\n  - ",
        "&a",
        "*a",
        "!!python/x",
        "\\u",
    ),
]
VALUES = [
    None,
    True,
    0,
    -1,
    1e400,
    float("nan"),
    10**30,
    "",
    "2",
    "step_1",
    "\ud83d",
    "null",
    [],
    {},
    [[]],
    {"a": {}},
    "x" * 999,
]
KEYS = [
    "components",
    "trigger",
    "step",
    "block",
    "name",
    "inputs",
    "value",
    "type",
    "definition",
    "category",
    "flow",
    "",
]


def mutated_text(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 6)):
        i, j = sorted(rng.randint(0, len(text)) for _ in range(2))
        j = min(j, i + rng.choice([1, 1, 5, 60, 4000]))
        what = rng.randrange(7)
        if what == 0:
            text = text[:i] + text[j:]
        elif what == 1:
            text = text[:i] + rng.choice(BITS) * rng.choice([1, 1, 1, 2, 40]) + text[i:]
        elif what == 2:
            text = text[:i]
        elif what == 3:
            text = text[:j] + text[i:j] * rng.choice([1, 2, 30]) + text[j:]
        elif what == 4:
            text = text.replace(*rng.choice([('"', "'"), ("\n", ""), (": ", ":"), ("}", ""), ('"', ""), ("\\", "")]))
        elif what == 5:
            text = text[:i] + rng.choice(BITS) + text[j:]
        else:
            text = rng.choice(["", "```\n", "So: "]) + text + rng.choice(["", "\n```", text])
    return text[:200_000]


def mutated_data(rng: random.Random, data):
    data = json.loads(json.dumps(data))
    places = []
    todo = [data]
    while todo:
        here = todo.pop()
        for key in list(here) if isinstance(here, dict) else range(len(here)):
            places.append((here, key))
            if isinstance(here[key], dict | list):
                todo.append(here[key])
    for _ in range(rng.randint(1, 5)):
        if not places:
            break
        owner, key = rng.choice(places)
        if (isinstance(owner, list) and key >= len(owner)) or (isinstance(owner, dict) and key not in owner):
            continue
        what = rng.randrange(6)
        if what == 0:
            owner[key] = rng.choice(VALUES)
        elif what == 1:
            del owner[key]
        elif what == 2 and isinstance(owner, dict):
            owner[rng.choice(KEYS)] = owner.pop(key)
        elif what == 3:
            owner[key] = {str(rng.randint(0, 3)): owner[key]}
        elif what == 4 and isinstance(owner[key], list):
            owner[key] = owner[key] * rng.choice([0, 2, 30])
        else:
            owner[key] = str(owner[key])
    return data


def test_what_stands_as_written_is_read_at_once_and_the_same(monkeypatch):
    """The short way gives what the long way gives, on flows with little wrong."""
    rng, (_, data) = random.Random(3), seeds()
    flat = [flow_to_dict(read_data(d).flow) for d in rng.sample(data, 40)]
    some = [mutated_data(rng, rng.choice(flat)) for _ in range(1500)] + flat
    short = [read_data(d, strict) for d in some for strict in (False, True)]
    direct = sum(map(mending._is_flat, some))
    monkeypatch.setattr(mending, "_is_flat", lambda data: False)
    long = [read_data(d, strict) for d in some for strict in (False, True)]
    assert short == long
    assert [r.flow and r.flow.model_dump() for r in short] == [r.flow and r.flow.model_dump() for r in long]
    assert len(flat) <= direct < len(some)


def judge(given) -> str:
    """Read, judge and score one input both ways; how the tolerant reading went."""
    row = {"id": "s", "model": "m", "generated": None, "raw": given} if isinstance(given, str) else None
    results = [read_reply(given, s) if row else read_data(given, s) for s in (False, True)]
    for result in results:
        assert (result.flow is None) == (result.read_as == "unreadable") == bool(result.reason)
        assert "\n" not in result.reason
    assert results[1].read_as != "repaired"
    assert (results[1].read_as == "clean") == (results[0].read_as == "clean")
    generation = read_generation(row or {"id": "s", "model": "m", "generated": given})
    assert generation.readable == (results[0].flow is not None)
    json.dumps(generation_to_dict(generation), ensure_ascii=False).encode()
    if generation.generated:
        problems(generation.generated)
        assert 0 <= flowsim(EXPECTED, generation.generated) <= 1
    return results[0].read_as


def fuzz(count: int, seed: int) -> dict[str, int]:
    """Judge that many mutated inputs; how often each reading came out."""
    rng = random.Random(seed)
    texts, data = seeds()
    judge(texts[0])
    counted: dict[str, int] = {}
    for n in range(count):
        given = mutated_data(rng, rng.choice(data)) if n % 3 == 0 else mutated_text(rng, rng.choice(texts))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            with ends():
                how = judge(given)
        except Exception as e:
            raise AssertionError(f"seed {seed}, input {n}: {given!r:.3000}") from e
        grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * (1 if sys.platform == "darwin" else 1024)
        assert grew < BYTES, f"seed {seed}, input {n}: {grew:,} bytes for {given!r:.3000}"
        counted[how] = counted.get(how, 0) + 1
    return counted


@pytest.mark.fault(
    "Bad files: what a model wrote, mutated",
    "read, or unreadable with a reason, in 200 MB, and none hangs",
    tries=2_000,
)
def test_two_thousand_mutated_inputs():
    counted = fuzz(2_000, seed=1)
    assert min(counted.get(how, 0) for how in ("clean", "repaired", "unreadable")) > 100, counted


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.fault(
    "Bad files: what a model wrote, mutated",
    "read, or unreadable with a reason, in 200 MB, and none hangs",
    tries=100_000,
)
def test_a_hundred_thousand_mutated_inputs(seed):
    assert sum(fuzz(10_000, seed).values()) == 10_000


@settings(max_examples=examples(100, 1000), deadline=None)
@given(st.lists(st.sampled_from(BITS) | st.text(max_size=5), max_size=60).map("".join))
def test_any_text(text):
    judge(text)


plain = st.sampled_from(VALUES) | st.integers() | st.text(max_size=5)
keys = st.sampled_from(KEYS)
anything = st.recursive(plain, lambda x: st.lists(x, max_size=4) | st.dictionaries(keys, x, max_size=5), max_leaves=30)


@settings(max_examples=examples(100, 1000), deadline=None)
@given(anything)
def test_any_data(data):
    if data is not None and not isinstance(data, str):
        judge(data)


def nested(levels: int) -> dict:
    flow = step = {"trigger": None, "components": []}
    for n in range(1, levels + 1):
        child = {"name": "IF", "step": n, "components": []}
        step["components"].append(child)
        step = child
    return flow


def deep_list(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


HOSTILE = {
    "10,000 brackets": "[" * 10_000,
    "10,000 steps in steps": '{"components":[{"name":"IF","step":1,' * 10_000,
    "quotes json-repair is slow on": '{"components":[' + "'a" * 30_000,
    "quoted brackets": '{"components":' + '["' * 50_000,
    "braces and quotes": '{"components":' + "{'" * 20_000,
    "single quotes never closed": '{"components":[' + ":'x " * 100_000,
    "comment never closed": '{"components":[' + "/*" * 100_000,
    "a string never closed": '{"components":["' + "\\" * 300_001,
    "fences": "```json\n{components:\n" * 20_000,
    "many objects": '{"components": 1} ' * 20_000,
    "many broken objects": "{'components': [{'name': 'a' 'step': 1]} " * 2_000,
    "YAML aliases": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\ncomponents: [*c,*c]\n",
    "YAML nested": "components: " + "[" * 5_000,
    "YAML long": "components:\n" + "  - {name: log, step: 1}\n" * 3_900,
    "YAML nested in lines": "components:\n" + "".join(" " * n + "- a:\n" for n in range(1, 400)),
    "think without end": "<think>" * 50_000,
    "long prose": "components " * 90_000,
    "past the limit": "x" * 1_000_001,
    "a number of 5,000 digits": '{"components": [{"name": "a", "step": ' + "9" * 5_000 + "}]}",
    "spaces": '{"components": [' + " " * 900_000 + "'",
    "a flow of 900 KB in single quotes": "{'components': ["
    + ", ".join(f"{{'name': 'log', 'step': {n}, 'inputs': [{{'name': 'a', 'value': '{'x' * 380}'}}]}}" for n in range(1, 2000))
    + "]}",
    "2,000 steps": nested(1) | {"components": [{"name": "log", "step": n} for n in range(1, 2001)]},
    "2,001 steps": {"components": [{"name": "log", "step": n} for n in range(1, 2002)]},
    "190 steps in steps": nested(190),
    "300 steps in steps": nested(300),
    "200,000 levels": deep_list(200_000),
    "an unknown key 190 deep": {"components": [{"name": "log", "step": 1, "x": deep_list(190)}]},
    "20,000 inputs": {"components": [{"name": "log", "step": 1, "inputs": {str(n): "x" for n in range(20_000)}}]},
    "a value of 600,000 characters": {"components": [{"name": "log", "step": 1, "inputs": {"a": "x" * 600_000}}]},
    "a million empty objects": {"components": [], "x": [{} for _ in range(1_000_000)]},
    "pills": {"components": [{"name": "IF", "step": n, "block": n - 1 or None, "inputs": [{"name": "a", "value": "{{step_1.x}}" * 900}]} for n in range(1, 190)]},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.fault(
    "Bad files: what a model wrote, made to be slow", "read, or unreadable with a reason, in 200 MB, and none hangs"
)
def test_hostile_input(name):
    judge("")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ends():
        result = (read_reply if isinstance(HOSTILE[name], str) else read_data)(HOSTILE[name])
        if result.flow:
            problems(result.flow)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < BYTES
    assert result.flow or (result.reason and "\n" not in result.reason)


GROWS = {
    "quotes json-repair is slow on": lambda n: '{"components":[' + "'a" * n,
    "quoted brackets": lambda n: '{"components":' + '["' * 2 * n,
    "braces and quotes": lambda n: '{"components":' + "{'" * n,
    "single quotes never closed": lambda n: '{"components":[' + ":'x " * n,
    "comment never closed": lambda n: '{"components":[' + "/*" * n,
    "fences": lambda n: "```json\n{components:\n" * n,
    "many objects": lambda n: '{"components": 1} ' * n,
    "many broken objects": lambda n: "{'components': [{'name': 'a' 'step': 1]} " * n,
    "YAML long": lambda n: "components:\n" + "  - {name: log, step: 1}\n" * n,
    "a flow in single quotes": lambda n: f"{{'components': [{', '.join(f'{{{chr(39)}name{chr(39)}: {chr(39)}log{chr(39)}}}' for _ in range(n))}]}}",
    "steps": lambda n: {"components": [{"name": "log", "step": i} for i in range(1, n)]},
    "inputs": lambda n: {"components": [{"name": "log", "step": 1, "inputs": {str(i): "x" for i in range(n)}}]},
}  # fmt: skip


@pytest.mark.parametrize("name", GROWS)
@pytest.mark.fault(
    "Bad files: what a model wrote, made to be slow, and twice as long",
    "less than 2.5 times the work, in lines of Python run",
)
def test_hostile_input_costs_what_its_length_is(name):
    read = read_reply if isinstance(GROWS[name](1), str) else read_data
    assert growth(read, GROWS[name], 300) < 2.5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("10,000 brackets", "flow"),
        ("10,000 steps in steps", "nested more than 200 deep"),
        ("2,001 steps", "has 2,001 steps; expected 2,000 at most"),
        ("300 steps in steps", "nested more than 200 deep"),
        ("200,000 levels", "nested more than 200 deep"),
        ("20,000 inputs", "has 20,000 inputs; expected 10,000 at most"),
        ("a value of 600,000 characters", "holds a text of 600,000 characters; expected 500,000 at most"),
        ("past the limit", "is 1,000,001 characters long; expected 1,000,000 at most"),
    ],
)
def test_past_a_limit_is_said(name, reason):
    read = read_reply if isinstance(HOSTILE[name], str) else read_data
    assert reason in read(HOSTILE[name]).reason
