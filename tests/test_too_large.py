"""What is too large is put aside and named; the rest is read, scored, explained and reported."""

import json
import shutil
from pathlib import Path

import pytest
from bad_files import SMALL, small_project
from shell import flowgen

from flowgen_analysis.flows.dataset import Run, sample_to_dict
from flowgen_analysis.flows.model import Flow, Generation, Sample
from flowgen_analysis.scoring.loss import LARGEST, explain_runs, explained
from flowgen_analysis.scoring.scores import score_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return small_project(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def project(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "project")


def row(steps: int, inputs: int = 0, name: str = "log") -> dict:
    given = [{"name": f"i{k}", "value": f"v{k}"} for k in range(inputs)]
    return {"components": [{"name": name, "step": n, "inputs": given} for n in range(1, steps + 1)]}


def add_large(project: Path, flow: dict) -> None:
    sample = sample_to_dict(SMALL[0]) | {"id": "large", "expected": flow}
    with (project / "datasets" / "test.jsonl").open("a") as f:
        f.write(json.dumps(sample) + "\n")
    for path in (project / "runs" / "test").glob("*.jsonl"):
        with path.open("a") as f:
            f.write(json.dumps({"id": "large", "model": path.stem, "generated": row(3)}) + "\n")


COMMANDS = {
    "score": ["score", "test", "--json"],
    "score -j": ["score", "test", "-j", "1", "-o", "s.parquet"],
    "explain": ["score", "test", "--explain"],
    "matrix": ["matrix", "test"],
    "slices": ["slices", "test"],
    "compare": ["compare", "test"],
    "report": ["report", "test", "-o", "r.md"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.fault(
    "Too large: a sample of 2,001 steps in a dataset", "put aside with its generations and named; the rest is read"
)
def test_one_sample_past_a_limit(project, name):
    add_large(project, row(2_001))
    done = flowgen(*COMMANDS[name], cwd=project)
    assert done.returncode == 0, done.stderr
    assert (
        "left out, with its generations: datasets/test.jsonl:5 expected: has 2,001 steps; expected 2,000 at most"
        in done.stderr
    )
    if name == "score":
        said = json.loads(done.stdout)
        assert (said["samples"], said["generations"], list(said["left_out"])) == (4, 8, ["large"])
    if name == "report":
        assert "has 2,001 steps" in (project / "r.md").read_text()


@pytest.mark.fault("Too large: a dataset of which nothing is left", "one line, exit 2")
def test_nothing_left(project):
    (project / "datasets" / "all.jsonl").write_text(json.dumps(sample_to_dict(SMALL[0]) | {"expected": row(2_001)}))
    done = flowgen("matrix", "all", cwd=project)
    assert done.returncode == 2
    assert "holds no sample" in done.stderr
    assert "has 2,001 steps" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.fault(
    "Too large: flows of 1,000 steps with 2,000 inputs, explained and repaired",
    "scored; their loss is one cause, `too large to explain`",
)
def test_a_pair_too_large_to_explain():
    large = Flow.model_validate(row(1_000, 2))
    other = Flow.model_validate(row(1_000, 2, "send_email"))
    samples = [
        Sample(id="a", requirement="", expected=[large]),
        Sample(id="b", requirement="", expected=[Flow.model_validate(row(2))]),
    ]
    runs = [
        Run(
            "m",
            [
                Generation(sample_id="a", model="m", generated=other),
                Generation(sample_id="b", model="m", generated=Flow.model_validate(row(1))),
            ],
        )
    ]
    assert LARGEST < 3_001**2
    losses = explain_runs(samples, runs)
    rows = {r["sample_id"]: r for r in losses.frame.to_dicts()}
    assert (rows["a"]["kind"], rows["b"]["kind"]) == ("too_large", "missing_step")
    scores = score_runs(samples, runs).frame
    assert rows["a"]["loss"] == pytest.approx(1 - scores.filter(sample_id="a")["inputs"][0])
    repairs = explained(samples, runs).repairs.frame.filter(sample_id="a")
    assert set(repairs["points"]) == {0.0}


@pytest.mark.fault(
    "Too large: a report on flows of 1,000 steps with 2,000 inputs", "written; the cause says `too large to explain`"
)
def test_a_report_on_large_flows(project):
    add_large(project, row(1_000, 2))
    path = project / "runs" / "test" / "rules.jsonl"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([*lines[:-1], json.dumps({"id": "large", "model": "rules", "generated": row(900, 2, "send_email")})])
        + "\n"
    )
    done = flowgen("report", "test", "-o", "r.md", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "Too large to explain" in (project / "r.md").read_text()
