"""A bad file ends in one line that names it and in exit 2, whatever is in it; what is no file is not even opened."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from bad_files import FINDING, RATING, SMALL, TAG, Kind, kinds, mutated, report_of, small_project
from shared import ROOT
from shell import flowgen

from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.flows.dataset import sample_to_dict
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.reports.findings import to_text


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> dict[str, Kind]:
    return kinds(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = small_project(tmp_path_factory.mktemp("made") / "project")
    (root / "report.json").write_bytes(report_of(root))
    shutil.copytree(ROOT / "environments", root / "environments", dirs_exist_ok=True)
    shutil.copytree(ROOT / "scenarios", root / "scenarios", dirs_exist_ok=True)
    return root


@pytest.fixture
def project(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "project")


def refused(done, *said: str) -> str:
    """The one line in which a command ended."""
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    for part in said:
        assert part in done.stderr, done.stderr
    return done.stderr


def json_line(data: dict) -> str:

    return json.dumps(data) + "\n"


SAMPLE = sample_to_dict(SMALL[0])
HEAD = "---\ntitle: Loops\n%s\n---\n"
DEEP = "[" * 100_000
DIGITS = "9" * 5_000
GENERATION = {"id": SMALL[0].id, "model": "m", "generated": None}
MODEL = '[providers.p]\nbase_url = "%s"\n[models.m]\nprovider = "p"\nendpoint_model = "m"\nparams = {%s}\n'

BAD = {
    "features.toml 3,000 deep": ("feature_matrices/features.toml", "a = " + "[" * 3_000, ["matrix", "test"], "nested too deeply"),
    "slices.toml 3,000 deep": ("slices.toml", "a = " + "[" * 3_000, ["slices", "test"], "nested too deeply"),
    "models.toml 3,000 deep": ("models.toml", "a = " + "[" * 3_000, ["generate", "test", "-m", "m", "--estimate"], "nested too deeply"),
    "a scenario 3,000 deep": ("scenarios/banking.toml", "a = " + "[" * 3_000, ["datasets", "make", "ood"], "nested too deeply"),
    "features.toml with 5,000 digits": ("feature_matrices/features.toml", f"a = {DIGITS}", ["matrix", "test"], "is not TOML"),
    "slices.toml with 5,000 digits": ("slices.toml", f"a = {DIGITS}", ["slices", "test"], "is not TOML"),
    "models.toml with 5,000 digits": ("models.toml", f"a = {DIGITS}", ["generate", "test", "-m", "m", "--estimate"], "is not TOML"),
    "a scenario with 5,000 digits": ("scenarios/banking.toml", f"a = {DIGITS}", ["datasets", "make", "ood"], "is not TOML"),
    "dates as params": ("models.toml", MODEL % ("http://localhost/v1", "a = 2026-01-01"), ["generate", "test", "-m", "m", "--estimate"], "params: holds a date"),
    "half an address": ("models.toml", MODEL % ("http://[::1", ""), ["generate", "test", "-m", "m", "--estimate"], "is no address"),
    "models.toml that is a folder": ("models.toml/x", "", ["generate", "test", "-m", "m", "--estimate"], "models.toml: is a folder"),
    "an empty scenario": ("scenarios/banking.toml", "", ["datasets", "make", "ood"], "banking.toml"),
    "borrows = 1": ("scenarios/banking.toml", "borrows = 1", ["datasets", "make", "ood"], "borrows"),
    "a base scenario of other things": ("scenarios/base.toml", "incident = 1", ["datasets", "make", "ood"], "base.toml incident"),
    "repeat: 1e30": ("runs/test/m.jsonl", json_line(GENERATION | {"repeat": 1e30}), ["score", "test"], "repeat: is 1e+30"),
    "repeat: 10**30": ("runs/test/m.jsonl", json_line(GENERATION | {"repeat": 10**30}), ["score", "test"], "m.jsonl:1 repeat"),
    "half a character in an annotation": ("datasets/test.jsonl", json_line(SAMPLE | {"requirement": "\ud800"}), ["score", "test"], r"half a character (\ud800)"),
    "samples 100,000 deep": ("datasets/test.jsonl", DEEP, ["score", "test"], "test.jsonl:1: is nested too deeply"),
    "ratings with a repeat that is text": ("ratings/test.jsonl", json_line(RATING | {"repeat": "x"}), ["report", "test"], "ratings/test.jsonl:1 repeat"),
    "a finding with NUL": ("reports/findings/01-a.md", HEAD % "note: a\0", ["report", "test"], "01-a.md:2: is not YAML"),
    "a finding with an empty number": ("reports/findings/01-a.md", HEAD % 'metric: !!int ""', ["report", "test"], "01-a.md:3: is not YAML"),
    "a finding that is a set": ("reports/findings/01-a.md", "---\n!!set {title}\n---\n", ["report", "test"], "01-a.md:2: is not YAML"),
    "a finding of aliases": ("reports/findings/01-a.md", HEAD % ("state: [&a [1,1,1,1,1,1,1,1], " + ", ".join(f"&a [{'*a,' * 9}*a]" for _ in range(12)) + "]"), ["report", "test"], "alias is not read"),
    "a finding 3,000 deep": ("reports/findings/01-a.md", HEAD % ("state: " + "[" * 3_000), ["report", "test"], "nested too deeply"),
    "a matrix that is no text": ("feature_matrices/x.csv", "\0\0", ["validate", "feature_matrices/x.csv"], "x.csv"),
    "an environment 3,000 deep": ("environments/banking.json", "[" * 3_000, ["datasets", "make", "ood"], "nested too deeply"),
    "a dataset that is no name": ("x", "", ["score", "x" * 300], "x" * 100),
    "a dataset outside": ("x", "", ["score", "../test"], "no such dataset"),
    "a run whose name is too long": ("x", "", ["score", "test", "y" * 300 + ".jsonl"], "y" * 100),
    "a report of brackets": ("x.json", DEEP, ["report", "--compare", "x.json", "report.json"], "x.json: is nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.fault("Bad files: what broke a command once", "one line that names the file, exit 2")
def test_bad_file(project, name):
    path, text, command, said = BAD[name]
    (project / path).parent.mkdir(parents=True, exist_ok=True) if not (project / path).parent.is_file() else None
    (project / path).write_text(text, encoding="utf-8", errors="surrogatepass")
    refused(flowgen(*command, cwd=project), said)


REPORTS = {
    "no slices": lambda d: d.pop("slices"),
    "a slice that is a list": lambda d: d["slices"].update(x=[]),
    "a mean that is text": lambda d: d["slices"]["all samples"].update(nearest="x"),
    "a mean too short": lambda d: d["slices"]["all samples"].update(nearest=[1]),
    "a negative n": lambda d: d["slices"]["all samples"].update(nearest=[-1, 0.5, 0.1, 0.9, False]),
    "a mean that is no number": lambda d: d["slices"]["all samples"].update(nearest=[1, float("nan"), 0.1, 0.9, False]),
    "samples that are a number": lambda d: d.update(samples=1),
    "digests too few": lambda d: d.update(digests=[]),
    "scores of one": lambda d: d["scores"].update(nearest=[1]),
    "scores past every float": lambda d: d["scores"].update(nearest=[10**400] * len(d["samples"])),
    "masks that are no hex": lambda d: d["inside"].update(x="zz"),
    "clusters of numbers": lambda d: d.update(clusters=[1]),
    "models of lists": lambda d: d.update(models=[[]]),
    "causes of text": lambda d: d.update(causes={"x": {"nearest": "much"}}),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.fault(
    "Bad files: a report to compare with that is not as written", "one line that names file and field, exit 2"
)
def test_bad_report(project, name):

    data = json.loads((project / "report.json").read_text())
    REPORTS[name](data)
    (project / "bad.json").write_text(json.dumps(data))
    refused(flowgen("report", "--compare", "report.json", "bad.json", cwd=project), "bad.json")


@pytest.mark.fault("Bad files: a journal that ends in 100,000 brackets", "half a line, which is left out and said")
def test_journal_of_brackets(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_text(json_line(TAG) + DEEP)
    assert len(load_journal(path).tags) == 1
    assert "half a line of 100000 bytes, left out" in load_journal(path).torn


@pytest.mark.fault("Bad files: an action named `Finally.`", "a step like any other")
def test_an_action_named_like_a_keyword(project):
    sample = SAMPLE | {
        "expected": {"components": [{"name": "Finally.", "step": 1}, {"name": "x" * 300, "step": 10**30}]}
    }
    (project / "datasets" / "odd.jsonl").write_text(json_line(sample))
    (project / "runs" / "odd").mkdir()
    (project / "runs" / "odd" / "m.jsonl").write_text(json_line(GENERATION | {"generated": sample["expected"]}))
    for command in (["score", "odd", "--explain"], ["matrix", "odd"], ["slices", "odd"], ["report", "odd"]):
        assert flowgen(*command, cwd=project).returncode == 0, command


def other_files(folder: Path) -> dict[str, Path]:
    """What a name can lead to that is no file."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    return {name: folder / name for name in ("pipe", "link", "zero", "folder", "loop")}


