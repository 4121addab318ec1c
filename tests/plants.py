"""Mistakes planted into expected flows, one to four at once, and how many of them the causes name, and name alone.

A step keeps one number, its mark, in both flows while mistakes are planted; then each flow counts its steps anew. What no
plant touched is as expected, but for the numbers in its pills. A plant claims what it touches, so that no two plants touch
the same; two that add, drop or move steps are never planted beside each other, since an extra step beside a missing one is
a wrong step.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from damage import (
    PILL,
    STEP,
    USUAL,
    actions,
    blocks,
    children,
    feeds_a_loop,
    flow_input,
    new_step,
    one,
    siblings,
    spaced,
)

from flowgen_analysis.flows.conditions import QUERY_INPUTS, Query, is_column_input, is_table_input, parse_query
from flowgen_analysis.flows.model import LOGIC_STEPS, Flow
from flowgen_analysis.scoring.loss import Explanation, explain
from flowgen_analysis.scoring.tree import pill_heads
from flowgen_analysis.scoring.what_if import repaired

TRIGGER = 0
Marks = frozenset[int]
PLANTS: dict[str, list[Callable]] = {}


class Plant(NamedTuple):
    """A planted mistake. marks: the steps (0 for the trigger) that a cause may say it is about."""

    kind: str
    marks: Marks


class Case(NamedTuple):
    """A flow, the same flow with mistakes, and for each component of either its mark."""

    expected: Flow
    generated: Flow
    plants: list[Plant]
    marks: tuple[list[int], list[int]]


def plant(kind: str):
    """Register a way to plant a mistake of a kind: it changes the bed's flow; it gives marks, or None where it cannot."""

    def register(make):
        PLANTS.setdefault(kind, []).append(make)
        return make

    return register


class Bed:
    """A flow that mistakes are planted into, with what is claimed."""

    def __init__(self, flow: Flow, rng: random.Random):
        self.flow, self.rng, self.claims = flow.model_copy(deep=True), rng, set()
        self.next = 100_000

    def mark(self) -> int:
        self.next += 1
        return self.next

    def free(self, *claims: tuple) -> bool:
        """Whether none of these is claimed: (mark, "all"), (mark, "near"), (mark, "name"), (mark, input), …"""
        whole = {m for m, what in self.claims if what == "all"}
        touched = {m for m, what in self.claims if what != "near"}
        return not any(c in self.claims or c[0] in whole or (c[1] == "all" and c[0] in touched) for c in claims)

    def take(self, *claims: tuple) -> None:
        self.claims |= set(claims)

    def pick(self, found: Iterable[tuple]) -> tuple | None:
        """One of (thing, …, claims) whose claims are free, claimed."""
        if choice := one(self.rng, [f for f in found if self.free(*f[-1])]):
            self.take(*choice[-1])
        return choice

    def near(self, *steps) -> list[tuple]:
        """Claims of the neighbourhood of steps: themselves, what they hang on, what is beside them and inside."""
        marks = set()
        for s in steps:
            beside = siblings(self.flow, s)
            at = beside.index(s)
            kin = [*beside[max(at - 1, 0) : at + 2], *children(self.flow, s)]
            marks |= {x.step for x in kin} | {s.block or -1}
        return [(m, "near") for m in marks]

    def remove(self, step) -> None:
        self.flow.components = [s for s in self.flow.components if s is not step]

    def inputs(self, wanted: Callable) -> Iterator[tuple]:
        """Inputs with a value that are wanted: the input, its step's mark, claims."""
        for _, piece in self.flow.pieces():
            m = getattr(piece, "step", TRIGGER)
            yield from ((piece, i, m, [(m, i.name)]) for i in piece.inputs if i.value and wanted(i))

    def clauses(self, wanted: Callable) -> Iterator[tuple]:
        """Clauses that are wanted: the input, its query, the index of the clause, its step's mark, claims."""
        for _, i, m, claims in self.inputs(lambda i: i.name in QUERY_INPUTS):
            query = parse_query(i.value)
            yield from ((i, query, n, m, claims) for n, c in enumerate(query.clauses if query else ()) if wanted(c))


