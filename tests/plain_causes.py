"""Causes and repairs in plain Python, a node at a time: slow, and what the compiled ones are held against."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import combinations, pairwise, product
from typing import Literal, NamedTuple

import numpy as np

from flowgen_analysis.flows.conditions import is_column_input, is_table_input, parse_query
from flowgen_analysis.scoring.alignment import Alignment, align
from flowgen_analysis.scoring.edits import Edit, Move, Script
from flowgen_analysis.scoring.kinds import CAUSE_KINDS
from flowgen_analysis.scoring.options import UNITS, Compared, Costs, node_costs
from flowgen_analysis.scoring.tree import Kind, Place, depths

Lacking = tuple[str, str, str]


class Told(NamedTuple):
    """A cause: its kind, its edits, and the nodes that it is about, -1 for none."""

    kind: str
    edits: tuple[int, ...]
    e: int
    g: int


def _tiers(generated: Sequence[Place], expected: Sequence[Place]) -> list[tuple[Costs, int]]:
    """Second costs, the more important first, each with a bound on what they can add up to."""
    sides = (generated, expected)
    step = [np.array([p.kind == Kind.STEP for p in s]) for s in sides]
    names, blocks, groups, inputs = {}, [], [], []
    label = [np.array([names.setdefault(p.label, len(names)) for p in s]) for s in sides]
    for s in sides:
        blocks.append(np.array([names.setdefault(s[p.parent].label, len(names)) for p in s]))
        groups.append(np.array([_group(p) for p in s]))
        inputs.append(np.array([names.setdefault((p.role, p.input), len(names)) for p in s]))
    steps, one_step = step[0][:, None] & step[1][None, :], step[0][:, None] | step[1][None, :]
    equal = label[0][:, None] == label[1][None, :]
    named = Costs(step[0].astype(int), step[1].astype(int), np.where(steps, 2 * ~equal, one_step))
    free = [np.zeros(len(s), int) for s in sides]
    placed = Costs(free[0], free[1], steps & (blocks[0][:, None] != blocks[1][None, :]))
    values = [np.array([p.kind == Kind.VALUE for p in s]) for s in sides]
    same_group = groups[0][:, None] == groups[1][None, :]
    renamed = np.where(same_group & (groups[0] != _LOGIC)[:, None], 1, _NEVER)
    both_values = values[0][:, None] & values[1][None, :]
    other = np.where(both_values, inputs[0][:, None] != inputs[1][None, :], np.where(equal & same_group, 0, _NEVER))
    gone = [np.where(s, 2, 1) for s in step]
    small = Costs(gone[0], gone[1], np.where(steps, np.where(equal, 0, renamed), other))
    total = len(generated) + len(expected)
    return [(named, sum(int(s.sum()) for s in step)), (placed, int(step[0].sum())), (small, _NEVER * total)]


_LOGIC, _NEVER = 3, 6


def _group(place: Place) -> int:
    """What may take a node's place: an action or subflow another, a trigger another, a logic step only its like."""
    if place.kind != Kind.STEP:
        return -1 - place.kind
    return 1 if place.role == "trigger" else _LOGIC if place.label.startswith("flowlogic___") else 2


def _readable(pair: Compared) -> tuple[Costs, int]:
    """Costs whose first part is FlowSim's, and what one of FlowSim's units weighs in them."""
    sums, weight = [np.zeros_like(c, np.int64) for c in pair.costs], 1
    tiers = _tiers(pair.generated, pair.expected)
    largest = 2 * UNITS * (len(pair.generated) + len(pair.expected))
    while tiers and largest * np.prod([bound + 1 for _, bound in tiers], dtype=float) > 2.0**62:
        tiers.pop()
    for costs, bound in reversed(tiers):
        sums = [s + weight * c for s, c in zip(sums, costs, strict=True)]
        weight *= bound + 1
    return Costs(*[s + weight * c for s, c in zip(sums, pair.costs, strict=True)]), weight


def plain_mates(pair: Compared) -> tuple[int, np.ndarray, np.ndarray]:
    """What the script costs in `UNITS`; the mates of the generated and of the expected nodes."""
    costs, weight = _readable(pair)
    cost, mate = align(depths(pair.generated), depths(pair.expected), *costs)
    for i in np.flatnonzero(mate >= 0):  # free nodes of unrelated steps only look related
        g, e = pair.generated[i], pair.expected[mate[i]]
        if g.kind == Kind.FREE and mate[g.holder] != e.holder:
            mate[i] = -1
    return cost // weight, mate, Alignment(cost, mate).mates_of_b(len(pair.expected))


def subtree_ends(tree: Sequence[Place]) -> list[int]:
    """For each node the end (excluded) of its subtree in reading order."""
    ends = list(range(1, len(tree) + 1))
    for i in range(len(tree) - 1, 0, -1):
        ends[tree[i].parent] = max(ends[tree[i].parent], ends[i])
    return ends


def _moves(found: Script) -> list[Move]:
    """The subtrees that a script deletes at one place and inserts, equal, at another."""
    at: dict[tuple[str, int], int] = {}
    for n, edit in enumerate(found.edits):
        if edit.kind == "deleted":
            at["g", edit.generated_node] = n
        elif edit.kind == "inserted":
            at["e", edit.expected_node] = n
    left = _loose_subtrees(found.pair.generated, {i for side, i in at if side == "g"})
    right = _loose_subtrees(found.pair.expected, {i for side, i in at if side == "e"})
    waiting: dict[tuple, list[range]] = {}
    for nodes in left:
        waiting.setdefault(_shape(found.pair.generated, nodes), []).append(nodes)
    pairs: list[Move] = []
    taken_e: set[int] = set()
    taken_g: set[int] = set()
    for nodes in sorted(right, key=len, reverse=True):
        free = [w for w in waiting.get(_shape(found.pair.expected, nodes), []) if w[0] not in taken_g]
        if nodes[0] in taken_e or not free:
            continue
        taken_e |= set(nodes)
        taken_g |= set(free[0])
        e, g = found.pair.expected[nodes[0]], found.pair.generated[free[0][0]]
        edits = [*(at["g", i] for i in free[0] if ("g", i) in at), *(at["e", i] for i in nodes if ("e", i) in at)]
        pairs.append(Move(e.path, g.path, e.text, tuple(sorted(edits))))
    return sorted(pairs, key=lambda m: m.edits)


