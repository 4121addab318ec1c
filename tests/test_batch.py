"""Large runs: the same numbers however they are made: on one process or more, after a kill, on a cluster that loses a worker."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import joblib
import polars as pl
import psutil
import pytest
from damage import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT, SHARED, examples, needs_shared
from shell import flowgen
from strategies import flows
from work import ends

from flowgen_analysis.flows.dataset import Run, load_runs, load_samples, save_run
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import Flow, Generation, Sample
from flowgen_analysis.flows.reading import flow_to_dict, read_flow
from flowgen_analysis.scoring.distance import tree_distances
from flowgen_analysis.scoring.flowsim import flowsim
from flowgen_analysis.scoring.large import batch
from flowgen_analysis.scoring.large.batch import read_scores, score_large
from flowgen_analysis.scoring.large.bounds import distance_bounds, keyroot_nodes
from flowgen_analysis.scoring.options import Options, compared
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.scoring.tree import Encoder

SAMPLES = [s for s in load_samples(ROOT / "datasets" / "test.jsonl") if s.reference]


def damaged_pairs(count: int) -> list[tuple[Flow, Flow]]:
    return [(flow, bad) for _, flow, bad, _ in cases([s.reference for s in SAMPLES], count)]


@pytest.fixture(scope="module")
def work() -> tuple[list[Sample], list[Run]]:
    """Two models over samples of their own, with repeats, unreadable ones and samples that expect nothing."""
    pairs = damaged_pairs(400)
    samples = [Sample(id=f"s{n}", requirement="", expected=[e]) for n, (e, _) in enumerate(pairs)]
    samples += [Sample(id="open", requirement=""), Sample(id="unseen", requirement="", expected=[Flow()])]
    good = [Generation(sample_id=f"s{n}", model="a", generated=g) for n, (_, g) in enumerate(pairs)]
    again = [g.model_copy(update={"repeat": 1}) for g in good[:50]]
    none = [Generation(sample_id=f"s{n}", model="b", error="cut off") for n in range(20)]
    shuffled = [Generation(sample_id=f"s{n}", model="b", generated=pairs[-n][1], repeat=1) for n in range(300)]
    extra = [Generation(sample_id="open", model="b", generated=pairs[0][1])]
    return samples, [Run("a", good + again), Run("b", none + shuffled + extra)]


@pytest.fixture(scope="module")
def plain(work):
    return score_runs(*work)


def same(found: pl.DataFrame, expected: pl.DataFrame) -> bool:
    return found.select(expected.columns).equals(expected)


@pytest.mark.parametrize(
    ("jobs", "part"), [(1, 500), (2, 40), *(pytest.param(j, 7, marks=pytest.mark.verify) for j in (1, 2))]
)
def test_the_numbers_are_those_of_score_runs(work, plain, tmp_path, jobs, part):
    samples, runs = work
    calls = []
    batch = score_large(
        samples, runs, tmp_path / "x.parquet", jobs=jobs, part=part, progress=lambda *c: calls.append(c)
    )
    scores = read_scores(batch.path, samples)
    assert same(scores.frame, plain.frame)
    assert scores.summary().equals(plain.summary())
    assert scores.missing.sort("model", "sample_id").equals(plain.missing.sort("model", "sample_id"))
    assert batch.bounded == 0
    assert scores.frame.filter(pl.col("inputs") != pl.col("inputs_low")).is_empty()
    total = plain.frame.height
    assert [c[1] for c in calls] == [total] * len(calls)
    assert calls[-1][0] == total
    assert calls == sorted(calls)


def test_rows_and_files_give_the_same(work, plain, tmp_path):
    """A run file, its rows one by one, and the runs that are read from it."""
    samples, runs = work
    paths = [save_run(tmp_path / f"{r.model}.jsonl", r.generations) for r in runs]
    rows = [json.loads(line) for p in paths for line in p.read_text().splitlines()]
    for n, item in enumerate((paths, rows, iter(rows), load_runs(paths, samples))):
        batch = score_large(samples, item, tmp_path / f"{n}.parquet", jobs=2, part=100)
        assert same(pl.read_parquet(batch.path), plain.frame)


def test_a_row_is_read_as_a_run_reads_it(tmp_path):
    """Replies that are mended, broken or raw are read alike, also where the same one comes again."""
    samples = [Sample(id=i, requirement="", expected=[SAMPLES[0].reference]) for i in "ab"]
    replies = [json.loads(x)["reply"] for x in (ROOT / "tests" / "damaged_replies.jsonl").read_text().splitlines()]
    rows = [
        {"id": i, "model": m, "repeat": n, "generated": reply if m == "text" else None, "raw": reply}
        for i in "ab"
        for m in ("text", "raw")
        for n, reply in enumerate(replies)
    ]
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    expected = score_runs(samples, load_runs([path], samples)).frame.sort("model", "sample_id", "repeat")
    found = pl.read_parquet(score_large(samples, [path], tmp_path / "x.parquet").path)
    assert same(found.sort("model", "sample_id", "repeat"), expected)


# --- the options, the engines, strict reading ---

EVERY = [Options(*on) for on in [(b, s, u) for b in (False, True) for s in (False, True) for u in (False, True)]]


@st.composite
def a_dataset(draw) -> tuple[list[Sample], list[Run]]:
    """A few samples with none to three expected flows, and what a model generates for them, or not."""
    some = [Sample(id=f"s{n}", requirement="", expected=draw(st.lists(branching, max_size=3))) for n in range(3)]
    made = []
    for s, repeat in [(s, r) for s in some for r in range(2)]:
        flow = draw(st.none() | branching | st.sampled_from([*s.expected, Flow()]))
        lost = None if flow else "cut off"
        made.append(Generation(sample_id=s.id, model="m", repeat=repeat, generated=flow, error=lost))
    return some, [Run("m", made)]


@st.composite
def _branching(draw) -> Flow:
    """A flow, at times with a PARALLEL behind it whose branches log some texts."""
    flow = draw(flows(max_steps=3))
    texts = draw(
        st.lists(st.sampled_from(["all is well", "all went quite well", "no", "{{step_1.x}} is gone"]), max_size=3)
    )
    at = len(flow.components) + 1
    rows = [{"name": "PARALLEL", "step": at}]
    for n, text in enumerate(texts):
        branch = at + 1 + 2 * n
        rows.append({"name": "BRANCH", "step": branch, "block": at})
        log = [{"name": "message", "value": text}]
        rows.append({"name": "log", "step": branch + 1, "block": branch, "inputs": log})
    steps = read_flow({"components": rows}).components if texts else []
    return Flow(trigger=flow.trigger, components=[*flow.components, *steps])


branching = _branching()


@given(a_dataset(), st.sampled_from(EVERY), st.sampled_from(["numba", "zss"]))
@settings(max_examples=examples(20, 80), deadline=None)
def test_options_and_engines_give_what_score_runs_gives(tmp_path_factory, data, options, engine):
    samples, runs = data
    out = tmp_path_factory.mktemp("large") / "x.parquet"
    batch = score_large(samples, runs, out, engine=engine, options=options, part=4, budget_s=60)
    plain = score_runs(samples, runs, engine, options=options)
    scores = read_scores(batch.path, samples)
    assert same(scores.frame, plain.frame)
    assert scores.summary().equals(plain.summary())
    assert (scores.options, scores.metrics) == (plain.options, plain.metrics)
    assert batch.bounded == 0


@given(st.lists(branching, min_size=1, max_size=3), branching, st.sampled_from([o for o in EVERY if o.name]))
@settings(max_examples=examples(25, 80), deadline=None)
def test_bounds_hold_under_the_options(tmp_path_factory, expected, generated, options):
    """Without a budget: the score lies between its bounds, and where they meet it is there."""
    samples = [Sample(id="a", requirement="", expected=expected)]
    out = tmp_path_factory.mktemp("large") / "x.parquet"
    score_large(samples, [Generation(sample_id="a", model="m", generated=generated)], out, options=options, budget_s=0)
    row = pl.read_parquet(out).row(0, named=True)
    for metric in ("inputs", "outline"):
        exact = compared(expected, generated, metric == "inputs", options).score()
        low, high = (row[f"{metric}_{options.name}_{end}"] for end in ("low", "high"))
        assert low <= exact <= high
        assert row[f"{metric}_{options.name}"] == (exact if low == high else None)
        assert row["bounded"] or low == high


def likeness(a: str, b: str) -> float:
    return 1.0 if a[:3] == b[:3] else 0.0


def test_a_similarity_of_ones_own_crosses_to_processes(tmp_path):
    flow = SAMPLES[0].reference.model_copy(deep=True)
    flow.components[0].inputs = (
        read_flow({"components": [{"name": "x", "step": 1, "inputs": [{"name": "m", "value": "all is well"}]}]})
        .components[0]
        .inputs
    )
    other = flow.model_copy(deep=True)
    other.components[0].inputs[0].value = "all is lost"
    for similarity, best in ((likeness, 1.0), (lambda a, b: 0.0, flowsim(flow, other))):
        options = Options(soft=similarity)
        batch = score_large([], [(flow, other)] * 20, tmp_path / "x.parquet", options=options, jobs=2, part=5)
        assert pl.read_parquet(batch.path)["inputs_soft"].to_list() == [best] * 20


@needs_shared
def test_real_runs_score_alike_under_every_option(tmp_path):
    folder = SHARED / "real" / "homeassistant"
    samples, paths = load_samples(folder / "samples.jsonl"), sorted((folder / "runs").glob("*.jsonl"))[:6]
    options = Options(best=True, soft=True, unordered=True)
    for strict in (False, True):
        plain = score_runs(samples, load_runs(paths, samples, strict), options=options)
        batch = score_large(samples, paths, tmp_path / "x.parquet", options=options, strict=strict, jobs=2, part=20)
        key = ["model", "sample_id", "repeat"]
        assert same(pl.read_parquet(batch.path).sort(key), plain.frame.sort(key))


def test_pairs(tmp_path):
    """Flows or plain dicts; what is hard to write as UTF-8 too."""
    pairs = damaged_pairs(60)
    odd = read_flow({"trigger": None, "components": [{"name": "\ud800", "step": 1}]})
    mixed = [(flow_to_dict(e), g) if n % 2 else (e, flow_to_dict(g)) for n, (e, g) in enumerate(pairs)]
    frame = pl.read_parquet(
        score_large([], [*mixed, (odd, odd), (odd, None)], tmp_path / "x.parquet", jobs=2, part=9).path
    )
    assert frame["inputs"].to_list() == [*(flowsim(e, g) for e, g in pairs), 1.0, 0.0]
    assert frame["sample_id"].to_list() == [str(n) for n in range(62)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_input_is_one_line_and_the_rest_stands(tmp_path, jobs, recwarn):
    rows = [{"id": SAMPLES[0].id, "model": "m", "repeat": n, "generated": None} for n in range(40)]
    for bad, said in (({"id": "zz"}, "'zz', which is no sample"), ({"model": ""}, "model")):
        broken = [*rows[:-1], rows[-1] | bad]
        with pytest.raises(InputError, match=said) as error:
            score_large(SAMPLES, broken, tmp_path / "x.parquet", jobs=jobs, part=5)
        assert str(error.value).startswith("work[39]")
        assert not (tmp_path / "x.parquet").exists()
    assert not recwarn.list
    batch = score_large(SAMPLES, rows, tmp_path / "x.parquet", jobs=jobs, part=5)
    assert (batch.generations, batch.resumed >= 5) == (40, True)


# --- killed and resumed ---

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from test_batch import damaged_pairs, slowly
from flowgen_analysis.scoring.large.batch import score_large
score_large([], slowly(damaged_pairs(400)), sys.argv[2], jobs=int(sys.argv[3]), part=20)
"""