def written(clauses: list, operators: list) -> str:
    """The text of a query."""
    texts = ["".join((c.field, c.operator, c.value)) for c in clauses]
    return "".join(o + t for o, t in zip(["", *operators], texts, strict=True))


def replaced(query: Query, n: int, **new: str) -> str:
    """The text of a query with another clause n."""
    clauses = [c._replace(**new) if i == n else c for i, c in enumerate(query.clauses)]
    return written(clauses, list(query.operators))


# --- the trigger ---


def rename_trigger(bed: Bed) -> tuple[str, str] | None:
    if bed.flow.trigger is None or not bed.free((TRIGGER, "name")):
        return None
    bed.take((TRIGGER, "name"))
    old = bed.flow.trigger.type
    bed.flow.trigger.type = bed.rng.choice(
        [t for t in ("record_create", "record_update", "daily", "email") if t != old]
    )
    return old, bed.flow.trigger.type


@plant("wrong_trigger")
def other_trigger(bed):
    return rename_trigger(bed) and {TRIGGER}


@plant("wrong_trigger")
def other_trigger_and_its_pills(bed):
    if not any(c == (TRIGGER, "pills") for c in bed.claims) and (names := rename_trigger(bed)):
        for _, piece in bed.flow.pieces():
            for i in piece.inputs:
                i.value = i.value.replace("{{" + names[0] + ".", "{{" + names[1] + ".")
        return {TRIGGER}


@plant("wrong_trigger")
def no_trigger(bed):
    if bed.flow.trigger and bed.free((TRIGGER, "all")):
        bed.take((TRIGGER, "all"))
        bed.flow.trigger = None
        return {TRIGGER}


# --- steps ---


def drop(bed: Bed, wanted: Iterable) -> set[int] | None:
    """Take one step out; what is inside it takes its place. The loops that it feeds stay."""
    if found := bed.pick((s, [(s.step, "all"), *bed.near(s, *loops_of(bed.flow, s))]) for s in wanted):
        for child in children(bed.flow, found[0]):
            child.block = found[0].block
        bed.remove(found[0])
        return {found[0].step}


def loops_of(flow: Flow, step) -> list:
    head = f"step_{step.step}"
    return [s for s in flow.components if s.name == "FOREACH" and any(head in pill_heads(i.value) for i in s.inputs)]


@plant("missing_step")
def no_step(bed):
    return drop(bed, [s for s in actions(bed.flow) if not feeds_a_loop(bed.flow, s)])


@plant("missing_dependency")
def no_look_up(bed):
    return drop(bed, [s for s in actions(bed.flow) if feeds_a_loop(bed.flow, s)])


@plant("missing_dependency")
def no_second_branch(bed):
    parallels = [s for s in bed.flow.components if s.name == "PARALLEL" and len(children(bed.flow, s)) == 2]
    return drop(bed, [b for s in parallels for b in children(bed.flow, s) if b.name == "BRANCH"])


@plant("missing_dependency")
def no_catch(bed):
    return drop(bed, [s for s in bed.flow.components if s.name == "CATCH"])


@plant("missing_logic")
def no_block(bed):
    return drop(bed, [s for s in blocks(bed.flow) if s.name not in ("BRANCH", "PARALLEL", "CATCH")])


INPUTS = [[], [("table", "incident")], [("log_message", "Done"), ("log_level", "info")]]


def put_in(bed: Bed, name: str) -> set[int] | None:
    """A new step somewhere, at the level of the step before it."""
    places = [(s, bed.near(s)) for s in bed.flow.components]
    if found := bed.pick(places):
        before, mark = found[0], bed.mark()
        at = bed.flow.components.index(before) + bed.rng.randint(0, 1)
        new = new_step(bed.flow, name, mark, before.block, bed.rng.choice(INPUTS))
        bed.flow.components.insert(at, new)
        bed.take((mark, "all"))
        return {mark}


@plant("extra_step")
def another_step(bed):
    return put_in(bed, bed.rng.choice(USUAL))


@plant("unknown_step")
def another_unknown_step(bed):
    return put_in(bed, "UNKNOWN")