def _loose_subtrees(tree: Sequence[Place], loose: Collection[int]) -> list[range]:
    """The subtrees of steps none of whose nodes that cost something has a mate."""
    ends = subtree_ends(tree)
    tops = (i for i in sorted(loose) if tree[i].role == "step")
    whole = (range(i, ends[i]) for i in tops)
    return [nodes for nodes in whole if all(k in loose or tree[k].kind < Kind.VALUE for k in nodes)]


def _shape(tree: Sequence[Place], nodes: range) -> tuple:
    """Labels and nesting of a subtree, equal for equal subtrees."""
    return tuple((tree[i].kind, tree[i].label, tree[i].parent - nodes[0] if i > nodes[0] else -1) for i in nodes)


_PILL = re.compile(r"\{\{[^{}]*\}\}")


def is_put_off(expected: str, generated: str, follows: Callable[[str], str]) -> bool:
    """Whether nothing but pills differs, each of which follows. `follows` writes a generated pill as the expected flow would."""
    left, right = _PILL.findall(expected), _PILL.findall(generated)
    if expected == generated or _PILL.sub("{{}}", expected) != _PILL.sub("{{}}", generated):
        return False
    return all(g == e or follows(g) == e for e, g in zip(left, right, strict=True))


def value_kind(expected: str, generated: str, follows: Callable[[str], str]) -> str:
    """What is wrong with a value. `follows` writes the pills of a generated text as the expected flow would."""
    if is_put_off(expected, generated, follows):
        return "following_pill"
    same_pills = _PILL.findall(expected) == _PILL.findall(generated)
    only_pills = _PILL.sub("", expected) == _PILL.sub("", generated)
    is_pill = any(_PILL.fullmatch(text.strip()) for text in (expected, generated))
    return "wrong_pill" if not same_pills and (only_pills or is_pill) else "wrong_value"


def column_kind(expected: str, generated: str, follows: Callable[[str], str]) -> str:
    """What is wrong with a column, in whose place a data pill may stand."""
    kind = value_kind(expected, generated, follows)
    return "wrong_column" if kind == "wrong_value" else kind


Clause = tuple[str, ...]  # field, operator, value
_FIELD, _OPERATOR, _VALUE = range(3)


class ClauseMistake(NamedTuple):
    """What is wrong with a clause: its kind, the clause's index on each side (-1 for none) and the parts of it, 0 to 2."""

    kind: str
    expected: int
    generated: int
    parts: tuple[int, ...]


def query_mistakes(
    expected: Sequence[Clause], generated: Sequence[Clause], follows: Callable[[str], str]
) -> list[ClauseMistake]:
    """What is wrong with the clauses of a query. `follows` writes the pills of a generated text as the expected flow would."""
    pairs = _clause_pairs(expected, generated, follows)
    found = [
        ClauseMistake(*m)
        for i, j in pairs
        for m in ((kind, i, j, parts) for kind, parts in _wrong_parts(expected[i], generated[j], follows))
    ]
    left, right = ({p[side] for p in pairs} for side in (0, 1))
    found += [ClauseMistake("missing_condition", i, -1, (0, 1, 2)) for i in range(len(expected)) if i not in left]
    return found + [ClauseMistake("extra_condition", -1, j, (0, 1, 2)) for j in range(len(generated)) if j not in right]


def _clause_pairs(
    expected: Sequence[Clause], generated: Sequence[Clause], follows: Callable[[str], str]
) -> list[tuple[int, int]]:
    """The clauses that are most alike, each with one other; what is left is on one side alone."""

    def alike(i: int, j: int) -> int:
        weights = ((6, _FIELD), (3, _VALUE), (2, _OPERATOR))
        same = [(w, expected[i][p], generated[j][p]) for w, p in weights]
        return sum(2 * w if e == g else w if follows(g) == e else 0 for w, e, g in same)

    every = sorted((-alike(i, j), abs(i - j), i, j) for i, j in product(range(len(expected)), range(len(generated))))
    pairs: dict[int, int] = {}
    for *_, i, j in every:
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return sorted(pairs.items())


def _wrong_parts(e: Clause, g: Clause, follows: Callable[[str], str]) -> list[tuple[str, tuple[int, ...]]]:
    """The kinds of what differs between two clauses, with the parts that do."""
    found: list[tuple[str, tuple[int, ...]]] = []
    if e[_FIELD] != g[_FIELD]:
        found.append((column_kind(e[_FIELD], g[_FIELD], follows), (_FIELD,)))
    if e[_OPERATOR] != g[_OPERATOR] and "" in (e[_VALUE], g[_VALUE]):
        return [*found, ("wrong_operator", (_OPERATOR, _VALUE))]  # the operator says whether there is a value
    if e[_OPERATOR] != g[_OPERATOR]:
        found.append(("wrong_operator", (_OPERATOR,)))
    if e[_VALUE] != g[_VALUE]:
        found.append((value_kind(e[_VALUE], g[_VALUE], follows), (_VALUE,)))
    return found


_HEAD = re.compile(r"\{\{([^{}.]*)\.")


def pill_head(place: Place) -> str:
    """How a pill names a step or a trigger."""
    return f"step_{place.number}" if place.role == "step" else place.text


def pill_heads(text: str) -> list[str]:
    """What the pills of a text name: steps such as `step_3`, a trigger."""
    return _HEAD.findall(text)


