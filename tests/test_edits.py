"""The kernels against zss and apted, and what an edit script must keep on whatever flows there are."""

from collections import Counter
from functools import cache

import apted
import numpy as np
import pytest
import zss
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import SHARED, json_lines, needs_shared
from strategies import flows

from flowgen_analysis.flows.reading import read_flow
from flowgen_analysis.scoring.alignment import align
from flowgen_analysis.scoring.distance import tree_distances
from flowgen_analysis.scoring.edits import Script, edit_script, moves
from flowgen_analysis.scoring.flowsim import flowsim, score_pairs
from flowgen_analysis.scoring.options import UNITS, Options, compared, node_costs
from flowgen_analysis.scoring.tree import Encoder, Kind, Tree, depths, outline_places, places
from flowgen_analysis.scoring.what_if import apply_edits

FEW, MANY = settings(max_examples=150, deadline=None), settings(max_examples=2000, deadline=None)
SETTINGS = ["unit", "flowsim", "weighted", "lopsided", "soft"]


@st.composite
def shapes(draw, most: int = 9) -> list[int]:
    """The depths of a tree's nodes in reading order: every shape there is."""
    found = [0]
    for _ in range(draw(st.integers(0, most - 1))):
        found.append(draw(st.integers(1, found[-1] + 1)))
    return found


@st.composite
def problems(draw, how: str):
    """Two trees, and what deleting, inserting and changing their nodes costs."""
    if how in ("flowsim", "soft"):
        one, two = (places(f) for f in (draw(flows(max_steps=3)), draw(flows(max_steps=3))))
        costs = node_costs(one, two, (lambda a, b: len({*a} & {*b}) / len({*a} | {*b})) if how == "soft" else False)
        return depths(one), depths(two), *costs
    one, two = draw(shapes()), draw(shapes())
    if how == "unit":
        labels = [np.array(draw(st.lists(st.integers(0, 2), min_size=len(t), max_size=len(t)))) for t in (one, two)]
        change = (labels[0][:, None] != labels[1][None, :]).astype(int)
        return one, two, np.ones(len(one), int), np.ones(len(two), int), change
    cost = np.random.default_rng(draw(st.integers(0, 2**32)))
    if how == "weighted":
        label, change = [cost.integers(0, 4, len(t)) for t in (one, two)], cost.integers(0, 6, (4, 4))
        weight, change = cost.integers(5, 10, 4), (change + change.T) * (1 - np.eye(4, dtype=int))
        return one, two, weight[label[0]], weight[label[1]], change[np.ix_(*label)]
    lone, ltwo = len(one), len(two)
    return one, two, cost.integers(0, 9, lone), cost.integers(0, 9, ltwo), cost.integers(0, 14, (lone, ltwo))


class Node:
    """A node as zss and apted take it: the number of a node, and its children."""

    def __init__(self, name: int):
        self.name, self.children = name, []


def node_tree(shape: list[int]) -> Node:
    path: list[Node] = []
    for i, depth in enumerate(shape):
        node = Node(i)
        del path[depth:]
        if path:
            path[-1].children.append(node)
        path.append(node)
    return path[0]


class Costs(apted.Config):
    """Any costs, for apted."""

    def __init__(self, delete, insert, change):
        self.costs = delete, insert, change

    def delete(self, node):
        return self.costs[0][node.name]

    def insert(self, node):
        return self.costs[1][node.name]

    def rename(self, node1, node2):
        return self.costs[2][node1.name, node2.name]

    def children(self, node):
        return node.children


def by_zss(one, two, delete, insert, change) -> int:
    return zss.distance(
        node_tree(one), node_tree(two), lambda n: n.children, lambda n: insert[n.name], lambda n: delete[n.name],
        lambda a, b: change[a.name, b.name],
    )  # fmt: skip


def by_apted(one, two, delete, insert, change) -> int:
    """apted takes for granted that a change costs no more than a deletion and an insertion, which costs no one anything."""
    change = np.minimum(change, delete[:, None] + insert[None, :])
    return apted.APTED(node_tree(one), node_tree(two), Costs(delete, insert, change)).compute_edit_distance()


def by_definition(one, two, delete, insert, change) -> int:
    """The recursion of Zhang and Shasha on whole forests, without any of what makes it fast."""
    kids = [[[k for k in range(i + 1, ends_of(t)[i]) if t[k] == d + 1] for i, d in enumerate(t)] for t in (one, two)]

    @cache
    def least(f: tuple, g: tuple) -> int:
        if not f and not g:
            return 0
        found = []
        if f:
            *rest, last = f
            found.append(least((*rest, *kids[0][last]), g) + delete[last])
        if g:
            *others, end = g
            found.append(least(f, (*others, *kids[1][end])) + insert[end])
        if f and g:
            inside = least(tuple(kids[0][last]), tuple(kids[1][end]))
            found.append(least(tuple(rest), tuple(others)) + inside + change[last, end])
        return min(found)

    return least((0,), (0,))