LOGIC = {
    "IF": [("condition", "zone=9")],
    "FOREACH": [("items", "{{trigger.zones}}")],
    "DOUNTIL": [("condition", "zone=9")],
}


@plant("extra_logic")
def wrapped(bed):
    """A block around a step, or around two or three that follow each other."""
    steps = [s for s in bed.flow.components if s.name not in ("ELSE", "ELSEIF", "CATCH", "BRANCH", "PARALLEL", "TRY")]
    rows = [siblings(bed.flow, s)[siblings(bed.flow, s).index(s) :][: bed.rng.randint(1, 3)] for s in steps]
    rows = [r for r in rows if all(s in steps for s in r)]
    if found := bed.pick((r, bed.near(*r)) for r in rows):
        name, mark = bed.rng.choice(list(LOGIC)), bed.mark()
        block = new_step(bed.flow, name, mark, found[0][0].block, LOGIC[name])
        bed.flow.components.insert(bed.flow.components.index(found[0][0]), block)
        for s in found[0]:
            s.block = mark
        bed.take((mark, "all"))
        return {mark}


@plant("wrong_logic")
def other_logic(bed):
    """An IF that is a FOREACH, an ELSE that is an ELSEIF; its inputs are those of its new name."""
    groups = [list(LOGIC), ["ELSE", "ELSEIF"]]
    found = [(s, g, [(s.step, "all"), *bed.near(s)]) for s in blocks(bed.flow) for g in groups if s.name in g]
    if choice := bed.pick(found):
        step, group, _ = choice
        step.name = bed.rng.choice([n for n in group if n != step.name])
        kept = [i for i in step.inputs if step.name != "FOREACH" and i.name == "condition"]
        new = [flow_input(*i) for i in LOGIC.get(step.name, [("condition", "zone=9")] if step.name == "ELSEIF" else [])]
        step.inputs = kept if kept and step.name != "ELSE" else new
        return {step.step}


def rename(bed: Bed, name: Callable) -> set[int] | None:
    if found := bed.pick((s, [(s.step, "name")]) for s in actions(bed.flow)):
        found[0].name = name(found[0].name)
        return {found[0].step}


@plant("wrong_step")
def other_step(bed):
    return rename(bed, lambda old: bed.rng.choice([n for n in USUAL if n != old]))


@plant("unknown_step")
def other_unknown_step(bed):
    return rename(bed, lambda old: "UNKNOWN")


# --- places ---


def held(bed: Bed, without: tuple[str, ...]) -> list:
    return [b for b in blocks(bed.flow) if b.name not in without]


@plant("misplaced_step")
def last_step_outside(bed):
    found = [(children(bed.flow, b)[-1], b) for b in held(bed, ("PARALLEL", "TRY", "IF"))]
    found += [(children(bed.flow, b)[-1], b) for b in held(bed, ()) if b.name == "IF" and not has_else(bed.flow, b)]
    if choice := bed.pick((s, b, bed.near(s, b)) for s, b in found):
        choice[0].block = choice[1].block
        return {choice[0].step}


def has_else(flow: Flow, block) -> bool:
    beside = siblings(flow, block)
    return any(s.name in ("ELSE", "ELSEIF") for s in beside[beside.index(block) + 1 :][:1])


@plant("misplaced_step")
def first_step_outside(bed):
    found = [(children(bed.flow, b)[0], b) for b in held(bed, ("PARALLEL", "CATCH", "ELSE", "ELSEIF", "BRANCH"))]
    if choice := bed.pick((s, b, bed.near(s, b)) for s, b in found):
        step, block, _ = choice
        held_in = [step, *(s for s in bed.flow.components if is_inside(bed.flow, s, step))]
        rest = [s for s in bed.flow.components if s not in held_in]
        step.block = block.block
        at = rest.index(block)
        bed.flow.components = [*rest[:at], *held_in, *rest[at:]]
        return {step.step}


def is_inside(flow: Flow, step, top) -> bool:
    above = {s.step: s.block for s in flow.components}
    m = step.block
    while m is not None and m != top.step:
        m = above.get(m)
    return m is not None