class _Reading:
    """A script with what the rules look up: which step is which, where subtrees end, which step has which number."""

    def __init__(self, script: Script, lacking: Iterable[Lacking]):
        self.edits, pair = script.edits, script.pair
        self.e, self.g = list(pair.expected), list(pair.generated)
        self.of_e = {x.expected_node: x.generated_node for x in self.edits if x.expected_node >= 0}
        self.of_g = {x.generated_node: x.expected_node for x in self.edits if x.generated_node >= 0}
        self.ends_e, self.ends_g = subtree_ends(self.e), subtree_ends(self.g)
        self.unknown = {(kind, place) for kind, _, place in lacking}
        self.moves = _moves(script)
        frames = [{p.label: i for i, p in enumerate(side) if p.kind == Kind.FRAME} for side in (self.e, self.g)]
        self.steps = {i: frames[1][label] for label, i in frames[0].items()}
        self.steps |= {e: g for e, g in self.of_e.items() if g >= 0 and self.e[e].kind == Kind.STEP}
        self.steps_g = {g: e for e, g in self.steps.items()}
        self.swapped: dict[int, tuple[str, int]] = {}  # for an expected step, what the script took for it
        self.moved_with: dict[int, int] = {}  # for an expected step that moved, the one that it moved past
        self.name_heads()

    def pair(self, e: int, g: int) -> None:
        """The expected step e is the generated step g."""
        self.steps[e], self.steps_g[g] = g, e

    def loose(self) -> tuple[list[int], list[int]]:
        """The expected and the generated steps and triggers that are no one's."""
        sides = ((self.e, self.steps), (self.g, self.steps_g))
        left, right = ([i for i, p in enumerate(s) if p.kind == Kind.STEP and i not in of] for s, of in sides)
        return left, right

    def name_heads(self) -> None:
        """Learn how the expected flow names in its pills what the generated flow has."""
        same = [(self.g[g], self.e[e]) for e, g in self.steps.items() if self.e[e].kind == Kind.STEP]
        left, right = self.loose()
        same += _only_ones([self.g[i] for i in right], [self.e[i] for i in left])
        self.heads = {pill_head(g): pill_head(e) for g, e in same if g.role == e.role}
        self.values = {"e": _values(self.e, str), "g": _values(self.g, self.follows)}

    def inside(self, e: int, g: int) -> tuple[list[int], list[int]]:
        """Expected steps inside e whose mates are outside g; and those outside e whose mates are inside g."""
        steps = [(i, m) for i, m in self.steps.items() if self.e[i].role == "step"]
        both = [(e < i < self.ends_e[e], g < m < self.ends_g[g], i) for i, m in steps]
        return [i for a, b, i in both if a and not b], [i for a, b, i in both if b and not a]

    def overlap(self, e: int, g: int) -> int:
        """How many steps inside e are inside g."""
        inner = (i for i in range(e + 1, self.ends_e[e]) if self.e[i].role == "step")
        return sum(g < self.steps.get(i, -1) < self.ends_g[g] for i in inner)

    def held(self, e: int, g: int) -> tuple[int, int]:
        """How many steps are inside e, and inside g."""
        inside = self.e[e + 1 : self.ends_e[e]], self.g[g + 1 : self.ends_g[g]]
        left, right = (sum(p.role == "step" for p in side) for side in inside)
        return left, right

    def follows(self, text: str) -> str:
        """A generated text with its pills as the expected flow numbers the steps and names the trigger."""
        return _HEAD.sub(lambda found: "{{" + self.heads.get(found[1], found[1]) + ".", text)

    def common(self, e: int, g: int) -> int:
        """How many values two steps share."""
        return (self.values["e"].get(e, _NONE) & self.values["g"].get(g, _NONE)).total()

    def most(self, e: int, g: int) -> int:
        """How many values the one has that has more of them."""
        return max(self.values["e"].get(e, _NONE).total(), self.values["g"].get(g, _NONE).total())

    def shares_values(self, e: int, g: int) -> bool:
        """Whether two steps share half of their values, or more."""
        return 2 * self.common(e, g) >= max(self.most(e, g), 1)


_NONE: Counter = Counter()


def _values(side: Sequence[Place], follows: Callable[[str], str]) -> dict[int, Counter]:
    """The values of each step, with their pills as the expected flow would write them."""
    found: dict[int, Counter] = {}
    for p in side:
        if p.kind == Kind.VALUE:
            found.setdefault(p.holder, Counter())[p.role, p.input, follows(p.text)] += 1
    return found


def _only_ones(left: Sequence[Place], right: Sequence[Place]) -> list[tuple[Place, Place]]:
    """The pairs of nodes whose label is the only one of its kind on both sides."""
    counts = [Counter(p.label for p in side) for side in (left, right)]
    return [(a, b) for a in left for b in right if a.label == b.label and all(c[a.label] == 1 for c in counts)]


def _is_logic(place: Place) -> bool:
    return place.label.startswith("flowlogic___")


_How = Literal["moved", "along", "renamed", "kept"]


def _pair_up(at: _Reading) -> dict[int, _How]:
    """Pair the steps without a mate that are one step; how each expected one of them differs from the generated one."""
    how: dict[int, _How] = {}
    _swap_nested(at)
    _take_back(at, how)
    for move in at.moves:
        e = min(at.edits[n].expected_node for n in move.edits if at.edits[n].kind == "inserted")
        g = min(at.edits[n].generated_node for n in move.edits if at.edits[n].kind == "deleted")
        for i, k in zip(range(e, at.ends_e[e]), range(g, at.ends_g[g]), strict=True):
            if at.e[i].kind == Kind.STEP:
                at.pair(i, k)
                how[i] = "moved" if i == e else "along"
    _pair_best(at, how, "moved", _is_moved)
    for rule in (_is_same_action, _is_same_block):
        _pair_best(at, how, "renamed", rule)
    _pair_best(at, how, "moved", _is_moved_action)
    for e in sorted(how):  # parents come first
        above = at.e[e].parent
        if how[e] == "moved" and how.get(above) in ("moved", "along") and at.steps[above] == at.g[at.steps[e]].parent:
            how[e] = "along"
    at.name_heads()
    _put_in_order(at, how)
    return how


def _put_in_order(at: _Reading, how: dict[int, _How]) -> None:
    """Of steps that moved past each other the first has moved, and the others with it; who passed no one has not moved.

    Nor has a step in a block that is extra, or without one that is missing.
    """
    for e in sorted(e for e, name in how.items() if name == "moved"):
        g, above = at.steps[e], at.e[e].parent
        if any(at.inside(e, g)):
            continue
        if _same_place(at, e, g):
            how[e] = "kept"
        if how[e] == "kept" or at.steps.get(above) != at.g[g].parent:
            continue
        beside = ((i, m) for i, m in at.steps.items() if at.e[i].parent == above and at.g[m].parent == at.g[g].parent)
        passed = [i for i, m in beside if (i < e) != (m < g)]
        if passed and min(passed) < e and all(how.get(i) == "moved" for i in passed):
            at.moved_with[e] = min(passed)


