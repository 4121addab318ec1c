"""Causes: they add up, and damage done on purpose is called by its name."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from damage import DAMAGES, cases, lacks
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_causes import plain_causes, plain_mates, plain_repaired
from plants import PLANTS, planted, shown, table_of
from shared import ROOT, SHARED, examples, needs_shared
from strategies import flows

from flowgen_analysis.flows.dataset import Run, load_runs, load_samples
from flowgen_analysis.flows.model import Generation, Sample
from flowgen_analysis.scoring.alignment import align
from flowgen_analysis.scoring.edits import Script
from flowgen_analysis.scoring.flowsim import flowsim
from flowgen_analysis.scoring.kinds import KINDS
from flowgen_analysis.scoring.loss import explain, explain_runs, explained
from flowgen_analysis.scoring.options import UNITS
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.scoring.tree import depths
from flowgen_analysis.scoring.what_if import REPAIRS, repaired

SAMPLES = load_samples(ROOT / "datasets/test.jsonl")
some = settings(max_examples=150, deadline=None)


def check_causes(one, two, inputs) -> None:
    """Losses sum to the loss, every edit that costs something has one cause, and repairs stay in bounds."""
    found = explain(one, two, inputs)
    assert abs(sum(c.loss for c in found.causes) - (1 - flowsim(one, two, inputs))) < 1e-12
    edits = Counter(n for c in found.causes for n in c.edits)
    assert set(edits.values()) <= {1}
    assert set(edits) == {n for n, e in enumerate(found.script.edits) if e.cost}
    assert {c.kind for c in found.causes} <= set(KINDS)
    assert all("\n" not in c.message for c in found.causes)
    assert repaired(found, KINDS) == 1
    for kind in {c.kind for c in found.causes}:
        assert 0 <= repaired(found, [kind]) <= 1


def check_plain(one, two, inputs) -> None:
    """Mates, causes and repairs are those of the plain code."""
    found = explain(one, two, inputs, lacking=lacks)
    script = found.script
    cost, mate, _ = plain_mates(script.pair)
    assert (cost / UNITS, mate.tolist()) == (script.distance, script.mate.tolist())
    plain = plain_causes(script, lacks(two))
    assert [(c.kind, c.edits) for c in plain] == [(c.kind, c.edits) for c in found.causes]
    paths = [(script.pair.expected.path(c.e) if c.e >= 0 else None, script.pair.generated.path(c.g) if c.g >= 0 else None) for c in plain]  # fmt: skip
    assert paths == [(c.expected_path, c.generated_path) for c in found.causes]
    for kinds in REPAIRS.values():
        assert repaired(found, kinds) == plain_repaired(script, plain, kinds)


@some
@given(flows(), flows(), st.booleans())
def test_compiled_is_plain(one, two, inputs):
    check_plain(one, two, inputs)


def test_compiled_is_plain_on_damage():
    every, some_of = [f for s in SAMPLES for f in s.expected], examples(50, 150)
    for (_, one, damaged, _), (_, _, other, _) in zip(cases(every, some_of, 5), cases(every, some_of, 6), strict=True):
        check_plain(one, damaged, True)
        check_plain(one, other, True)


@some
@given(flows(), flows(), st.booleans())
def test_causes_add_up(one, two, inputs):
    check_causes(one, two, inputs)


@pytest.mark.verify
def test_causes_add_up_on_thousands():
    settings(max_examples=3000, deadline=None)(
        given(flows(max_steps=9), flows(max_steps=9), st.booleans())(check_causes)
    )()


def has_another_reading(found: Script) -> bool:
    """Whether other edits, of nodes with other labels, cost the same: those of the script are made a little dearer."""
    pair, scale = found.pair, 10**4
    costing = [e for e in found.edits if e.cost]
    labels = [np.array([p.label for p in side], object) for side in (pair.generated, pair.expected)]
    names = [(e.generated_node >= 0 and labels[0][e.generated_node], e.expected_node >= 0 and labels[1][e.expected_node])
             for e in costing]  # fmt: skip
    delete, insert, change = (scale * c for c in pair.costs)
    delete = delete + np.isin(labels[0], [g for g, e in names if e is False])
    insert = insert + np.isin(labels[1], [e for g, e in names if g is False])
    for g, e in {n for n in names if False not in n}:
        change = change + ((labels[0] == g)[:, None] & (labels[1] == e)[None, :])
    least = align(depths(pair.generated), depths(pair.expected), delete, insert, change, mapping=False).cost
    assert least // scale == round(UNITS * found.distance)
    return least % scale < len(costing)


def name_damage(count: int) -> None:
    """In 99 of 100 cases the kind of damage is among the kinds that the explanation names, and no kind of damage is bad.

    No case is let off because another reading costs the same; in how many one does is printed.
    """
    every = [f for s in SAMPLES for f in s.expected]
    tried, named, alone, ties = Counter(), Counter(), Counter(), Counter()
    for name, flow, damaged, kind in cases(every, count):
        found = explain(flow, damaged, lacking=lacks)
        kinds = {c.kind for c in found.causes}
        tried[name] += 1
        named[name] += kind in kinds
        alone[name] += kinds == {kind}
        ties[name] += has_another_reading(found.script)
    shares = {n: [round(c[n] / tried[n], 3) for c in (named, alone, ties)] for n in tried}
    print("damage: named, named alone, other edits cost the same\n" + "\n".join(f"{n}: {s}" for n, s in shares.items()))
    print(f"of {count:,}: named {named.total():,}, alone {alone.total():,}, other edits cost the same {ties.total():,}")
    assert set(tried) == set(DAMAGES)
    assert named.total() / tried.total() >= 0.99
    assert all(named[n] / tried[n] >= 0.95 for n in tried)


def test_damage_is_called_by_its_name():
    name_damage(500)


@pytest.mark.verify
def test_damage_is_called_by_its_name_in_thousands():
    name_damage(5000)


def test_a_repair_of_the_only_damage_gives_the_whole_score():
    every = [f for s in SAMPLES for f in s.expected]
    whole = Counter()
    for name, flow, damaged, kind in cases(every, 300, seed=1):
        found = explain(flow, damaged, lacking=lacks)
        if {c.kind for c in found.causes} <= {kind, "following_pill"}:
            whole[name, repaired(found, [kind]) == 1] += 1
        assert repaired(found, {c.kind for c in found.causes}) == 1
    right = sum(n for (_, ok), n in whole.items() if ok)
    assert right / whole.total() > 0.97, whole


def name_plants(count: int, seed: int, least: float) -> None:
    """Of every kind, recall and precision are at least `least`, and a mistake planted alone and undone leaves nothing.

    No case is let off because another script costs the same; in how many one does is printed.
    """
    every = [f for s in SAMPLES for f in s.expected]
    rows = table_of(planted(every, count, seed), lacks, lambda found: has_another_reading(found.script))
    print(shown(rows))
    assert set(rows) == set(PLANTS) == set(KINDS) - {"following_pill", "unreadable", "too_large"}
    assert {k: r for k, r in rows.items() if min(r.recall, r.precision) < least} == {}
    singles = sum(r.singles for r in rows.values())
    assert singles > count / 5
    assert sum(r.whole * r.singles for r in rows.values()) >= 0.99 * singles


def test_planted_mistakes_are_named():
    name_plants(400, seed=0, least=0.9)


@pytest.mark.verify
def test_planted_mistakes_are_named_in_thousands():
    name_plants(4000, seed=1, least=0.95)


def test_losses_add_up_over_samples_slices_and_runs():
    runs = []
    for m, seed in (("a", 2), ("b", 3)):
        made = list(cases([s.reference for s in SAMPLES], 60, seed))
        damaged = [Generation(sample_id=SAMPLES[n].id, model=m, generated=d) for n, (_, _, d, _) in enumerate(made)]
        lost = [Generation(sample_id=s.id, model=m, repeat=1, error="cut off") for s in SAMPLES[:7]]
        runs.append(Run(m, damaged + lost))
    losses = explain_runs(SAMPLES, runs)
    scores = score_runs(SAMPLES, runs)
    for part in (None, [s.id for s in SAMPLES[:20]], [SAMPLES[3].id]):
        table = losses.by_kind(part).group_by("model").agg(pl.col("loss", "share").sum())
        kept = scores.by_sample() if part is None else scores.by_sample().filter(pl.col("sample_id").is_in(part))
        means = dict(kept.group_by("model").agg(pl.col("inputs").mean()).iter_rows())
        for model, loss, share in table.iter_rows():
            assert abs(loss - (1 - means[model])) < 1e-12
            assert abs(share - 1) < 1e-12
    repairs = explained(SAMPLES, runs[:1], repairs={"everything": tuple(KINDS)} | dict(REPAIRS)).repairs
    table = {row["repair"]: row for row in repairs.by_repair().rows(named=True)}
    assert table["everything"]["repaired"] == 1
    assert all(row["points"] >= -0.05 for row in table.values())


@needs_shared
def test_real_runs_are_explained():
    samples = load_samples(SHARED / "real/homeassistant/samples.jsonl")
    runs = load_runs(sorted((SHARED / "real/homeassistant/runs").glob("*.jsonl"))[:8], samples)
    losses, scores = explain_runs(samples, runs), score_runs(samples, runs).summary()
    table = dict(losses.by_kind().group_by("model").agg(pl.col("loss").sum()).iter_rows())
    for model, mean in scores.select("model", "inputs").iter_rows():
        assert abs(table[model] - (1 - mean)) < 1e-12
    assert losses.frame.filter(kind="unreadable")["loss"].unique().to_list() == [1.0]


def test_several_references_and_their_names():
    sample = Sample(id="a", requirement="", expected=[SAMPLES[0].reference, SAMPLES[1].reference])
    run = Run("m", [Generation(sample_id="a", model="m", generated=SAMPLES[1].reference)])
    plain = explain_runs([sample], [run])
    assert plain.metric == "inputs"
    assert plain.generations["reference"].to_list() == [0]
    assert plain.generations["score"][0] < 1