@pytest.mark.fault(
    "Bad files: a pipe, a device, a folder, a link to one or to itself",
    "refused at once, one line; every kind of file",
    tries=65,
)
def test_no_regular_file_is_never_opened(good, tmp_path):
    others = other_files(tmp_path)
    for name, kind in good.items():
        if name in ("explorer state", "slice"):
            continue  # texts that come from a page, not files
        path = tmp_path / name / kind.path
        path.parent.mkdir(parents=True)
        for other in others.values():
            path.symlink_to(other)
            with pytest.raises(InputError):
                kind.read(path)
            path.unlink()


def fuzz(good: dict[str, Kind], root: Path, count: int, seed: int) -> dict[str, int]:
    """Read so many mutated files of all kinds; how often each was read and refused."""
    for folder in ("environments", "scenarios"):
        shutil.copytree(ROOT / folder, root / folder, dirs_exist_ok=True)
    rng, counted = random.Random(seed), {"read": 0, "refused": 0}
    for n in range(count):
        name = rng.choice(list(good))
        kind, path = good[name], root / good[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = mutated(rng, kind.good)
        path.write_bytes(data)
        line = ""
        try:
            kind.read(path)
        except InputError as e:
            line = str(e)
        except BaseException as e:
            raise AssertionError(f"seed {seed}, input {n}, {name}: {data[:2000]!r}") from e
        finally:
            path.write_bytes(kind.good)
        assert "\n" not in line
        assert len(line) <= 1000
        counted["refused" if line else "read"] += 1
    return counted


@pytest.mark.fault("Bad files: all kinds of file, mutated", "read, or one line that names the file", tries=600)
def test_mutated_files(good, tmp_path):
    counted = fuzz(good, tmp_path, 600, 1)
    assert min(counted.values()) > 30, counted


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.fault("Bad files: all kinds of file, mutated", "read, or one line that names the file", tries=100_000)
def test_many_mutated_files(good, tmp_path, seed):
    assert sum(fuzz(good, tmp_path, 10_000, seed).values()) == 10_000


def test_a_good_file_of_each_kind_is_read(good, tmp_path):
    for folder in ("environments", "scenarios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for kind in good.values():
        path = tmp_path / kind.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kind.good)
        kind.read(path)
    assert to_text(FINDING)