def _swap_nested(at: _Reading) -> None:
    """Where a block and the block around it have one name, pair the one that shares more values."""
    left, right = at.loose()
    for other in right:
        for g, e in list(at.steps_g.items()):
            if _is_nested(at.g, g, other) and at.common(e, other) > at.common(e, g):
                del at.steps_g[g]
                at.pair(e, other)
                at.swapped[e] = "extra", g
                break
    for other in left:
        for e, g in list(at.steps.items()):
            if _is_nested(at.e, e, other) and at.common(other, g) > at.common(e, g):
                del at.steps[e]
                at.pair(other, g)
                at.swapped[other] = "missing", e
                break


def _take_back(at: _Reading, how: dict[int, _How]) -> None:
    """Where the script makes one step of another of its name, and elsewhere the very step is, pair the two that are equal."""
    same: dict[str, list[int]] = {}
    for e, g in at.steps.items():
        if at.e[e].label == at.g[g].label and at.common(e, g) + 1 < at.most(e, g):
            same.setdefault(at.e[e].label, []).append(e)
    left, right = at.loose()
    for e, other in ((e, i) for i in left for e in same.get(at.e[i].label, [])):
        if e in at.steps and other not in at.steps and _is_equal(at, other, at.steps[e]):
            at.pair(other, at.steps.pop(e))
            how[other] = "moved"
    for e, other in ((e, i) for i in right for e in same.get(at.g[i].label, [])):
        if e in at.steps and other not in at.steps_g and _is_equal(at, e, other):
            del at.steps_g[at.steps[e]]
            at.pair(e, other)
            how[e] = "moved"
    for one, two in ((a, b) for row in same.values() for a, b in combinations(row, 2)):
        if one in at.steps and two in at.steps and not {one, two} & set(how):
            g, other = at.steps[one], at.steps[two]
            better = at.common(one, other) + at.common(two, g) > at.common(one, g) + at.common(two, other)
            if better and (_is_equal(at, one, other) or _is_equal(at, two, g)):
                at.pair(one, other)
                at.pair(two, g)
                how[one] = how[two] = "moved"
    at.name_heads()


def _is_equal(at: _Reading, e: int, g: int) -> bool:
    return at.common(e, g) == at.most(e, g)


def _is_nested(side: Sequence[Place], one: int, two: int) -> bool:
    return side[one].label == side[two].label and (side[one].parent == two or side[two].parent == one)


def _pair_best(at: _Reading, how: dict[int, _How], name: _How, rule: Callable[[_Reading, int, int], bool]) -> None:
    """Pair what a rule of two steps says is one step, most steps in common first, until it says so of no more."""
    while alike := [(-at.overlap(e, g), -at.common(e, g), e, g) for e, g in product(*at.loose()) if rule(at, e, g)]:
        for *_, e, g in sorted(alike):
            if e not in at.steps and g not in at.steps_g:
                at.pair(e, g)
                how[e] = name
        at.name_heads()


def _is_moved(at: _Reading, e: int, g: int) -> bool:
    """Whether an expected and a generated step of one name are one step that moved."""
    if at.e[e].label != at.g[g].label or at.e[e].role != "step":
        return False
    if at.shares_values(e, g) or (at.common(e, g) and _is_only_one(at, e, g)):
        return True
    if not _is_logic(at.e[e]):
        return False
    left = not at.most(e, g) or 0 in at.held(e, g)
    return at.overlap(e, g) > 0 or (left and at.steps.get(at.e[e].parent) == at.g[g].parent and any(at.inside(e, g)))


def _is_only_one(at: _Reading, e: int, g: int) -> bool:
    """Whether no other step of that name is no one's."""
    left, right = at.loose()
    same = ([i for i in loose if side[i].label == at.e[e].label] for loose, side in ((left, at.e), (right, at.g)))
    return [len(s) for s in same] == [1, 1]


def _is_same_action(at: _Reading, e: int, g: int) -> bool:
    """Whether two steps, neither of them logic, are one at the same place with another name; or two triggers."""
    if at.e[e].role == "trigger" or at.g[g].role == "trigger":
        return at.e[e].role == at.g[g].role
    if _is_logic(at.e[e]) or _is_logic(at.g[g]):
        return False
    return (at.common(e, g) > 0 or not at.most(e, g)) and _same_place(at, e, g)


def _is_moved_action(at: _Reading, e: int, g: int) -> bool:
    """Whether two steps, neither of them logic, are one that moved and has another name."""
    plain = at.e[e].role == at.g[g].role == "step" and not (_is_logic(at.e[e]) or _is_logic(at.g[g]))
    return plain and at.shares_values(e, g)


def _is_same_block(at: _Reading, e: int, g: int) -> bool:
    """Whether two logic steps are one at the same place with another name."""
    if not (_is_logic(at.e[e]) and _is_logic(at.g[g])):
        return False
    held = max(at.held(e, g))
    alike = 2 * at.overlap(e, g) >= held if held else at.steps.get(at.e[e].parent) == at.g[g].parent
    return alike and _same_place(at, e, g)


def _same_place(at: _Reading, e: int, g: int) -> bool:
    """Whether no step that is on both sides comes between two places, and they are in the same block as far as there is one."""
    above = [_above(at.e, e, at.steps), _above(at.g, g, at.steps_g)]
    if at.steps[above[0]] != above[1]:
        return False
    steps = ((i, m) for i, m in at.steps.items() if at.e[i].role == "step")
    return all((i < e) == (m < g) for i, m in steps if not e < i < at.ends_e[e] and not g < m < at.ends_g[g])


def _above(side: Sequence[Place], node: int, paired: dict[int, int]) -> int:
    """The nearest step or frame above a node that is on both sides."""
    node = side[node].parent
    while node not in paired:
        node = side[node].parent
    return node


def _is_dependency(at: _Reading, e: int) -> bool:
    """Whether a step that the generated flow has cannot do without the missing step e."""
    place, above = at.e[e], at.steps.get(at.e[e].parent, -1)
    if place.label == "flowlogic___BRANCH":
        return above >= 0 and sum(p.parent == above and p.label == place.label for p in at.g) < 2
    if place.label == "flowlogic___CATCH":
        before = [i for i in range(e) if at.e[i].role == "step" and at.e[i].parent == place.parent]
        return bool(before) and at.e[before[-1]].label == "flowlogic___TRY" and before[-1] in at.steps
    pill = "{{" + pill_head(place) + "."
    loops = (p for p in at.e if p.role == "input" and pill in p.text and p.holder in at.steps)
    return any(at.e[p.holder].label == "flowlogic___FOREACH" for p in loops)


