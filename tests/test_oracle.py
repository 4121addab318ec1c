"""FlowSim agrees with the published implementation and with one row a rule of its definition."""

import pytest
from shared import SHARED, json_lines, needs_shared

from flowgen_analysis.flows.reading import read_flow
from flowgen_analysis.scoring.flowsim import score_pairs

pytestmark = needs_shared

SMALL = 8  # steps on both sides together, so that zss takes seconds and not minutes


def scored(rows, engine):
    pairs = [(read_flow(row["expected"]), read_flow(row["generated"])) for row in rows]
    scores = score_pairs(pairs, engine)
    return list(zip(rows, scores.outline, scores.inputs, strict=True))


def check(rows, engine, count):
    assert len(rows) == count
    for row, outline, inputs in scored(rows, engine):
        assert outline == pytest.approx(row["flowsim_outline"], abs=1e-9), row["id"]
        assert inputs == pytest.approx(row["flowsim_inputs"], abs=1e-9), row["id"]


def test_published_scores():
    check(json_lines(SHARED / "oracle/flowsim_pairs.jsonl"), "numba", 240)


@pytest.mark.parametrize("engine", ["numba", "zss"])
def test_rules(engine):
    check(json_lines(SHARED / "oracle/flowsim_rules.jsonl"), engine, 30)


def test_published_scores_by_zss():
    rows = json_lines(SHARED / "oracle/flowsim_pairs.jsonl")
    small = [r for r in rows if len(r["expected"]["components"]) + len(r["generated"]["components"]) <= SMALL]
    assert len(small) > 50
    check(small, "zss", len(small))


@pytest.mark.verify
def test_every_published_score_by_zss():
    check(json_lines(SHARED / "oracle/flowsim_pairs.jsonl"), "zss", 240)