@plant("misplaced_step")
def next_step_inside(bed):
    found = []
    for b in held(bed, ("PARALLEL", "TRY")):
        beside = siblings(bed.flow, b)
        after = beside[beside.index(b) + 1 :][:1]
        found += [(s, b, bed.near(s, b)) for s in after if s.name not in LOGIC_STEPS]
    if choice := bed.pick(found):
        choice[0].block = choice[1].step
        return {choice[0].step}


@plant("wrong_order")
def two_steps_swapped(bed):
    """A step behind the step, or the block, that follows it."""
    found = []
    for s in actions(bed.flow):
        beside = siblings(bed.flow, s)
        for other in beside[beside.index(s) + 1 :][:1]:
            alone = other.name not in ("ELSE", "ELSEIF", "CATCH", "BRANCH") and not has_else(bed.flow, other)
            if alone and other.name not in (s.name, "TRY"):
                found.append((s, other, bed.near(s, other)))
    if choice := bed.pick(found):
        step, other, _ = choice
        rest = [s for s in bed.flow.components if s is not step]
        last = max(rest.index(s) for s in rest if s is other or is_inside(bed.flow, s, other))
        bed.flow.components = [*rest[: last + 1], step, *rest[last + 1 :]]
        return {step.step, other.step}


# --- inputs ---


@plant("missing_input")
def no_input(bed):
    found = bed.inputs(lambda i: i.value.removesuffix("^EQ"))
    if choice := bed.pick((p, i, m, [*c, (m, "names")]) for p, i, m, c in found):
        choice[0].inputs.remove(choice[1])
        return {choice[2]}


@plant("extra_input")
def another_input(bed):
    name = bed.rng.choice(["active", "comments", "zz_extra"])
    found = [(p, getattr(p, "step", TRIGGER)) for _, p in bed.flow.pieces() if all(i.name != name for i in p.inputs)]
    if choice := bed.pick((p, m, [(m, "names"), (m, name)]) for p, m in found):
        choice[0].inputs.append(flow_input(name, bed.rng.choice(["1", "true"])))
        return {choice[1]}


@plant("wrong_input_name")
def other_input_name(bed):
    found = bed.inputs(lambda i: i.value.removesuffix("^EQ"))
    if choice := bed.pick((p, i, m, [*c, (m, "names")]) for p, i, m, c in found):
        new = bed.rng.choice(["a_{}", "{}_name", "x_{}", "filter"]).format(choice[1].name)
        choice[1].name = new
        bed.take((choice[2], new))
        return {choice[2]}


def table(bed: Bed, names: list[str]) -> set[int] | None:
    found = bed.inputs(lambda i: is_table_input(i.name))
    if choice := bed.pick(found):
        choice[1].value = bed.rng.choice([t for t in names if t != choice[1].value])
        return {choice[2]}


@plant("wrong_table")
def other_table(bed):
    return table(bed, ["incident", "problem", "sys_user"])


@plant("unknown_table")
def unknown_table(bed):
    return table(bed, ["UNKNOWN"])


@plant("wrong_column")
def other_column_of_a_clause(bed):
    found = bed.clauses(lambda c: "{{" not in c.field)
    if choice := bed.pick(found):
        i, query, n, m, _ = choice
        taken = {c.field for c in query.clauses}
        i.value = replaced(query, n, field=bed.rng.choice([f for f in ("active", "name", "zone") if f not in taken]))
        return {m}


@plant("wrong_column")
def other_column(bed):
    if choice := bed.pick(bed.inputs(lambda i: is_column_input(i.name) and "{{" not in i.value)):
        choice[1].value = "zone"
        return {choice[2]}


@plant("missing_condition")
def no_clause(bed):
    if choice := bed.pick(bed.clauses(lambda c: True)):
        i, query, n, m, _ = choice
        clauses = [c for k, c in enumerate(query.clauses) if k != n]
        operators = list(query.operators)
        operators[max(n - 1, 0) : max(n - 1, 0) + 1] = []
        i.value = written(clauses, operators) if clauses else ""
        return {m}