def _step_kind(at: _Reading, e: int, g: int) -> str:
    """The kind of a step or trigger that is missing (g is -1), extra (e is -1), or has another name."""
    place = at.e[e] if e >= 0 else at.g[g]
    if place.role == "trigger":
        return "wrong_trigger"
    if g < 0:
        return (
            "missing_dependency" if _is_dependency(at, e) else "missing_logic" if _is_logic(place) else "missing_step"
        )
    if ("step", at.g[g].path) in at.unknown:
        return "unknown_step"
    if e < 0:
        return "extra_logic" if _is_logic(place) else "extra_step"
    return "wrong_logic" if _is_logic(place) and _is_logic(at.g[g]) else "wrong_step"


def _move_kind(at: _Reading, e: int, g: int) -> str:
    return "wrong_order" if at.steps.get(at.e[e].parent) == at.g[g].parent else "misplaced_step"


class _Mistake(NamedTuple):
    """A mistake within a step. e, g: the nodes that it is about, -1 for none. nodes_e, nodes_g: all that are wrong by it.

    within: the expected inputs node, or query, that it is in. shifts: whether it can put what is right out of line.
    """

    kind: str
    e: int
    g: int
    nodes_e: tuple[int, ...]
    nodes_g: tuple[int, ...]
    within: int = -1
    shifts: bool = True


def _inputs(side: Sequence[Place], ends: Sequence[int], holder: int) -> list[int]:
    """The nodes of the inputs of a step, a simple input or a query each."""
    top = holder + 1
    if top >= len(side) or side[top].role != "inputs":
        return []
    return [i for i in range(top + 1, ends[top]) if side[i].parent == top]


def _step_mistakes(at: _Reading, e: int, g: int) -> list[_Mistake]:
    """What is wrong with the inputs of a step that is on both sides."""
    left, right = _inputs(at.e, at.ends_e, e), _inputs(at.g, at.ends_g, g)
    found: list[_Mistake] = []
    for i in list(left):
        same = [k for k in right if at.g[k].input == at.e[i].input]
        if same:
            k = next((k for k in same if _same_value(at, i, k)), same[0])
            left.remove(i)
            right.remove(k)
            found += _input_mistakes(at, i, k)
    right_step = at.e[e].label == at.g[g].label
    for rule in (_same_value, _put_there) if right_step else (_same_value,):
        for i, k in product(list(left), list(right)):
            if i in left and k in right and rule(at, i, k):
                left.remove(i)
                right.remove(k)
                found.append(_whole(at, "wrong_input_name", i, k))
    found += [_whole(at, "missing_input", i, -1) for i in left]
    return found + [_whole(at, "extra_input", -1, k) for k in right]


def _whole(at: _Reading, kind: str, i: int, k: int) -> _Mistake:
    """A mistake that is about whole inputs."""
    nodes_e = tuple(range(i, at.ends_e[i])) if i >= 0 else ()
    nodes_g = tuple(range(k, at.ends_g[k])) if k >= 0 else ()
    return _Mistake(kind, i, k, nodes_e, nodes_g)


def _same_value(at: _Reading, i: int, k: int) -> bool:
    """Whether two inputs have one value, pills that follow aside."""
    one, two = at.e[i], at.g[k]
    if one.role == two.role == "input":
        return _is_same(at, one.text, two.text)
    left, right = _said_clauses(at.e, i, at.ends_e[i]), _said_clauses(at.g, k, at.ends_g[k])
    if left is None or right is None or len(left) != len(right):
        return False
    return all(_is_same(at, e, g) for a, b in zip(left, right, strict=True) for e, g in zip(a, b, strict=True))


def _is_same(at: _Reading, e: str, g: str) -> bool:
    return e == g or is_put_off(e, g, at.follows)


def _put_there(at: _Reading, i: int, k: int) -> bool:
    """Whether the script makes the one input of the other."""
    return at.of_e[i] == k


_PARTS = ("field", "operator", "value")


def _clauses(side: Sequence[Place], query: int, end: int) -> list[tuple[Clause, dict[str, int]]] | None:
    """The clauses of the query at a node, with the nodes of their parts; None for one that did not parse."""
    if any(p.role == "text" for p in side[query:end]):
        return None
    found: dict[int, dict[str, int]] = {}
    for n in range(query, end):
        if side[n].clause >= 0:
            found.setdefault(side[n].clause, {})[side[n].role] = n
    return [(tuple(side[c[r]].text if r in c else "" for r in _PARTS), c) for c in found.values()]


def _said_clauses(side: Sequence[Place], node: int, end: int) -> list[Clause] | None:
    """The clauses of a query, or of a simple input that reads as one, in the order of their fields."""
    if side[node].role != "input":
        found = _clauses(side, node, end)
        return None if found is None else sorted(c for c, _ in found)
    query = parse_query(side[node].text)
    return sorted((c.field, c.operator, c.value) for c in query.clauses) if query else None


def _input_mistakes(at: _Reading, i: int, k: int) -> list[_Mistake]:
    """What is wrong with an input that is on both sides."""
    one, two = at.e[i], at.g[k]
    if one.role == "input":
        return [] if one.text == two.text else [_Mistake(_value_kind(at, one, two), i, k, (i,), (k,), i, False)]
    left, right = _clauses(at.e, i, at.ends_e[i]), _clauses(at.g, k, at.ends_g[k])
    if left is None or right is None:
        texts = [p.text for p in (at.e[i + 1], at.g[k + 1])]
        kind = value_kind(texts[0], texts[1], at.follows)
        return [] if at.e[i + 1].label == at.g[k + 1].label else [_whole(at, kind, i + 1, k + 1)._replace(within=i)]
    found = []
    for kind, a, b, parts in query_mistakes([c for c, _ in left], [c for c, _ in right], at.follows):
        sides = (left[a] if a >= 0 else None, right[b] if b >= 0 else None)
        nodes = [tuple(s[1][_PARTS[p]] for p in parts if _PARTS[p] in s[1]) if s else () for s in sides]
        about = [n[0] if n else -1 for n in nodes]
        found.append(_Mistake(kind, about[0], about[1], nodes[0], nodes[1], i, 0 in parts))
    return _with_logicals(at, found, i, k)