def check_alignment(problem, how) -> None:
    """The cost is that of zss, of apted and of the definition, and that of the mapping, which keeps ancestors and order.

    apted 1.0.3 is exact under costs of one; under others it is wrong now and then, so there it has a test of its own
    (`apted_is_wrong`).
    """
    one, two, delete, insert, change = problem
    found = align(*problem)
    pairs = [(i, int(j)) for i, j in enumerate(found.mate) if j >= 0]
    own = sum(change[i, j] for i, j in pairs) + delete[found.mate < 0].sum()
    own += insert[found.mates_of_b(len(two)) < 0].sum()
    assert found.cost == own == by_zss(*problem)
    if how == "unit":
        assert own == by_apted(*problem)
    if len(one) + len(two) < 20:
        assert own == by_definition(*problem)
    assert align(*problem, mapping=False).cost == found.cost
    ends = [ends_of(one), ends_of(two)]
    for i, j in pairs:
        for k, m in pairs:
            if i < k:
                assert j < m
                assert (k < ends[0][i]) == (m < ends[1][j])


def ends_of(shape: list[int]) -> list[int]:
    return [next((k for k in range(i + 1, len(shape)) if shape[k] <= d), len(shape)) for i, d in enumerate(shape)]


@pytest.mark.parametrize("how", SETTINGS)
def test_distance_is_that_of_zss_and_apted(how):
    FEW(given(problems(how), st.just(how))(check_alignment))()


@pytest.mark.verify
@pytest.mark.parametrize("how", SETTINGS)
def test_distance_is_that_of_zss_and_apted_on_thousands(how):
    MANY(given(problems(how), st.just(how))(check_alignment))()


def check_fast_kernel(one, two) -> None:
    """The kernel that scores gives what zss and the kernel that explains give under FlowSim's costs."""
    encoder = Encoder()
    trees = [encoder.tree(f) for f in (one, two)]
    for outline in (False, True):
        sides = [outline_places(places(f)) if outline else places(f) for f in (two, one)]
        problem = *map(depths, sides), *node_costs(*sides)
        [fast] = tree_distances(trees, [(0, 1)], outline=outline).distance
        assert UNITS * fast == align(*problem).cost == by_zss(*problem)


def drawn_problem(rng: np.random.Generator, how: str):
    """A problem of `how` from seeded numbers."""
    one, two = [0], [0]
    for shape in (one, two):
        for _ in range(rng.integers(0, 9)):
            shape.append(int(rng.integers(1, shape[-1] + 2)))
    sizes = len(one), len(two)
    if how == "lopsided":
        return one, two, *(rng.integers(0, 9, n) for n in sizes), rng.integers(0, 14, sizes)
    label, costs = [rng.integers(0, 4, n) for n in sizes], rng.integers(0, 6, (4, 4))
    weight, change = rng.integers(5, 10, 4), (costs + costs.T) * (1 - np.eye(4, dtype=int))
    if how == "unit":
        weight, change = np.ones(4, int), 1 - np.eye(4, dtype=int)
    return one, two, *(weight[found] for found in label), change[np.ix_(*label)]


def apted_is_wrong(count: int) -> None:
    """How often apted 1.0.3 is above or below what this, zss and the definition agree on, and the smallest case of each.

    Prints it; under costs of one it never is.
    """
    rng = np.random.default_rng(0)
    for how in ("unit", "weighted", "lopsided"):
        wrong: dict[str, list] = {"above": [], "below": []}
        for _ in range(count):
            problem = drawn_problem(rng, how)
            found, theirs = align(*problem).cost, by_apted(*problem)
            assert found == by_zss(*problem) == by_definition(*problem)
            if theirs != found:
                wrong["above" if theirs > found else "below"].append((sum(map(len, problem[:2])), problem))
        print(
            f"{how}: apted is above in {len(wrong['above'])} and below in {len(wrong['below'])} of {count:,} problems"
        )
        for way, cases in wrong.items():
            if cases:
                _, problem = min(cases, key=lambda case: case[0])
                said = {f.__name__: int(f(*problem)) for f in (by_zss, by_definition, by_apted)}
                print(f"  {way}: {[np.asarray(x).tolist() for x in problem]}: align {align(*problem).cost}, {said}")
        assert sum(map(len, wrong.values())) <= (0 if how == "unit" else count / 20)


def test_apted_agrees_under_costs_of_one_only():
    apted_is_wrong(300)
    below = [0], [0, 1], np.array([4]), np.array([1, 2]), np.array([[7, 12]])
    assert align(*below).cost == by_zss(*below) == by_definition(*below) == 7
    assert by_apted(*below) == 6, "less than any mapping costs: this is apted's mistake"


@pytest.mark.verify
def test_apted_agrees_under_costs_of_one_only_in_thousands():
    apted_is_wrong(10_000)


@FEW
@given(flows(), flows())
def test_the_fast_kernel_is_right(one, two):
    check_fast_kernel(one, two)


@pytest.mark.verify
def test_the_fast_kernel_is_right_on_thousands():
    MANY(given(flows(), flows())(check_fast_kernel))()


@FEW
@given(problems("lopsided"))
def test_symmetry_under_swapped_costs(problem):
    one, two, delete, insert, change = problem
    assert align(*problem).cost == align(two, one, insert, delete, change.T).cost