@plant("extra_condition")
def another_clause(bed):
    if choice := bed.pick(bed.clauses(lambda c: True)):
        i, query, n, m, _ = choice
        field = bed.rng.choice([f for f in ("active", "name", "zone") if f not in {c.field for c in query.clauses}])
        new = query.clauses[n]._replace(field=field, operator=bed.rng.choice(["=", "!="]), value="9")
        clauses, operators = list(query.clauses), list(query.operators)
        clauses.insert(n, new)
        operators.insert(n, "^")
        i.value = written(clauses, operators)
        return {m}


OPERATORS = {"=": "!=", "!=": "=", ">": "<", "<": ">", ">=": "<=", "<=": ">=", "LIKE": "STARTSWITH"}


@plant("wrong_operator")
def other_operator(bed):
    if choice := bed.pick(bed.clauses(lambda c: c.value)):
        i, query, n, m, _ = choice
        i.value = replaced(query, n, operator=OPERATORS.get(query.clauses[n].operator, "="))
        return {m}


@plant("wrong_operator")
def other_logical_operator(bed):
    found = [f for f in bed.clauses(lambda c: True) if f[2] and f[1].operators[f[2] - 1] in ("^", "^OR")]
    if choice := bed.pick(found):
        i, query, n, m, _ = choice
        operators = list(query.operators)
        operators[n - 1] = "^OR" if operators[n - 1] == "^" else "^"
        i.value = written(list(query.clauses), operators)
        return {m}


@plant("wrong_value")
def other_value_of_a_clause(bed):
    if choice := bed.pick(bed.clauses(lambda c: c.value and not PILL.fullmatch(c.value))):
        i, query, n, m, _ = choice
        old = query.clauses[n].value
        i.value = replaced(query, n, value=old + " or so" if "{{" in old else "otherwise")
        return {m}


def is_plain(i) -> bool:
    return i.name not in QUERY_INPUTS and not is_table_input(i.name) and not is_column_input(i.name)


@plant("wrong_value")
def other_text(bed):
    if choice := bed.pick(bed.inputs(lambda i: is_plain(i) and not PILL.fullmatch(i.value))):
        choice[1].value += " or so"
        return {choice[2]}


def other_pill(bed: Bed, text: str) -> str:
    """The text with another pill for its first: one that nothing gives, or of something else in the flow."""
    old = PILL.search(text)[0]
    known = {p for _, piece in bed.flow.pieces() for i in piece.inputs for p in PILL.findall(i.value)}
    return text.replace(old, bed.rng.choice(sorted(known - {old}) or ["{{trigger.zone}}"]), 1)


@plant("wrong_pill")
def other_pill_of_an_input(bed):
    if choice := bed.pick(bed.inputs(lambda i: i.name not in QUERY_INPUTS and PILL.search(i.value))):
        choice[1].value = other_pill(bed, choice[1].value)
        bed.take((TRIGGER, "pills"))
        return {choice[2]}


def pill_of_a_clause(bed: Bed, part: str) -> set[int] | None:
    if choice := bed.pick(bed.clauses(lambda c: PILL.search(getattr(c, part)))):
        i, query, n, m, _ = choice
        i.value = replaced(query, n, **{part: other_pill(bed, getattr(query.clauses[n], part))})
        bed.take((TRIGGER, "pills"))
        return {m}


@plant("wrong_pill")
def other_pill_in_the_field(bed):
    return pill_of_a_clause(bed, "field")


@plant("wrong_pill")
def other_pill_in_the_value(bed):
    return pill_of_a_clause(bed, "value")


# --- cases ---


def counted(flow: Flow, gone: dict[int, int]) -> Flow:
    """A copy whose steps are numbered 1, 2, 3, … in blocks and pills too. gone: numbers of steps that it has not."""
    new = gone | {s.step: n for n, s in enumerate(flow.components, start=1)}
    copy = flow.model_copy(deep=True)
    for s in copy.components:
        s.step, s.block = new[s.step], None if s.block is None else new[s.block]
    for _, piece in copy.pieces():
        for i in piece.inputs:
            i.value = STEP.sub(lambda m: f"{{{{step_{new.get(int(m[1]), int(m[1]))}", i.value)
    return copy