def slowly(pairs):
    for pair in pairs:
        time.sleep(0.01)
        yield pair


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.verify)])
def test_killed_and_resumed(tmp_path, jobs):
    """A process and its workers are killed at some moment; the next call scores what is not there, to the same result."""
    out, parts = tmp_path / "x.parquet", tmp_path / ".x.parquet.parts"
    command = [sys.executable, "-c", CHILD, str(ROOT / "tests"), str(out), str(jobs)]
    child = subprocess.Popen(command, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while len(list(parts.glob("0*.parquet"))) < 5 and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    written = {p.name: p.read_bytes() for p in parts.glob("0*.parquet")}
    assert 5 <= len(written) < 20
    assert not out.exists()
    batch = score_large([], damaged_pairs(400), out, jobs=jobs, part=20)
    assert batch.resumed == 20 * len(written)
    whole = score_large([], damaged_pairs(400), tmp_path / "whole.parquet", part=33)
    assert pl.read_parquet(out).equals(pl.read_parquet(whole.path))
    assert [p.name for p in tmp_path.iterdir() if ".parts" in p.name] == []


def test_a_part_whose_input_changed_is_scored_again(tmp_path):
    pairs: list = damaged_pairs(40)
    with pytest.raises(InputError):
        score_large([], [*pairs, ({"components": 1}, None)], tmp_path / "x.parquet", part=10)
    pairs[15] = pairs[15][0], pairs[3][1]
    batch = score_large([], pairs, tmp_path / "x.parquet", part=10)
    assert batch.resumed == 30
    assert pl.read_parquet(batch.path)["inputs"].to_list() == [flowsim(e, g) for e, g in pairs]
    with pytest.raises(InputError):
        score_large([], [*pairs, ({"components": 1}, None)], tmp_path / "y.parquet", part=10)
    assert score_large([], pairs, tmp_path / "y.parquet", part=10, resume=False).resumed == 0


def test_no_part_of_another_making_is_taken_over(tmp_path, monkeypatch):
    """Parts under other options, another engine, another budget, other reading or other code are not mixed."""
    pairs: list = damaged_pairs(20)
    broken = [*pairs, ({"components": 1}, None)]
    out, own = tmp_path / "x.parquet", Options(soft=likeness)
    ways: list[dict] = [{}, {"options": Options(soft=True)}, {"options": Options(best=True)}, {"options": own}]
    ways += [{"engine": "zss"}, {"strict": True}, {"budget_s": 6.0}]

    def resumed(**how) -> int:
        with pytest.raises(InputError):
            score_large([], broken, out, part=5, **how)
        return len(list((tmp_path / ".x.parquet.parts").glob("0*.parquet")))

    assert [resumed(**how) for how in ways] == [4 * n for n in range(1, len(ways) + 1)]
    assert resumed(options=own) == 4 * len(ways) + 4, "nobody can tell two similarities apart"
    assert resumed(options=Options(soft=True)) == 4 * len(ways) + 4
    monkeypatch.setattr("flowgen_analysis.scoring.large.batch._code", lambda: "tomorrow's")
    assert resumed() == 4 * len(ways) + 8
    monkeypatch.undo()
    batch = score_large([], pairs, out, part=5, options=Options(soft=True))
    assert batch.resumed == 20
    assert list(tmp_path.iterdir()) == [out]


# --- two calls on one file ---

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from test_batch import damaged_pairs, slowly
from flowgen_analysis.scoring.large.batch import score_large
score_large([], slowly(damaged_pairs(3000)), sys.argv[2], part=20)
"""


def test_two_calls_on_one_file_do_not_mix(tmp_path):
    """The second is told who is at it, its resume=False throws nothing away; once the first is dead it takes over."""
    out, parts = tmp_path / "x.parquet", tmp_path / ".x.parquet.parts"
    pairs: list = damaged_pairs(40)
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(ROOT / "tests"), str(out)])
    try:
        until = time.monotonic() + 60
        first = {"000000", "000001"}
        while not first <= {p.name[:6] for p in parts.glob("0*.parquet")} and time.monotonic() < until:
            time.sleep(0.02)
        for resume in (True, False):
            with pytest.raises(InputError) as error:
                score_large([], pairs, out, part=20, resume=resume)
            assert str(error.value) == (
                f"{out}: is being written by process {child.pid}; wait for it, or name another file"
            )
        assert child.poll() is None
        assert first <= {p.name[:6] for p in parts.glob("0*.parquet")}
        assert score_large([], pairs, tmp_path / "y.parquet").generations == 40, "another file is free"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert (parts / "lock").exists()
    batch = score_large([], pairs, out, part=20)
    assert (batch.generations, batch.resumed) == (40, 40)


# --- killed workers ---


def workers() -> list[psutil.Process]:
    """The processes of this one that score."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if "loky" in command and "resource_tracker" not in command:
                found.append(process)
    return found


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.verify)])
def test_a_worker_that_is_killed(tmp_path, times):
    """Its parts are scored again, and nothing is lost, be it killed once or thrice."""
    pairs = damaged_pairs(200 * times)
    killed = []

    def progress(done: int, total: int) -> None:
        if len(killed) < times and done >= 100 * (len(killed) + 1) and (found := workers()):
            killed.append(found[0].pid)
            found[0].kill()

    batch = score_large([], iter(pairs), tmp_path / "x.parquet", jobs=2, part=10, progress=progress)
    assert len(killed) == times
    assert (batch.generations, batch.resumed) == (200 * times, 0)
    whole = score_large([], pairs, tmp_path / "whole.parquet")
    assert pl.read_parquet(batch.path).equals(pl.read_parquet(whole.path))


