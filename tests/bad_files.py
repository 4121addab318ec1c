"""Each kind of file that is read, a good one of it, what reads it, and what goes wrong with files."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shared import ROOT

from flowgen_analysis.analysis.agreement import load_ratings
from flowgen_analysis.analysis.saved import SavedSlice, load_slices, save_slices
from flowgen_analysis.analysis.slices import Slice
from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.features.tagbook import TagBook
from flowgen_analysis.flows.dataset import load_runs, load_samples, save_run, save_samples
from flowgen_analysis.flows.environment import load_environment
from flowgen_analysis.flows.validation import validate_file
from flowgen_analysis.generation.models.cache import Reply, ReplyCache
from flowgen_analysis.generation.models.catalogue import load_models
from flowgen_analysis.project import init_project
from flowgen_analysis.reports.carried import load_report, report_data
from flowgen_analysis.reports.differences import compare_reports
from flowgen_analysis.reports.findings import Finding, Findings, to_text
from flowgen_analysis.study import open_study
from flowgen_analysis.synthesis.scenarios import load_scenario
from flowgen_analysis.widgets.explorer.history import read_view

SAMPLES = load_samples(ROOT / "datasets" / "test.jsonl")
SMALL = SAMPLES[:4]


class Kind(NamedTuple):
    """path: of the file, in a project. good: its bytes. read: everything that is done with it, given its path."""

    path: str
    good: bytes
    read: Callable[[Path], object]


def _samples(path: Path) -> None:
    samples = load_samples(path)
    save_samples(path.with_suffix(".again"), samples)


def _runs(path: Path) -> None:
    for strict in (False, True):
        for run in load_runs([path], SMALL, strict):
            save_run(path.with_suffix(".again"), run.generations)
    list(validate_file(path))


def _finding(path: Path) -> None:
    for found in Findings(path.parent).list():
        to_text(found)


def _journal(path: Path) -> None:
    load_journal(path)
    TagBook(path, "ada")


def _scenario(path: Path) -> None:
    load_scenario(path.parents[1], path.stem)


def _report(path: Path) -> None:
    compare_reports(load_report(path), load_report(path), names=("a", "b"))


def _cache(path: Path) -> None:
    cache = ReplyCache(path)
    for key in sorted(cache.keys())[:5]:
        cache.get(key)


def _state(path: Path) -> None:
    read_view(path.read_text(encoding="utf-8", errors="replace"))


def _slice(path: Path) -> None:
    Slice(path.read_text(encoding="utf-8", errors="replace"))


def _text(value: object) -> bytes:
    return json.dumps(value).encode()


def _lines(*rows: object) -> bytes:
    return b"".join(_text(row) + b"\n" for row in rows)


def _bytes(write: Callable[[Path], object], name: str, folder: Path) -> bytes:
    write(folder / name)
    return (folder / name).read_bytes()


def small_project(root: Path) -> Path:
    """A project of four samples and two runs."""
    init_project(root)
    save_samples(root / "datasets" / "test.jsonl", SMALL)
    for name in ("nearest", "rules"):
        made = load_runs([ROOT / "runs" / "test" / f"{name}.jsonl"], SAMPLES)[0].generations
        save_run(root / "runs" / "test" / f"{name}.jsonl", [g for g in made if g.sample_id in {s.id for s in SMALL}])
    return root


def report_of(root: Path) -> bytes:
    """What a report on the project carries."""
    return json.dumps(report_data(open_study("test", root=root))).encode()


TAG = {
    "at": "2026-01-31T09:30:00Z",
    "by": "ada",
    "sample_id": SMALL[0].id,
    "feature": "foreach",
    "value": True,
    "note": "é",
}
RATING = {"at": "2026-01-31T09:30:00Z", "by": "ada", "id": SMALL[0].id, "model": "m", "repeat": 0, "score": 7}
FINDING = Finding(
    "Loops", "comparison", "They *lose*.", slice="foreach", models=("a", "b"), kept="2026-01-01", state={"tab": "x"},
    figures={"a": (0.5, 0.1, 0.9, 3)}, samples=("s",), scores={"a": (0.5,)},
)  # fmt: skip


def kinds(folder: Path) -> dict[str, Kind]:
    """The kinds of file. folder: where good ones are made."""
    nearest = load_runs([ROOT / "runs" / "test" / "nearest.jsonl"], SAMPLES)[0].generations
    mine = [g for g in nearest if g.sample_id in {s.id for s in SMALL}]
    slices = [SavedSlice("Loops", "", "foreach & steps > 5"), SavedSlice("é", "mine", 'trigger = "daily" | steps > 3')]
    cache = ReplyCache(folder / "replies.sqlite")
    for n in range(20):
        cache.put(f"{n}", Reply("text", "m"))
    cache.close()
    return {
        "samples": Kind("datasets/test.jsonl", _bytes(lambda p: save_samples(p, SMALL), "s", folder), _samples),
        "run": Kind("runs/test/m.jsonl", _bytes(lambda p: save_run(p, mine), "r", folder), _runs),
        "features.toml": Kind("feature_matrices/features.toml", (ROOT / "feature_matrices" / "features.toml").read_bytes(), Registry.load),
        "slices.toml": Kind("slices.toml", _bytes(lambda p: save_slices(p, slices), "sl", folder), load_slices),
        "models.toml": Kind("models.toml", (ROOT / "models.toml").read_bytes()[:6000], load_models),
        "scenario": Kind("scenarios/banking.toml", (ROOT / "scenarios" / "banking.toml").read_bytes(), _scenario),
        "environment": Kind("environments/telecom.json", (ROOT / "environments" / "telecom.json").read_bytes(), load_environment),
        "matrix": Kind("feature_matrices/test.csv", (ROOT / "feature_matrices" / "test.csv").read_bytes(), FeatureMatrix.load),
        "journal": Kind("feature_matrices/test.journal.jsonl", _lines(TAG, TAG | {"value": None}), _journal),
        "ratings": Kind("ratings/test.jsonl", _lines(RATING, RATING | {"score": 3.5}), load_ratings),
        "finding": Kind("reports/findings/01-loops.md", to_text(FINDING).encode(), _finding),
        "report": Kind("report.json", report_of(small_project(folder / "project")), _report),
        "cache": Kind(".flowgen/replies.sqlite", (folder / "replies.sqlite").read_bytes(), _cache),
        "explorer state": Kind("state.json", _text({"slice": "foreach", "tab": "compare", "reverse": True}), _state),
        "slice": Kind("slice.txt", b'foreach & ~(steps >= 5 | trigger = "daily") & score < 60%', _slice),
    }  # fmt: skip


BITS = [
    *"{}[]\"',:=#-&*!|>%@`~\n\t \\\x00\x1b\x85\ufeff\u2028",
    *("[[", "]]", "[[slices]]\n", "[a.b.c]\n", "a = ", "- ", "---\n", "null", "true", "nan", "inf", "1e30", "1e999", "-1", "0x"),
    *("2026-01-01", "12:30:00", "2026-01-01T00:00:00Z", "\\ud800", "\\u0000", "\\x1b", "&a ", "*a", "&a [*a]", '!!int ""', "!!set {a}"),
    *("!!python/object:os.system", "!!binary x", "<<: *a", "{{", "[/x]", "../../evil", "Finally.", "x" * 300, "9" * 30, "9" * 5_000),
    *("[" * 3_000, "{" * 3_000, '{"a":' * 3_000, "a." * 3_000, "(" * 500, "~" * 500, " & a" * 500, ",,,,", '"a","b"'),
]  # fmt: skip
VALUES = [None, True, -1, 0, 1e30, 1e400, float("nan"), 10**30, 2**63, "", "x" * 300, "\ud800", "\x00", "\x1b[2J", "[/x]", "../../evil", "Finally.", [], {}, [[]], [None], {"a": 1}]  # fmt: skip


def mutated(rng: random.Random, good: bytes) -> bytes:
    """A file gone wrong: bytes or texts in it exchanged, cut, doubled, moved; or, where it is JSON, a value in it."""
    if rng.random() < 0.4 and (told := _mutated_json(rng, good)) is not None:
        return told
    data = good
    for _ in range(rng.randint(1, 4)):
        i, j = sorted(rng.randint(0, len(data)) for _ in range(2))
        j = min(j, i + rng.choice([0, 1, 1, 8, 60, 4000]))
        bit = (
            rng.choice(BITS).encode("utf-8", "surrogatepass")
            if rng.random() < 0.8
            else rng.randbytes(rng.randint(1, 4))
        )
        what = rng.randrange(5)
        data = (
            data[:i] + data[j:] if what == 0 else data[:i] if what == 1 and rng.random() < 0.3
            else data[:j] + data[i:j] * rng.choice([1, 2, 30]) + data[j:] if what == 2 else data[:i] + bit + data[j:]
        )  # fmt: skip
    return data[:300_000]


def _mutated_json(rng: random.Random, good: bytes) -> bytes | None:
    rows = good.split(b"\n")
    n = rng.randrange(len(rows))
    try:
        data = json.loads(rows[n]) if len(rows) > 1 else json.loads(good)
    except ValueError:
        return None
    places, todo = [], [data]
    while todo:
        here = todo.pop()
        for key in here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ():
            places.append((here, key))
            todo.append(here[key])
    if not places:
        return None
    for _ in range(rng.randint(1, 2)):
        owner, key = rng.choice(places)
        if isinstance(owner, list) or rng.random() < 0.7:
            owner[key] = rng.choice(VALUES)
        else:
            owner.pop(key, None)
            owner[rng.choice(["", "name", "\ud800", "x" * 300, "repeat", "id"])] = rng.choice(VALUES)
    told = json.dumps(data, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return b"\n".join([*rows[:n], told, *rows[n + 1 :]]) if len(rows) > 1 else told