@FEW
@given(st.sampled_from([True, False]), st.data())
def test_metric_laws(labelled, data):
    some = [data.draw(shapes()) for _ in range(3)]
    names = [np.array([data.draw(st.integers(0, 2)) if labelled else 0 for _ in t]) for t in some]

    def distance(i, j):
        change = (names[i][:, None] != names[j][None, :]).astype(int)
        return align(some[i], some[j], np.ones(len(some[i]), int), np.ones(len(some[j]), int), change).cost

    assert distance(0, 0) == 0
    assert distance(0, 1) == distance(1, 0)
    assert distance(0, 2) <= distance(0, 1) + distance(1, 2)
    assert (distance(0, 1) == 0) == (some[0] == some[1] and names[0].tolist() == names[1].tolist())


def as_tree(nodes) -> list[tuple]:
    return [(d, p.kind, p.label) for d, p in zip(depths(nodes), nodes, strict=True)]


def check_script(one, two, inputs) -> None:
    """Cost, shares, sizes, order and application of a script."""
    found = edit_script(one, two, inputs)
    score = flowsim(one, two, inputs)
    assert sum(e.cost for e in found.edits) == found.distance
    assert abs(sum(e.share for e in found.edits) - (1 - score)) < 1e-12
    assert found.score == score
    assert found.edits == edit_script(one, two, inputs).edits, "the same flows, the same script"
    for side, path, nodes in ((0, "expected_path", found.pair.expected), (1, "generated_path", found.pair.generated)):
        have = Counter(getattr(e, path) for e in found.edits if (e.expected_node, e.generated_node)[side] >= 0)
        assert have == Counter(p.path for p in nodes)
    assert all(e.cost == 0 for e in found.edits if e.kind == "matched")
    assert as_tree(apply_edits(found)[0]) == as_tree(found.pair.expected)
    assert as_tree(apply_edits(found, [])[0]) == as_tree(found.pair.generated)
    for move in moves(found):
        kinds = Counter(found.edits[n].kind for n in move.edits)
        assert kinds["deleted"] == kinds["inserted"] == len(move.edits) / 2


@FEW
@given(flows(), flows(), st.booleans())
def test_scripts(one, two, inputs):
    check_script(one, two, inputs)


@pytest.mark.verify
def test_scripts_on_thousands():
    MANY(given(flows(max_steps=9), flows(max_steps=9), st.booleans())(check_script))()


@FEW
@given(flows(), flows(), st.data())
def test_some_edits_cost_what_they_undo(one, two, data):
    found = edit_script(one, two)
    chosen = [n for n in range(len(found.edits)) if data.draw(st.booleans())]
    nodes, mates = apply_edits(found, chosen)
    assert len(depths(nodes)) == len(mates)
    left = align(depths(nodes), depths(found.pair.expected), *node_costs(nodes, found.pair.expected)).cost / UNITS
    undone = sum(found.edits[n].cost for n in chosen)
    assert left >= found.distance - undone


@FEW
@given(flows(), flows(), st.booleans())
def test_options_never_lower_a_score(one, two, inputs):
    plain = compared([one], two, inputs).score()
    assert plain == flowsim(one, two, inputs)
    for options in (Options(soft=True), Options(unordered=True), Options(best=True)):
        assert compared([one, two], two, inputs, options).score() >= plain
    assert compared([one, two], two, inputs, Options(best=True)).score() == 1
    soft = Script(compared([one], two, inputs, Options(soft=True, unordered=True)))
    assert abs(sum(e.cost for e in soft.edits) - soft.distance) < 1e-9


def test_a_thousand_nodes():
    rng = np.random.default_rng(0)
    shapes = []
    for _ in range(2):
        shape = [0]
        while len(shape) < 1000:
            shape.append(int(rng.integers(max(1, shape[-1] - 3), min(shape[-1] + 2, 12))))
        shapes.append(shape)
    labels = [rng.integers(0, 9, 1000) for _ in shapes]
    change = (labels[0][:, None] != labels[1][None, :]).astype(int)
    found = align(*shapes, np.ones(1000, int), np.ones(1000, int), change)
    trees = [Tree([int(c) << 2 | Kind.VALUE for c in c_s], s, 0) for c_s, s in zip(labels, shapes, strict=True)]
    assert found.cost == tree_distances(trees, [(0, 1)]).distance[0]


@needs_shared
def test_scripts_of_the_oracle_pairs():
    rows = json_lines(SHARED / "oracle/flowsim_pairs.jsonl")
    pairs = [(read_flow(r["expected"]), read_flow(r["generated"])) for r in rows]
    scores = score_pairs(pairs)
    for (one, two), inputs, outline in zip(pairs, scores.inputs, scores.outline, strict=True):
        found = edit_script(one, two)
        assert sum(e.cost for e in found.edits) == found.distance
        assert found.score == inputs
        assert edit_script(one, two, inputs=False).score == outline
        assert as_tree(apply_edits(found)[0]) == as_tree(found.pair.expected)
