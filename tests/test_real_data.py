"""Real model runs and real flows: everything is in the result, and nothing falls over."""

import json
import subprocess
import sys

import pytest
from scipy.stats import spearmanr
from shared import SHARED, needs_shared

from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import load_runs, load_samples
from flowgen_analysis.project import bundled

pytestmark = needs_shared

HOME = SHARED / "real" / "homeassistant"


@pytest.fixture(scope="module")
def home():
    """The result of `flowgen score` over the Home Assistant runs."""
    files = [HOME / "samples.jsonl", *sorted((HOME / "runs").glob("*.jsonl"))]
    done = subprocess.run(
        [f"{sys.prefix}/bin/flowgen", "score", *map(str, files), "--json"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_every_generation_is_in_the_result(home):
    assert (home["samples"], home["generations"], home["unreadable"], home["missing"]) == (4, 640, 149, 0)
    assert len(home["models"]) == 32
    assert len(home["unreadable_generations"]) == 149
    assert all(row["reason"] for row in home["unreadable_generations"])


def test_scores_rank_models_as_their_executable_tests_do(home):
    samples = load_samples(HOME / "samples.jsonl")
    passed = {}
    for run in load_runs((HOME / "runs").glob("*.jsonl"), samples):
        shares = [sum(v["passed"] for v in g.verdicts) / len(g.verdicts) if g.verdicts else 0 for g in run.generations]
        passed[run.model] = sum(shares) / len(shares)
    for metric, least in (("outline", 0.75), ("inputs", 0.8)):
        scores = [home["models"][model][metric] for model in passed]
        assert spearmanr(scores, list(passed.values())).statistic > least


@pytest.mark.parametrize(("name", "count"), [("flowbench", 101), ("servicenow_fluent", 14), ("homeassistant", 4)])
def test_real_flows_load_and_get_a_matrix(name, count):
    samples = load_samples(SHARED / "real" / name / "samples.jsonl")
    matrix = FeatureMatrix.build(samples, Registry.load(bundled("feature_matrices", "features.toml")))
    assert len(matrix) == count
    assert matrix.counts()["present"].sum() > 0 or name == "homeassistant"