def _with_logicals(at: _Reading, found: list[_Mistake], i: int, k: int) -> list[_Mistake]:
    """The mistakes of the clauses of a query, with those of what joins them."""
    ranges = ((at.e, i, at.ends_e[i]), (at.g, k, at.ends_g[k]))
    left, right = ([n for n in range(top, end) if side[n].role == "logical"] for side, top, end in ranges)
    for n in list(left):
        if same := [m for m in right if at.g[m].label == at.e[n].label]:
            left.remove(n)
            right.remove(same[0])
    pairs = list(zip(left, right, strict=False))
    for at_, m in enumerate(found):  # a clause comes and goes with what joins it to the others
        if m.kind == "missing_condition" and len(left) > len(pairs):
            found[at_] = m._replace(nodes_e=(*m.nodes_e, left.pop()))
        elif m.kind == "extra_condition" and len(right) > len(pairs):
            found[at_] = m._replace(nodes_g=(*m.nodes_g, right.pop()))
    return found + [_Mistake("wrong_operator", n, m, (n,), (m,), i) for n, m in pairs]


def _value_kind(at: _Reading, one: Place, two: Place) -> str:
    """What is wrong with the value of a simple input."""
    kind = value_kind(one.text, two.text, at.follows)
    if kind == "wrong_value" and is_table_input(one.input):
        return "unknown_table" if ("table", two.path) in at.unknown else "wrong_table"
    return column_kind(one.text, two.text, at.follows) if is_column_input(one.input) else kind


_Key = tuple[str, int]


def _key(at: _Reading, edit: Edit) -> _Key:
    """What an edit belongs to: a step that is missing, extra, has become another block, or is on both sides."""
    e = at.e[edit.expected_node].holder if edit.expected_node >= 0 else -1
    g = at.g[edit.generated_node].holder if edit.generated_node >= 0 else -1
    if e >= 0 and e not in at.steps:
        return "missing", e
    if g >= 0 and g not in at.steps_g:
        return "extra", g
    e = e if e >= 0 else at.steps_g[g]
    return ("whole" if _is_whole(at, e) else "step"), e


def _is_whole(at: _Reading, e: int) -> bool:
    """Whether a step has become another block, with other inputs."""
    return at.e[e].label != at.g[at.steps[e]].label and _step_kind(at, e, at.steps[e]) == "wrong_logic"


class _Shares:
    """The mistakes of the steps that are on both sides, and the edits that each of them explains."""

    def __init__(self, at: _Reading, how: dict[int, _How]):
        self.at = at
        self.moved = {e for e, name in how.items() if name != "renamed"}
        self.mistakes: list[_Mistake] = []
        self.of_step: dict[int, list[int]] = {}
        for e in at.steps:
            if at.e[e].kind == Kind.STEP and not _is_whole(at, e):
                found = self._mistakes(e)
                self.of_step[e] = list(range(len(self.mistakes), len(self.mistakes) + len(found)))
                self.mistakes += found
        self.edits: list[list[int]] = [[] for _ in self.mistakes]
        self.of_e = {node: n for n, m in enumerate(self.mistakes) for node in m.nodes_e}
        self.of_g = {node: n for n, m in enumerate(self.mistakes) for node in m.nodes_g}

    def _mistakes(self, e: int) -> list[_Mistake]:
        at, g, moved = self.at, self.at.steps[e], e in self.moved
        found = [m for m in _step_mistakes(at, e, g) if not moved or CAUSE_KINDS[m.kind].change != "follows"]
        if at.e[e].label != at.g[g].label:
            found.insert(0, _Mistake(_step_kind(at, e, g), e, g, () if moved else (e,), (g,), e, False))
        return found

    def owners(self, n: int) -> list[int]:
        """The mistakes whose nodes an edit changes, two at most."""
        edit, at = self.at.edits[n], self.at
        by = [of[i] for of, i in ((self.of_e, edit.expected_node), (self.of_g, edit.generated_node)) if i in of]
        if edit.kind == "deleted" and at.steps_g.get(at.g[edit.generated_node].holder) in self.moved:
            by = [m for m in by if not self.mistakes[m].nodes_e]
        return by

    def take(self, edits: Iterable[int]) -> list[int]:
        """Give edits to the mistakes whose nodes they change, of two to the one that has none; those that have no owner."""
        owners = {n: self.owners(n) for n in edits}
        for n in sorted(owners, key=lambda n: len(owners[n])):
            if by := owners[n]:
                self.edits[next((m for m in by if not self.edits[m]), by[0])].append(n)
        return [n for n in owners if not owners[n]]

    def take_shifted(self, e: int, n: int) -> bool:
        """Give an edit of a step to the mistake that put it out of line: of its query, else of the step's input names."""
        at = self.at
        node = at.edits[n].expected_node
        while node >= 0 and not (at.e[node].role == "inputs" or (at.e[node].role == "query" and at.e[node].label)):
            node = at.e[node].parent
        known = ((m, self.mistakes[m]) for m in self.of_step[e])
        ranks = [(m.within != node, not m.shifts, i) for i, m in known if m.shifts or m.within == node >= 0]
        if ranks:
            self.edits[min(ranks)[-1]].append(n)
        return bool(ranks)


def _lone(at: _Reading, edit: Edit) -> _Mistake:
    """What an edit says by itself."""
    e, g = edit.expected_node, edit.generated_node
    kind = "missing_input" if g < 0 else "extra_input"
    if e >= 0 and g >= 0:
        one, two = at.e[e], at.g[g]
        kind = "wrong_input_name" if one.input != two.input else value_kind(one.text, two.text, at.follows)
    return _Mistake(kind, e, g, (), ())


