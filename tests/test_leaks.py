"""Nothing but the requirement tells what is expected: not the metadata, not the id, not the order."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from shared import ROOT
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.generation.baselines.generator import GRANTED, question
from flowgen_analysis.synthesis.datasets import RECIPES, make_dataset

WRITTEN = sorted(p.stem for p in (ROOT / "datasets").glob("*.jsonl") if p.stem not in RECIPES)
SETS = [*WRITTEN, *RECIPES]
ABOVE = 3.1  # standard errors: one of a thousand by chance, for some thirty looks at fixed data


def _samples(name):
    return make_dataset(name, 0, ROOT) if name in RECIPES else load_samples(ROOT / "datasets" / f"{name}.jsonl")


def _beside(samples):
    """Numbers of everything but the requirement and the answer: words of the metadata, digits of the id, the place."""
    texts = [re.findall(r"\w+", json.dumps(s.metadata).lower()) for s in samples]
    known = [w for w, n in Counter(w for t in texts for w in set(t)).most_common(60) if 2 <= n < len(samples)]
    numbers = [int("".join(re.findall(r"\d", s.id)) or 0) for s in samples]
    rows = [
        [i, i % 10, i % 2, n, n % 10, n % 7, len(" ".join(t)), *(w in t for w in known)]
        for i, (n, t) in enumerate(zip(numbers, texts, strict=True))
    ]
    return np.asarray(rows, float)


def _answers(samples):
    """What might be told: the trigger, the first table, the first and the last step, and each frequent step's presence."""
    flows = [s.expected[0] for s in samples]
    tables = [
        next((i.value for _, p in f.pieces() for i in p.inputs if i.name in ("table", "table_name", "task_table")), "-")
        for f in flows
    ]
    names = [[c.name for c in f.components] or ["-"] for f in flows]
    found = {
        "trigger": [f.trigger.type if f.trigger else "-" for f in flows], "first table": tables,
        "first step": [n[0] for n in names], "last step": [n[-1] for n in names],
    }  # fmt: skip
    often = [w for w, n in Counter(w for n in names for w in set(n)).items() if 0.15 <= n / len(names) <= 0.85]
    return found | {f"has {w}": [str(w in n) for n in names] for w in sorted(often)}


def told(samples):
    """The answers that a tree on everything beside the requirement predicts better than the commonest one, with z."""
    rows, found = _beside(samples), {}
    for what, answers in _answers(samples).items():
        often = Counter(answers)
        answers = np.asarray([a if often[a] >= 5 else "other" for a in answers])
        chance = Counter(answers).most_common(1)[0][1] / len(answers)
        if chance == 1:
            continue
        tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=4, random_state=0)
        right = cross_val_predict(tree, rows, answers, cv=StratifiedKFold(4, shuffle=True, random_state=0)) == answers
        z = (right.mean() - chance) / np.sqrt(chance * (1 - chance) / len(answers))
        if z > ABOVE:
            found[what] = (round(float(right.mean()), 3), round(chance, 3), round(float(z), 1))
    return found


@pytest.mark.parametrize("name", SETS)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_metadata_id_and_order_tell_nothing(name):
    assert told(_samples(name)) == {}


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_table_or_a_title_in_the_metadata_would_be_found():
    samples = make_dataset("synthetic", 0, ROOT)
    answers = _answers(samples)
    with_table = [
        s.model_copy(update={"metadata": {"table": t}}) for s, t in zip(samples, answers["first table"], strict=True)
    ]
    with_title = [
        s.model_copy(update={"metadata": {"name": f"Do: {n}"}})
        for s, n in zip(samples, answers["last step"], strict=True)
    ]
    in_order = sorted(samples, key=lambda s: s.expected[0].trigger.type)
    assert "first table" in told(with_table)
    assert "last step" in told(with_title)
    assert "trigger" in told(in_order)


@pytest.mark.parametrize("name", SETS)
def test_metadata_is_a_name_and_a_scope(name):
    """And the name says no more than the id."""
    for s in _samples(name):
        assert s.metadata == {"name": f"Flow {s.id}", "scope": "global"}
        assert question(s).metadata.keys() <= set(GRANTED)
