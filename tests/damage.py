"""Damage done to flows on purpose, each with the kinds that name it."""

import random
import re
from collections.abc import Callable

from flowgen_analysis.flows.conditions import QUERY_INPUTS, is_column_input, is_table_input, parse_query
from flowgen_analysis.flows.model import BLOCK_STEPS, LOGIC_STEPS, Flow
from flowgen_analysis.scoring.tree import pill_heads

DAMAGES: dict[str, Callable] = {}
PILL = re.compile(r"\{\{[^{}]*\}\}")


def damage(make):
    """Register a damage: it changes the flow it is given, and returns the kind that names it; None where it cannot."""
    DAMAGES[make.__name__] = make
    return make


USUAL = [
    "look_up_records",
    "update_record",
    "send_email",
    "create_task",
    "log",
    "ask_for_approval",
    "post_slack_message",
]
STEP = re.compile(r"\{\{step_([0-9]+)")


def numbered(flow: Flow, number: Callable[[int], int]) -> Flow:
    """A copy with other step numbers, in blocks and pills too."""
    copy = flow.model_copy(deep=True)
    for s in copy.components:
        s.step, s.block = number(s.step), None if s.block is None else number(s.block)
    for _, piece in copy.pieces():
        for i in piece.inputs:
            i.value = STEP.sub(lambda m: f"{{{{step_{number(int(m[1]))}", i.value)
    return copy


def spaced(flow: Flow) -> Flow:
    """A copy whose step numbers leave room for steps that come between."""
    return numbered(flow, lambda n: 10 * n)


def counted(flow: Flow) -> Flow:
    """A copy whose steps are numbered 1, 2, 3, …, as a generator would."""
    new = {s.step: n for n, s in enumerate(flow.components, start=1)}
    return numbered(flow, lambda n: new.get(n, n))


def subtree(flow: Flow, top) -> list:
    """A step with all that hangs on it."""
    numbers = {top.step}
    for s in flow.components:
        if s.block in numbers:
            numbers.add(s.step)
    return [s for s in flow.components if s.step in numbers]


def children(flow: Flow, step) -> list:
    return [s for s in flow.components if s.block == step.step]


def siblings(flow: Flow, step) -> list:
    return [s for s in flow.components if s.block == step.block]


def remove(flow: Flow, steps: list) -> None:
    gone = {s.step for s in steps}
    flow.components = [s for s in flow.components if s.step not in gone]


def feeds_a_loop(flow: Flow, step) -> bool:
    head = f"step_{step.step}"
    return any(head in pill_heads(i.value) for s in flow.components if s.name == "FOREACH" for i in s.inputs)


def one(rng: random.Random, items: list):
    return rng.choice(items) if items else None


def actions(flow: Flow) -> list:
    return [s for s in flow.components if s.name not in LOGIC_STEPS and not children(flow, s)]


def blocks(flow: Flow) -> list:
    return [s for s in flow.components if s.name in BLOCK_STEPS and children(flow, s)]


def new_step(flow: Flow, name: str, step: int, block: int | None, inputs=()):
    made = {"name": name, "step": step, "block": block, "inputs": [{"name": k, "value": v} for k, v in inputs]}
    return Flow.model_validate({"components": [made]}).components[0]


# --- steps ---


@damage
def drop_a_step(rng, flow):
    if s := one(rng, [s for s in actions(flow) if not feeds_a_loop(flow, s)]):
        remove(flow, [s])
        return "missing_step"


@damage
def drop_a_look_up(rng, flow):
    if s := one(rng, [s for s in actions(flow) if feeds_a_loop(flow, s)]):
        remove(flow, [s])
        return "missing_dependency"


@damage
def drop_a_branch(rng, flow):
    parallels = [s for s in flow.components if s.name == "PARALLEL" and len(children(flow, s)) == 2]
    if s := one(rng, parallels):
        remove(flow, subtree(flow, rng.choice(children(flow, s))))
        return "missing_dependency"


@damage
def drop_a_catch(rng, flow):
    if s := one(rng, [s for s in flow.components if s.name == "CATCH"]):
        remove(flow, subtree(flow, s))
        return "missing_dependency"