def plain_causes(script: Script, lacking: Iterable[Lacking] = ()) -> list[Told]:
    """What an analyst would call the edits of a script, in reading order. Their losses sum to 1 - FlowSim.

    lacking: what the generated flow uses and its environment lacks (`flows.unknown.unknown_names`).
    """
    at = _Reading(script, lacking)
    how = _pair_up(at)
    shares = _Shares(at, how)
    groups: dict[_Key, list[int]] = {}
    for n in shares.take(n for n, edit in enumerate(at.edits) if edit.cost):
        what, node = _key(at, at.edits[n])
        if what == "step" and node in shares.moved:
            node = _top(at, how, node)
            what = how[node]
        elif what == "step" and node in at.swapped:
            what, node = at.swapped[node]
        elif what == "step" and shares.take_shifted(node, n):
            continue
        elif what == "step":
            what, node = "alone", n
        groups.setdefault((what, node), []).append(n)
    _give_away(groups)
    found = [(m.kind, edits, (m.e, m.g)) for m, edits in zip(shares.mistakes, shares.edits, strict=True)]
    told: dict[tuple[str, tuple[int, int]], list[int]] = {}  # a block and its step may both have moved
    for (what, node), edits in groups.items():
        kind, of = _told(at, what, node)
        told.setdefault((kind, of), []).extend(edits)
    found += [(kind, edits, of) for (kind, of), edits in told.items()]
    told_ = [Told(kind, tuple(sorted(edits)), *of) for kind, edits, of in found if edits]
    return sorted(told_, key=lambda c: c.edits)


def _give_away(groups: dict[_Key, list[int]]) -> None:
    """Give the edits of steps that are in place to the nearest step that is missing, extra or moved, which put them out."""
    others = [(key, n) for key, edits in groups.items() if key[0] in ("missing", "extra", "moved") for n in edits]
    for key in [key for key in groups if key[0] == "kept" and others]:
        edits = groups.pop(key)
        nearest, _ = min(others, key=lambda other, at=edits[0]: abs(other[1] - at))
        groups[nearest].extend(edits)


def _told(at: _Reading, what: str, node: int) -> tuple[str, tuple[int, int]]:
    """The kind of a group of edits, and the nodes that it is about."""
    if what == "alone":
        m = _lone(at, at.edits[node])
        return m.kind, (m.e, m.g)
    of = (-1, node) if what == "extra" else (node, at.steps.get(node, -1))
    if what not in ("moved", "kept"):
        return _step_kind(at, *of), of
    lost, taken = at.inside(*of)
    if about := lost or taken:  # what it holds did not move with it
        return "misplaced_step", (about[0], at.steps[about[0]])
    return _move_kind(at, *of), of


def _top(at: _Reading, how: dict[int, _How], e: int) -> int:
    """The step that moved and that the step e moved along with."""
    while how[e] == "along" or e in at.moved_with:
        e = at.e[e].parent if how[e] == "along" else at.moved_with[e]
    return e


class _Node:
    """A node of a tree that is being edited; `mate`: the expected node that it is, or -1."""

    def __init__(self, place: Place, mate: int, parent: "_Node | None" = None):
        self.place, self.mate, self.parent = place, mate, parent
        self.children: list[_Node] = []

    def above(self) -> "Iterator[_Node]":
        node = self.parent
        while node:
            yield node
            node = node.parent

    def below(self) -> "Iterator[_Node]":
        todo: list[_Node] = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.children))


class _Tree:
    """The generated tree of a script, on its way to the expected one."""

    def __init__(self, script: Script):
        self.expected, self.ends = script.pair.expected, subtree_ends(script.pair.expected)
        mates = {x.generated_node: x.expected_node for x in script.edits if x.generated_node >= 0}
        self.nodes = [_Node(p, mates[i]) for i, p in enumerate(script.pair.generated)]
        for node in self.nodes:
            if node.place.parent >= 0:
                node.parent = self.nodes[node.place.parent]
                node.parent.children.append(node)
        self.present = {node.mate: node for node in self.nodes if node.mate >= 0}
        self.top = _Node(script.pair.generated[0], -1)  # above the root, so that a root can come and go
        self.top.children, self.nodes[0].parent = [self.nodes[0]], self.top

    def delete(self, node: _Node) -> None:
        """Take a node out; its children take its place."""
        assert node.parent
        at = node.parent.children.index(node)
        node.parent.children[at : at + 1] = node.children
        for child in node.children:
            child.parent = node.parent

    def insert(self, e: int) -> None:
        """Bring in the expected node e; the nodes above it that are to come have come."""
        new = _Node(self.expected[e], e)
        below, i = [], e + 1
        while i < self.ends[e]:
            below += [self.present[i]] if i in self.present else []
            i = self.ends[i] if i in self.present else i + 1
        holder, at, end = self._span(e, below) if below else self._gap(e)
        new.parent, new.children = holder, holder.children[at:end]
        holder.children[at:end] = [new]
        for child in new.children:
            child.parent = new
        self.present[e] = new

    def _span(self, e: int, below: list[_Node]) -> tuple[_Node, int, int]:
        """The children of one node that e shall hold: the longest row of them with nothing in it that is not e's."""
        around = [set(map(id, node.above())) for node in below[1:]]
        holder = next(node for node in below[0].above() if all(id(node) in a for a in around))
        wanted = {id(node) for node in below}
        rows, row = [], []
        for at, child in enumerate(holder.children):
            inner = list(child.below())
            if any(n.mate >= 0 and not e < n.mate < self.ends[e] for n in inner):
                row = []
                continue
            if row or any(id(n) in wanted for n in inner):
                row = [*row, at]
                if any(id(n) in wanted for n in inner):
                    rows.append(row)
        best = max(rows, key=len, default=None)
        if best is None:
            return self._gap(e)
        return holder, best[0], best[-1] + 1

    def _gap(self, e: int) -> tuple[_Node, int, int]:
        """Where e comes without children: behind the node before it, else before the one behind it, in the same holder."""
        above = self.expected[e].parent
        while above >= 0 and above not in self.present:
            above = self.expected[above].parent
        holder, end = (self.present[above], self.ends[above]) if above >= 0 else (self.top, len(self.expected))
        before = next(
            (self.present[i] for i in range(e - 1, above, -1) if i in self.present and self.ends[i] <= e), None
        )
        behind = next((self.present[i] for i in range(self.ends[e], end) if i in self.present), None)
        node = before or behind
        lines = [node, *node.above()] if node else []
        if not node or all(n is not holder for n in lines[1:]):
            return holder, len(holder.children), len(holder.children)
        around = {id(n) for n in behind.above()} if before and behind else set()
        child, parent = next((c, p) for c, p in pairwise(lines) if p is holder or id(p) in around)
        at = parent.children.index(child) + (1 if before else 0)
        return parent, at, at

    def places(self) -> tuple[list[Place], list[int]]:
        """The tree as it is now, in reading order, and for each node the expected node that it is, or -1."""
        nodes = list(self.top.below())[1:]
        at = {id(node): i for i, node in enumerate(nodes)} | {id(self.top): -1}
        places = [n.place._replace(parent=at[id(n.parent)], holder=-1, clause=-1) for n in nodes]
        return places, [n.mate for n in nodes]


