"""Laws that FlowSim keeps on whatever flows there are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import flows

from flowgen_analysis import flowsim, read_flow
from flowgen_analysis.flows.model import Flow
from flowgen_analysis.flows.reading import flow_to_dict
from flowgen_analysis.scoring.distance import tree_distances
from flowgen_analysis.scoring.flowsim import score_pairs
from flowgen_analysis.scoring.tree import Encoder

some = settings(max_examples=150, deadline=None)


@some
@given(flows(), flows())
def test_engines_agree(a, b):
    compiled, zss = score_pairs([(a, b)]), score_pairs([(a, b)], engine="zss")
    assert compiled.inputs == zss.inputs
    assert compiled.outline == zss.outline


@some
@given(flows(), flows())
def test_in_range_and_symmetric(a, b):
    assert 0 <= flowsim(a, b) <= 1
    assert flowsim(a, b) == flowsim(b, a)


@some
@given(flows())
def test_a_flow_is_like_itself_in_every_dialect(a):
    assert flowsim(a, a) == 1
    assert flowsim(a, read_flow(flow_to_dict(a))) == 1


@some
@given(flows(), flows(), flows())
def test_triangle(a, b, c):
    encoder = Encoder()
    trees = [encoder.tree(f) for f in (a, b, c)]
    ab, bc, ac = tree_distances(trees, [(0, 1), (1, 2), (0, 2)]).distance
    assert ac <= ab + bc


@some
@given(flows(), st.randoms(use_true_random=False))
def test_order_of_inputs_does_not_matter(a, random):
    shuffled = a.model_copy(deep=True)
    for _, piece in shuffled.pieces():
        names = [i.name for i in piece.inputs]
        if len(set(names)) == len(names):
            random.shuffle(piece.inputs)
    assert flowsim(a, shuffled) == 1


@some
@given(st.lists(st.tuples(flows(max_steps=4), flows(max_steps=4)), max_size=5))
def test_a_batch_scores_like_its_pairs(pairs):
    batch = score_pairs(pairs)
    assert np.array_equal(batch.inputs, [flowsim(a, b) for a, b in pairs])
    assert np.array_equal(batch.outline, [flowsim(a, b, inputs=False) for a, b in pairs])


@some
@given(st.lists(st.tuples(st.integers(-2, 8), st.none() | st.integers(-2, 9)), max_size=9), flows())
def test_any_numbering_scores(numbers, expected):
    steps = [{"name": "log", "step": step, "block": block} for step, block in numbers]
    generated = Flow.model_validate({"components": steps})
    assert len(generated.tree()) + len(generated.orphans()) == len(steps)
    assert flowsim(expected, generated) == flowsim(expected, generated, engine="zss")