@damage
def drop_a_block_not_its_steps(rng, flow):
    if s := one(rng, [s for s in blocks(flow) if s.name not in ("BRANCH", "PARALLEL", "CATCH")]):
        for child in children(flow, s):
            child.block = s.block
        remove(flow, [s])
        return "missing_logic"


@damage
def drop_a_block_with_its_steps(rng, flow):
    if s := one(rng, [s for s in blocks(flow) if s.name not in ("BRANCH", "CATCH")]):
        remove(flow, subtree(flow, s))
        return "missing_logic"


def put_in(rng, flow, name: str) -> None:
    """A new step somewhere, at the level of the step before it."""
    at = rng.randint(0, len(flow.components))
    before = flow.components[at - 1] if at else None
    number = before.step + 5 if before else 5
    inputs = rng.choice([[], [("table", "incident")], [("log_message", "Done"), ("log_level", "info")]])
    flow.components.insert(at, new_step(flow, name, number, before and before.block, inputs))


@damage
def add_a_step(rng, flow):
    put_in(rng, flow, rng.choice(USUAL))
    return "extra_step"


@damage
def wrap_a_step(rng, flow):
    if s := one(rng, actions(flow)):
        at = flow.components.index(s)
        block = new_step(flow, "IF", s.step - 5, s.block, [("condition", "zone=9")])
        flow.components.insert(at, block)
        s.block = block.step
        return "extra_logic"


@damage
def rename_a_step(rng, flow):
    if s := one(rng, actions(flow)):
        s.name = rng.choice([name for name in USUAL if name != s.name])
        return "wrong_step"


@damage
def rename_to_an_unknown_step(rng, flow):
    if s := one(rng, actions(flow)):
        s.name = "UNKNOWN"
        return "unknown_step"


@damage
def add_an_unknown_step(rng, flow):
    put_in(rng, flow, "UNKNOWN")
    return "unknown_step"


@damage
def swap_the_trigger(rng, flow):
    if flow.trigger:
        flow.trigger.type = "sms_received"
        return "wrong_trigger"


@damage
def drop_the_trigger(rng, flow):
    if flow.trigger:
        flow.trigger = None
        return "wrong_trigger"


# --- places ---


@damage
def take_the_last_step_out_of_its_block(rng, flow):
    if s := one(rng, [b for b in blocks(flow) if b.name not in ("PARALLEL", "TRY")]):
        last = children(flow, s)[-1]
        last.block = s.block
        return "misplaced_step"


@damage
def take_the_first_step_out_of_its_block(rng, flow):
    if s := one(rng, [b for b in blocks(flow) if b.name not in ("PARALLEL", "CATCH", "ELSE", "ELSEIF")]):
        moved = subtree(flow, children(flow, s)[0])
        rest = [x for x in flow.components if x not in moved]
        at = rest.index(s)
        moved[0].block = s.block
        flow.components = [*rest[:at], *moved, *rest[at:]]
        return "misplaced_step"


@damage
def take_every_step_out_of_a_block(rng, flow):
    if s := one(rng, [b for b in blocks(flow) if b.name != "PARALLEL"]):
        for child in children(flow, s):
            child.block = s.block
        return "misplaced_step"


@damage
def put_the_next_step_into_a_block(rng, flow):
    found = []
    for b in blocks(flow):
        beside = siblings(flow, b)
        at = beside.index(b)
        if b.name != "PARALLEL" and at + 1 < len(beside) and beside[at + 1].name not in LOGIC_STEPS:
            found.append((b, beside[at + 1]))
    if pair := one(rng, found):
        pair[1].block = pair[0].step
        return "misplaced_step"


@damage
def swap_two_steps(rng, flow):
    found = []
    for s in actions(flow):
        beside = siblings(flow, s)
        at = beside.index(s)
        if at + 1 < len(beside) and beside[at + 1] in actions(flow) and beside[at + 1].name != s.name:
            found.append((s, beside[at + 1]))
    if pair := one(rng, found):
        a, b = map(flow.components.index, pair)
        flow.components[a], flow.components[b] = flow.components[b], flow.components[a]
        return "wrong_order"


# --- inputs ---


def some_inputs(flow: Flow, wanted: Callable) -> list:
    return [(p, i) for _, p in flow.pieces() for i in p.inputs if i.value and wanted(i)]


@damage
def drop_an_input(rng, flow):
    if found := one(rng, some_inputs(flow, lambda i: i.value.removesuffix("^EQ"))):
        found[0].inputs.remove(found[1])
        return "missing_input"