def _apply_edits(script: Script, chosen: Collection[int] | None = None) -> tuple[list[Place], list[int]]:
    """The generated tree after the edits with these indices (all of them by default), and for each node the expected node
    that it is, or -1. Places keep their path, role, label, parent, input and text."""
    edits = [script.edits[n] for n in (range(len(script.edits)) if chosen is None else sorted(chosen))]
    tree = _Tree(script)
    for edit in edits:
        if edit.kind == "deleted":
            tree.delete(tree.nodes[edit.generated_node])
        elif edit.kind == "renamed":
            tree.nodes[edit.generated_node].place = script.pair.expected[edit.expected_node]
    for edit in edits:
        if edit.kind == "inserted":
            tree.insert(edit.expected_node)
    return tree.places()


def _home(script: Script, cause: Told) -> set[int]:
    """The expected nodes above the steps that a cause puts into place."""
    homes = set()
    for n in cause.edits:
        node = script.edits[n].expected_node
        while node >= 0 and (node := script.pair.expected[node].parent) >= 0:
            homes.add(node)
    return homes


def _inserted(script: Script, causes: Iterable[Told]) -> set[int]:
    """The expected nodes that the repair of causes brings in."""
    edits = (script.edits[n] for c in causes for n in c.edits)
    return {x.expected_node for x in edits if x.kind == "inserted"}


def _chosen(script: Script, causes: Sequence[Told], kinds: Collection[str]) -> list[Told]:
    """The causes of these kinds, without what cannot be repaired yet, with what comes along."""
    moved = [kind for kind, row in CAUSE_KINDS.items() if row.change == "moved"]
    rest = [c for c in causes if c.kind in kinds and c.kind not in moved]
    come, missing = _inserted(script, rest), _inserted(script, [c for c in causes if c.kind not in moved])
    found = []
    for c in causes:
        if c.kind in moved:
            home = _home(script, c)
            if (c.kind in kinds and not home & (missing - come)) or home & come:
                found.append(c)
    return rest + found


def _named_right(expected: Sequence[Place], places: Sequence[Place], mates: Sequence[int]) -> set[int]:
    """The expected steps and trigger that a pill would name as it should in a tree of these places."""
    right, steps = set(), 0
    order = {i: n for n, i in enumerate(i for i, p in enumerate(expected) if p.role == "step")}
    for p, mate in zip(places, mates, strict=True):
        if p.role == "trigger" and mate >= 0 and expected[mate].label == p.label:
            right.add(mate)
        elif p.role == "step":
            if mate >= 0 and order.get(mate) == steps:
                right.add(mate)
            steps += 1
    return right


def _put_right(script: Script, causes: Sequence[Told], edits: Collection[int]) -> list[Told]:
    """The pills that were put off, and are right in the tree after these edits as they were not in the generated one."""
    expected, generated = script.pair.expected, script.pair.generated
    places, mates = _apply_edits(script, edits)
    deleted = (generated[script.edits[n].generated_node] for n in edits if script.edits[n].kind == "deleted")
    gone = {pill_head(p) for p in deleted if p.role in ("step", "trigger")}
    of = {x.generated_node: x.expected_node for x in script.edits if x.generated_node >= 0}
    before = _named_right(expected, generated, [of[i] for i in range(len(of))])
    now = _named_right(expected, places, mates)
    heads = {pill_head(p): i for i, p in enumerate(expected) if p.role in ("step", "trigger")}
    found = []
    for c in causes:
        if CAUSE_KINDS[c.kind].change == "follows":
            nodes = (script.edits[n].expected_node for n in c.edits)
            named = {heads[h] for n in nodes if n >= 0 for h in pill_heads(expected[n].text) if h in heads}
            own = (
                generated[script.edits[n].generated_node].text for n in c.edits if script.edits[n].generated_node >= 0
            )
            if named <= now and (named - before or any(h in gone for text in own for h in pill_heads(text))):
                found.append(c)
    return found


def _edits_of(script: Script, causes: Iterable[Told]) -> set[int]:
    """The edits of causes, with those of the free nodes that belong to steps which are there or no longer there then, and
    without what comes into a step that is not there."""
    chosen = {n for c in causes for n in c.edits}
    waiting = {(x.expected_node, -1) for n, x in enumerate(script.edits) if x.kind == "inserted" and n not in chosen}
    waiting |= {(-1, x.generated_node) for n, x in enumerate(script.edits) if x.kind == "deleted" and n not in chosen}
    for n, x in enumerate(script.edits):
        if not x.cost and x.kind in ("inserted", "deleted"):
            side, node = (
                (script.pair.expected, x.expected_node)
                if x.kind == "inserted"
                else (script.pair.generated, x.generated_node)
            )
            holder = side[node].holder
            if ((holder, -1) if x.kind == "inserted" else (-1, holder)) not in waiting:
                chosen.add(n)
    return {n for n in chosen if not _comes_into(script, n, waiting)}


def _comes_into(script: Script, n: int, waiting: Collection[tuple[int, int]]) -> bool:
    """Whether an edit inserts an input of a step that is yet to come."""
    edit = script.edits[n]
    holder = script.pair.expected[edit.expected_node].holder if edit.kind == "inserted" else -1
    return holder not in (-1, edit.expected_node) and (holder, -1) in waiting


def plain_repaired(script: Script, causes: Sequence[Told], kinds: Collection[str]) -> float:
    """FlowSim once all mistakes of these kinds are undone, by another alignment."""
    chosen = _chosen(script, causes, kinds)
    if not chosen:
        return script.score
    more = [c for c in _put_right(script, causes, _edits_of(script, chosen)) if c not in chosen]
    places, _ = _apply_edits(script, _edits_of(script, [*chosen, *more]))
    expected = script.pair.expected
    left = align(depths(places), depths(expected), *node_costs(places, expected), mapping=False).cost
    size = sum(p.kind >= Kind.VALUE for side in (expected, places) for p in side)
    return 1 - left / UNITS / size if size else 1.0