def planted(flows: list[Flow], count: int, seed: int = 0) -> Iterator[Case]:
    """Flows with one to four mistakes, the kinds by turns and each way to make one as often as it can be."""
    rng = random.Random(seed)
    kinds, made = list(PLANTS), 0
    while made < count:
        wanted = [kinds[made % len(kinds)], *rng.choices(kinds, k=made // len(kinds) % 4)]
        flow = spaced(rng.choice(flows))
        bed, plants = Bed(flow, rng), []
        for kind in wanted:
            marks = rng.choice(PLANTS[kind])(bed)
            plants += [Plant(kind, frozenset(marks))] if marks else []
        if len(plants) < len(wanted):
            continue
        made += 1
        numbers = {s.step: n for n, s in enumerate(flow.components, start=1)}
        marks = [s.step for s in flow.components], [s.step for s in bed.flow.components]
        yield Case(counted(flow, {}), counted(bed.flow, numbers), plants, marks)


# --- how they are named ---

COMPONENT = re.compile(r"components\[(\d+)\]")


def about(case: Case, cause) -> Marks:
    """The marks of the steps that a cause names."""
    found = set()
    for path, marks in zip((cause.expected_path, cause.generated_path), case.marks, strict=True):
        if path and (at := COMPONENT.match(path)):
            found.add(marks[int(at[1])])
        elif path and path.startswith("trigger"):
            found.add(TRIGGER)
    return frozenset(found)


class Naming(NamedTuple):
    """What the causes of a case named: the kinds of the plants that are named and that are not, and of causes too many."""

    named: list[str]
    unnamed: list[str]
    false: list[str]


def naming(case: Case, found: Explanation, called: dict[str, str]) -> Naming:
    """Each plant is named by one cause of its kind at its place, or is not. Pills that others put off are no mistakes."""
    causes = [(c.kind, about(case, c)) for c in found.causes if c.kind != "following_pill"]
    named, unnamed = [], []
    for p in case.plants:
        fit = next((c for c in causes if c[0] == called.get(p.kind, p.kind) and c[1] & p.marks), None)
        (named if fit else unnamed).append(p.kind)
        if fit:
            causes.remove(fit)
    return Naming(named, unnamed, [c[0] for c in causes])


class Row(NamedTuple):
    """planted: how many. recall, precision: 0..1. tied: share of its cases that have another script of the same cost.
    singles: planted alone; whole: share of these that score 1 once the kind is undone."""

    planted: int
    recall: float
    precision: float
    tied: float
    singles: int
    whole: float


def table_of(
    cases: Iterable[Case], lacking: Callable, tied: Callable[[Explanation], bool], called: dict[str, str] | None = None,
) -> dict[str, Row]:  # fmt: skip
    """How each planted kind is named. called: what a kind is called, where it is not by its name."""
    called = called or {}
    planted, named, false, ties, singles, whole = (Counter() for _ in range(6))
    for case in cases:
        found = explain(case.expected, case.generated, lacking=lacking)
        result = naming(case, found, called)
        planted.update(p.kind for p in case.plants)
        named.update(result.named)
        false.update(result.false)
        is_tied = tied(found)
        ties.update(p.kind for p in case.plants if is_tied)
        if len(case.plants) == 1:
            kind = case.plants[0].kind
            singles[kind] += 1
            whole[kind] += abs(repaired(found, [called.get(kind, kind)]) - 1) < 1e-12
    names = {k: called.get(k, k) for k in PLANTS}
    return {
        k: Row(
            planted[k],
            named[k] / planted[k],
            named[k] / max(named[k] + false[names[k]], 1),
            ties[k] / planted[k],
            singles[k],
            whole[k] / max(singles[k], 1),
        )
        for k in PLANTS
    }


def shown(rows: dict[str, Row]) -> str:
    """The table as text."""
    lines = [f"{'kind':<20}{'planted':>8}{'recall':>8}{'precision':>10}{'tied':>7}{'singles':>9}{'whole':>7}"]
    for k, r in rows.items():
        lines.append(
            f"{k:<20}{r.planted:>8}{r.recall:>8.3f}{r.precision:>10.3f}{r.tied:>7.2f}{r.singles:>9}{r.whole:>7.3f}"
        )
    return "\n".join(lines)