@damage
def add_an_input(rng, flow):
    if s := one(rng, [p for _, p in flow.pieces()]):
        s.inputs.append(flow_input("zz_extra", "1"))
        return "extra_input"


def flow_input(name: str, value: str):
    return new_step(Flow(), "log", 1, None, [(name, value)]).inputs[0]


@damage
def swap_a_table(rng, flow):
    if found := one(rng, some_inputs(flow, lambda i: is_table_input(i.name))):
        found[1].value = rng.choice([t for t in ("incident", "problem", "sys_user") if t != found[1].value])
        return "wrong_table"


@damage
def swap_to_an_unknown_table(rng, flow):
    if found := one(rng, some_inputs(flow, lambda i: is_table_input(i.name))):
        found[1].value = "UNKNOWN"
        return "unknown_table"


def change_a_clause(rng, flow, part: int, change: Callable) -> bool:
    """Change field (0), operator (1) or value (2) of a clause; False where there is none to change."""
    found = []
    for _, i in some_inputs(flow, lambda i: i.name in QUERY_INPUTS):
        query = parse_query(i.value)
        for n, clause in enumerate(query.clauses if query else ()):
            if clause.value and (new := change(clause[part])) is not None:
                found.append((i, query, n, clause._replace(**{clause._fields[part]: new})))
    if not found:
        return False
    i, query, n, clause = rng.choice(found)
    clauses = ["".join(c) for c in (*query.clauses[:n], clause, *query.clauses[n + 1 :])]
    i.value = clauses[0] + "".join(o + c for o, c in zip(query.operators, clauses[1:], strict=True))
    return True


@damage
def swap_a_column(rng, flow):
    name = rng.choice(["active", "name", "priority", "state"])
    return (
        "wrong_column"
        if change_a_clause(rng, flow, 0, lambda old: None if "{{" in old or old == name else name)
        else None
    )


@damage
def swap_an_operator(rng, flow):
    return "wrong_operator" if change_a_clause(rng, flow, 1, lambda old: "!=" if old == "=" else "=") else None


@damage
def swap_a_value_of_a_query(rng, flow):
    return "wrong_value" if change_a_clause(rng, flow, 2, lambda old: None if "{{" in old else "otherwise") else None


@damage
def swap_a_pill_of_a_query(rng, flow):
    return (
        "wrong_pill" if change_a_clause(rng, flow, 2, lambda old: "{{trigger.zone}}" if "{{" in old else None) else None
    )


def plain(i) -> bool:
    return i.name not in QUERY_INPUTS and not is_table_input(i.name) and not is_column_input(i.name)


@damage
def swap_a_value(rng, flow):
    if found := one(rng, some_inputs(flow, lambda i: plain(i) and not PILL.fullmatch(i.value))):
        found[1].value += " or so"
        return "wrong_value"


@damage
def swap_a_pill(rng, flow):
    if found := one(rng, some_inputs(flow, lambda i: plain(i) and PILL.search(i.value))):
        found[1].value = PILL.sub("{{trigger.zone}}", found[1].value, count=1)
        return "wrong_pill"


def lacks(flow: Flow) -> list[tuple[str, str, str]]:
    """What a damaged flow uses and no environment has."""
    found = []
    for place, piece in flow.pieces():
        if getattr(piece, "name", "") == "UNKNOWN":
            found.append(("step", "UNKNOWN", place))
        found += [
            ("table", i.value, f"{place}.inputs[{n}]") for n, i in enumerate(piece.inputs) if i.value == "UNKNOWN"
        ]
    return found


def cases(flows: list[Flow], count: int, seed: int = 0):
    """(name of the damage, flow, damaged flow, the kind that names it), the damages by turns.

    Every other time the damaged flow counts its steps anew, so that pills name other numbers.
    """
    rng = random.Random(seed)
    made, names = 0, list(DAMAGES)
    while made < count:
        flow = spaced(rng.choice(flows))
        name = names[made % len(names)]
        damaged = flow.model_copy(deep=True)
        kind = DAMAGES[name](rng, damaged)
        if kind:
            made += 1
            again = made // len(names) % 2
            yield name, counted(flow) if again else flow, counted(damaged) if again else damaged, kind