def deadly(folder: str, lives: int):
    """A likeness that kills the process it runs in where it meets a poisoned text, so many times."""

    def alike(a: str, b: str) -> float:
        if "poison" in a and len(os.listdir(folder)) < lives:
            open(os.path.join(folder, str(time.time_ns())), "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.5

    return alike


def noted(text: str) -> Flow:
    inputs = [{"name": "message", "value": text}]
    return read_flow({"trigger": None, "components": [{"name": "log", "step": 1, "inputs": inputs}]})


def poisoned_pairs() -> list:
    pairs: list = damaged_pairs(100)
    pairs[57] = noted("all is well"), noted("this is poison")
    return pairs


def test_a_part_that_kills_its_worker(tmp_path):
    """It is tried four times; then it is named, and what is scored is kept."""
    pairs, folder, out = poisoned_pairs(), tmp_path / "lives", tmp_path / "x.parquet"
    folder.mkdir()
    with pytest.raises(InputError) as error:
        score_large([], pairs, out, jobs=2, part=10, options=Options(soft=deadly(str(folder), 99)))
    said = "work[50] to work[59]: costs every worker its life (4 were killed), most likely for memory; "
    assert str(error.value).startswith(said)
    assert len(os.listdir(folder)) == 4
    assert len(list((tmp_path / ".x.parquet.parts").glob("0*.parquet"))) >= 4
    again = score_large([], pairs[:50], out, part=10, options=Options(soft=True))
    assert again.generations == 50


@pytest.mark.verify
def test_a_part_that_kills_three_workers_is_scored_by_the_fourth(tmp_path):
    pairs, folder = poisoned_pairs(), tmp_path / "lives"
    folder.mkdir()
    options = Options(soft=deadly(str(folder), 3))
    batch = score_large([], pairs, tmp_path / "x.parquet", jobs=2, part=10, options=options)
    assert pl.read_parquet(batch.path)["inputs"].to_list() == [flowsim(e, g) for e, g in pairs]


# --- the command ---


def test_the_command_is_interrupted_and_started_again(tmp_path, monkeypatch):
    """`flowgen score --jobs` ended by Ctrl-C, then left to finish: the numbers of the plain command."""
    run, out = tmp_path / "m.jsonl", tmp_path / "x.parquet"
    pairs = zip(SAMPLES, damaged_pairs(len(SAMPLES)), strict=True)
    save_run(run, [Generation(sample_id=s.id, model="m", generated=bad) for s, (_, bad) in pairs])
    command = ["score", ROOT / "datasets" / "test.jsonl", run, "--json"]
    large = [*command, "-o", out, "--jobs", "1"]

    def tired(done: int, total: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    place = "flowgen_analysis.cli.scoring.score_large"
    monkeypatch.setattr(place, lambda *work, progress, **how: score_large(*work, progress=tired, part=10, **how))
    done = flowgen(*large)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "flowgen: interrupted\n")
    assert not out.exists()
    monkeypatch.setattr(place, lambda *work, **how: score_large(*work, part=10, **how))
    found, plain = json.loads(flowgen(*large).stdout), json.loads(flowgen(*command).stdout)
    assert found == plain | {"bounded": 0, "resumed": 30}
    assert not (tmp_path / ".x.parquet.parts").exists()


@pytest.mark.verify
def test_the_command_is_killed_and_started_again(tmp_path):
    """`flowgen score --jobs` ended by SIGKILL, then by Ctrl-C, then left to finish: the numbers of the plain command."""
    run = tmp_path / "m.jsonl"
    ids = {id(s.reference): s.id for s in SAMPLES}
    rng = random.Random(0)
    flows = [rng.choice(SAMPLES).reference for _ in range(6_000)]
    made = [Generation(sample_id=ids[id(f)], model="m", repeat=n, generated=f) for n, f in enumerate(flows)]
    for n, (_, g) in enumerate(damaged_pairs(1200)):
        made[5 * n].generated = g
    save_run(run, made)
    out, parts = tmp_path / "x.parquet", tmp_path / ".x.parquet.parts"
    command = [
        f"{sys.prefix}/bin/flowgen",
        "score",
        str(ROOT / "datasets" / "test.jsonl"),
        str(run),
        "--json",
        "--soft",
    ]
    large = [*command, "-o", str(out), "--jobs", "2"]
    at, kept = 0, []
    for ending in (signal.SIGKILL, signal.SIGINT):
        child = subprocess.Popen(
            large, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        until = time.monotonic() + 120
        while len(list(parts.glob("0*.parquet"))) < at + 3 and time.monotonic() < until and child.poll() is None:
            time.sleep(0.02)
        os.killpg(child.pid, ending)
        said, errors = child.communicate(timeout=60)
        at = len(list(parts.glob("0*.parquet")))
        kept.append(at)
        assert said == ""
        assert not out.exists()
        assert child.returncode == (-9 if ending == signal.SIGKILL else 130), errors
    assert errors == "flowgen: interrupted\n"
    assert 3 <= kept[0] < kept[1] < 12
    done = subprocess.run(large, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    plain = subprocess.run(
        [*command, "-o", str(tmp_path / "plain.parquet")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(plain.stdout) | {"bounded": 0, "resumed": 500 * kept[1]}
    assert same(pl.read_parquet(out), pl.read_parquet(tmp_path / "plain.parquet"))
    assert not parts.exists()


def test_a_full_disk_leaves_the_old_result(tmp_path, monkeypatch):
    pairs = damaged_pairs(10)
    out = score_large([], pairs, tmp_path / "x.parquet").path
    before = out.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="No space left"):
        score_large([], pairs[:5], out)
    assert out.read_bytes() == before


# --- on a cluster ---


@pytest.mark.verify
def test_a_cluster_that_loses_a_worker(tmp_path):
    """The same call on a Dask scheduler with two workers, one killed while it works."""
    distributed = pytest.importorskip("distributed")
    pairs = damaged_pairs(1000)
    killed = []
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    folder = str(tmp_path / "dask")
    with distributed.LocalCluster(**settings, local_directory=folder) as cluster, distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())

        def progress(done: int, total: int) -> None:
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)
            assert total == 1000

        with joblib.parallel_config(backend="dask"):
            batch = score_large([], pairs, tmp_path / "x.parquet", part=20, progress=progress)
        after = list(client.run(os.getpid).values())
    assert killed
    assert killed[0] not in after
    assert batch.generations == 1000
    whole = score_large([], pairs, tmp_path / "whole.parquet")
    assert pl.read_parquet(batch.path).equals(pl.read_parquet(whole.path))


@pytest.mark.verify
@pytest.mark.fault(
    "Kills: a part that costs every worker of a Dask cluster its life",
    "given up after four, named; what is scored is kept",
    tries=4,
)
def test_a_part_that_kills_every_worker_of_a_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, out = tmp_path / "lives", tmp_path / "x.parquet"
    folder.mkdir()
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    cluster = distributed.LocalCluster(**settings, local_directory=str(tmp_path / "dask"))
    said = r"work\[50\] to work\[59\]: costs every worker its life"
    with (
        cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
        pytest.raises(InputError, match=said),
    ):
        score_large([], poisoned_pairs(), out, part=10, options=Options(soft=deadly(str(folder), 99)))
    assert 4 <= len(os.listdir(folder)) <= 5
    assert len(list(tmp_path.glob(".x.parquet.parts/*.parquet"))) >= 5


class Future:
    def __init__(self, result):
        self.result = result


class Cluster:
    """As much of a cluster as is asked of one: its workers die of whatever part holds poison, or there are none."""

    def __init__(self, workers: int, poison: int | None = None):
        self.workers, self.poison, self.cancelled = workers, poison, []

    def nthreads(self) -> dict[str, int]:
        return {str(n): 1 for n in range(self.workers)}

    def submit(self, function, number, *given, pure):
        from distributed import KilledWorker

        def result():
            if number == self.poison:
                raise KilledWorker("part", None, 4)
            return function(number, *given)

        return Future(result)

    def cancel(self, futures, force):
        self.cancelled += futures


@pytest.mark.fault(
    "Kills: a part that costs every worker of a Dask cluster its life",
    "given up, named; what is scored is kept",
    tries=1,
)
@pytest.mark.fault("Kills: a Dask cluster without a worker", "given up after a minute", tries=1)
def test_a_cluster_is_not_waited_for_without_end(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def wait(futures, timeout, return_when):
        if not cluster.workers:
            raise distributed.TimeoutError
        return SimpleNamespace(done=futures[:1])

    monkeypatch.setattr(batch, "_ALONE_S", -1)
    monkeypatch.setattr(distributed, "wait", wait)
    monkeypatch.setattr(batch, "get_active_backend", lambda: (SimpleNamespace(client=cluster), 1))
    for cluster, said in (
        (Cluster(2, poison=7), r"work\[70\] to work\[79\]: costs every worker its life"),
        (Cluster(0), "no worker"),
    ):
        out = tmp_path / f"{cluster.workers}.parquet"
        with pytest.raises(InputError, match=said):
            score_large([], damaged_pairs(100), out, part=10)
        assert len(list(out.parent.glob(f".{out.name}.parts/*.parquet"))) == (7 if cluster.workers else 0)
    cluster = Cluster(2)
    assert score_large([], damaged_pairs(100), tmp_path / "all.parquet", part=10).generations == 100


# --- a budget a pair ---


def comb(steps: int, name: str, left: bool, names: int = 7) -> Flow:
    """Every block holds a step and the next block: the shape that costs the kernel most, on one side."""
    made = []
    for n in range(1, steps, 2):
        block = made[-1 if left else -2]["step"] if made else None
        leaf, inner = {"name": f"{name}{n % names}", "block": block}, {"name": "IF", "block": block}
        made += [leaf | {"step": n}, inner | {"step": n + 1}] if left else [inner | {"step": n}, leaf | {"step": n + 1}]
    return read_flow({"trigger": {"type": "daily"}, "components": made})


def test_a_thousand_nodes_cannot_hold_the_batch(tmp_path):
    """Pathological pairs among plain ones: theirs are bounds, and every other score is what it was."""
    pairs: list = damaged_pairs(100)
    bad = [(comb(1000, "x", left), comb(900, "x", left, names=5)) for left in (True, False)]
    encoder = Encoder()
    cells = keyroot_nodes([encoder.tree(f) for f in bad[0] + bad[1]]).reshape(-1, 2).prod(axis=1)
    assert cells.max() > 1e10, "a minute or more of the kernel"
    with ends():
        batch = score_large([], [*pairs[:50], *bad, *pairs[50:]], tmp_path / "x.parquet", budget_s=0.5)
    frame = pl.read_parquet(batch.path)
    assert batch.bounded == frame["bounded"].sum() >= 1
    assert not frame["bounded"][:50].any()
    assert not frame["bounded"][52:].any()
    assert frame["inputs"].to_list()[:50] == [flowsim(e, g) for e, g in pairs[:50]]
    held = frame.filter("bounded").row(0, named=True)
    assert held["inputs"] is None
    assert 0 <= held["inputs_low"] < held["inputs_high"] < 1
    assert frame.height == 102


def test_an_equal_flow_needs_no_budget(tmp_path):
    flow = comb(1000, "x", False)
    other = flow.model_copy(deep=True)
    other.components[0].annotation = "the same but for what is not compared"
    frame = pl.read_parquet(score_large([], [(flow, flow), (flow, other)], tmp_path / "x.parquet", budget_s=0).path)
    assert frame["inputs"].to_list() == [1.0, 1.0]


def test_the_budget_is_that_of_the_first_call(tmp_path):
    """A slower machine resumes with the cells the first allowed, so the parts agree on which pairs are bounded."""
    pairs = [(comb(60, "x", True), comb(50, "x", False, names=5))] * 3
    with pytest.raises(InputError):
        score_large([], [*pairs, ({"components": 1}, None)], tmp_path / "x.parquet", part=1, budget_s=1)
    note = tmp_path / ".x.parquet.parts" / "budget-numba.json"
    kept = json.loads(note.read_text())
    note.write_text(json.dumps(kept | {"cells": 0.0}))
    batch = score_large([], pairs, tmp_path / "x.parquet", part=1, budget_s=1)
    assert (batch.resumed, batch.bounded) == (0, 3)


@given(st.integers(0, 10**6))
@settings(max_examples=examples(40, 100), deadline=None)
def test_bounds_hold(seed):
    """For damaged and for unrelated flows, with inputs and without, cheap bounds and better ones."""
    rng = random.Random(seed)
    _, flow, bad, _ = next(cases([s.reference for s in SAMPLES], 1, seed))
    encoder = Encoder()
    trees = [encoder.tree(f) for f in (flow, bad, rng.choice(SAMPLES).reference)]
    pairs = [(0, 1), (0, 2), (1, 2), (2, 0)]
    for outline in (True, False):
        exact = tree_distances(trees, pairs, outline=outline).distance
        for (e, g), d in zip(pairs, exact, strict=True):
            better, cheap = (distance_bounds(trees[e], trees[g], outline, cells) for cells in (25e6, 0))
            assert cheap.low <= better.low <= d <= better.high <= cheap.high


@pytest.mark.verify
def test_memory_is_flat():
    """`benchmarks/large.py` at 2,000 and at 20,000 pairs."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "large.py"),
        "--json",
        "--sizes",
        "2000",
        "20000",
        "--jobs",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    small, large = (json.loads(line) for line in done.stdout.splitlines())
    assert large["peak_mb"] < 1.15 * small["peak_mb"]
