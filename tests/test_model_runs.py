"""Models behind an API from a terminal and from a cell: real processes, a real server, and nothing paid for twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import pytest
from loopback import Loopback, by_heart
from nbclient import NotebookClient
from shared import ROOT

from flowgen_analysis.cli.main import main
from flowgen_analysis.flows.dataset import load_runs, load_samples
from flowgen_analysis.flows.reading import flow_to_dict
from flowgen_analysis.generation.models.background import BackgroundFlow
from flowgen_analysis.generation.models.cache import ReplyCache, request_key
from flowgen_analysis.model_runs import ask, stale_runs, start_run
from flowgen_analysis.project import Project, init_project

TEST = ROOT / "datasets" / "test.jsonl"
SAMPLES = load_samples(TEST)
SOME = 40
SECRET = "sk-do-not-write-me-down-0987654321"


@pytest.fixture
def project(tmp_path) -> Project:
    """A project as `flowgen init --demo` makes it."""
    init_project(tmp_path / "p", demo=True)
    return Project(tmp_path / "p")


def serve(project: Project, server: Loopback, concurrency: int = 8) -> None:
    """Make the server the only model of the project; it wants a key."""
    (project.root / "models.toml").write_text(
        f'[providers.loopback]\nbase_url = "{server.url}"\napi_key_env = "LOOPBACK_API_KEY"\n'
        f"max_concurrency = {concurrency}\nretries = 1\n"
        '[models.loop]\nprovider = "loopback"\nendpoint_model = "loop-1"\nparams = { temperature = 0 }\n'
        'prices = { input = 1.0, output = 2.0, as_of = "2026-11-20", source = "made up" }\n'
    )


def flowgen(project: Project, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"LOOPBACK_API_KEY": SECRET}
    command = [f"{sys.prefix}/bin/flowgen", "generate", "test", "-m", "loop", *arguments]
    return subprocess.Popen(
        command, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def generations(project: Project, name: str = "loop") -> list:
    return load_runs([project.run_path("test", name)], SAMPLES)[0].generations


def committed(project: Project) -> set[str]:
    store = ReplyCache(project.root / ".flowgen" / "replies.sqlite")
    try:
        return store.keys()
    finally:
        store.close()


def wait_for(server: Loopback, calls: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while len(server.seen) < calls and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_killed_interrupted_and_run_to_the_end(project, capsys, monkeypatch):
    """SIGKILL, then Ctrl-C, then the end: no committed reply is asked for again, and the key is in no file."""
    some = ("--limit", str(SOME))
    with Loopback(by_heart(TEST), latency_s=0.05) as server:
        serve(project, server)
        process = flowgen(project, *some)
        wait_for(server, 40, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.1)
        before, at = committed(project), len(server.seen)
        assert before
        assert not project.run_path("test", "loop").exists()

        process = flowgen(project, *some, "--json")
        wait_for(server, at + 95, process)
        process.send_signal(signal.SIGINT)
        code, out, err = finished(process)
        assert code == 130
        found = json.loads(out)["models"]["loop"]
        assert found["stopped"]
        assert 0 < found["generations"] < SOME
        assert len(generations(project)) == found["generations"]
        assert not before & {request_key("loopback", server.url, body) for body in server.seen[at:]}
        before, at = committed(project), len(server.seen)

        monkeypatch.setenv("LOOPBACK_API_KEY", SECRET)
        code, out, err = here(project, capsys, *some, "--json")
        assert code == 0, err
        found = json.loads(out)["models"]["loop"]
        assert not before & {request_key("loopback", server.url, body) for body in server.seen[at:]}
        made = generations(project)
        assert all(
            flow_to_dict(g.generated) == flow_to_dict(s.reference) for g, s in zip(made, SAMPLES[:SOME], strict=True)
        )
        needed = sum(len(g.calls) for g in made)
        assert found["calls"] == found["estimate"]["calls"] == needed == len(committed(project))
        assert len(server.seen) <= needed + 2 * 8, "at most the concurrency is lost each time"
        usage = sum(g.usage["prompt_tokens"] for g in made)
        assert 0.6 < found["estimate"]["prompt_tokens"] / usage < 1.6
        assert err.startswith(f"loop: {needed} calls")

        at = len(server.seen)
        monkeypatch.delenv("LOOPBACK_API_KEY")
        code, out, err = here(project, capsys, *some)
        assert code == 0, "what the cache has needs no key"
        assert f"{needed} calls ({needed} from the cache)" in out
        assert "$0.0000" in out
        assert len(server.seen) == at
    assert set(server.keys) == {SECRET}
    files = [p for p in project.root.rglob("*") if p.is_file()]
    assert any(p.name == "replies.sqlite" for p in files)
    for text in [out, err, *(p.read_bytes().decode("utf-8", "replace") for p in files)]:
        assert SECRET not in text


def here(project: Project, capsys, *options: str) -> tuple[int, str, str]:
    """The same command in this process."""
    code = main(["generate", "test", "-C", str(project.root), "-m", "loop", *options])
    return code, *capsys.readouterr()


def test_perfect_retrieval_stands_beside_the_plain_run(project, capsys, monkeypatch):
    """Both runs, over a slice, then one over more samples joins what is there; the prompts differ in what they show."""
    monkeypatch.setenv("LOOPBACK_API_KEY", SECRET)
    with Loopback(by_heart(TEST)) as server:
        serve(project, server)
        for options in (
            ["--limit", "5"],
            ["--limit", "5", "--perfect-rag"],
            ["--slice", "steps > 9", "--repeats", "2"],
        ):
            code, out, err = here(project, capsys, *options)
            assert code == 0, err
        calls = len(server.seen)
        code, out, err = here(project, capsys, "--limit", "5", "--estimate")
        assert (code, err) == (0, "")
        assert out.startswith("loop: ")
        monkeypatch.delenv("LOOPBACK_API_KEY")
        code, out, err = here(project, capsys, "--repeats", "3", "--limit", "2")
        assert code == 2
        assert err.splitlines()[-1].endswith("LOOPBACK_API_KEY is not set; expected its API key in there")
        assert len(server.seen) == calls
    plain, perfect = generations(project), generations(project, "loop+perfect")
    long = [s.id for s in SAMPLES if len(s.reference.components) > 9]
    assert {g.sample_id for g in plain} == {s.id for s in SAMPLES[:5]} | set(long)
    assert [g.repeat for g in plain if g.sample_id == long[-1]] == [0, 1]
    assert [g.sample_id for g in perfect] == [s.id for s in SAMPLES[:5]]
    for g, p, s in zip(plain, perfect, SAMPLES[:5], strict=False):
        assert (g.made["retriever"]["perfect"], p.made["retriever"]["perfect"]) == (False, True)
        used = {c.name for c in s.reference.components if not c.is_logic} | {s.reference.trigger.type}
        assert used <= set(p.suggestions["steps"])
        assert len(p.suggestions["steps"]) == len(g.suggestions["steps"]) == 15
    assert str(project.root) not in project.run_path("test", "loop").read_text(), "no path of this machine is in a run"
    runs = load_runs([project.run_path("test", n) for n in ("loop", "loop+perfect")], SAMPLES)
    assert stale_runs(project, "test", SAMPLES, runs) == {}
    base = project.root / "environments" / "base.json"
    base.write_text(base.read_text().replace('"Incident"', '"Trouble"', 1))
    assert list(stale_runs(project, "test", SAMPLES, runs)) == ["loop", "loop+perfect"]


def test_a_run_in_a_cell_is_in_every_view(project, monkeypatch, capsys):
    """`wb.generate`: what it takes, how far it is, an interrupt that keeps what is done, and the run in the tables."""
    from flowgen_analysis.workbench import Workbench

    monkeypatch.setenv("LOOPBACK_API_KEY", SECRET)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # as in a kernel; other tests in this process may have left another
    with Loopback(by_heart(TEST), latency_s=0.06) as server:
        serve(project, server)
        wb = Workbench(project, "test")
        wb.generate("loop", slice="parallel")
        said = capsys.readouterr().out.splitlines()
        assert "calls" in said[0]
        assert said[-1].startswith("done; kept in")
        assert [run.model for run in wb.runs] == ["loop"]
        assert wb.headline()[0].model == "loop"
        assert wb.headline()[0].inputs.mean == 1
        at = len(server.seen)

        def interrupt() -> None:
            while len(server.seen) < at + 220:
                time.sleep(0.005)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        wb.generate("loop")
        kept = len(wb.runs[0].generations)
        assert len(wb.index().members("parallel")) < kept < len(SAMPLES)
        assert "stopped; the same call goes on from there" in capsys.readouterr().out
        run = start_run(project, "test", "loop")
        while not run.wait(0.01) and (run.progress is None or run.progress.done < kept + 10):
            pass
        run.cancel()
        assert kept < len(run.result()) < len(SAMPLES)
        wb.generate("loop")
        assert len(wb.runs[0].generations) == len(SAMPLES)
        assert len(server.seen) <= len(committed(project)) + 2 * 8
    assert SECRET not in capsys.readouterr().out


def test_a_notebook_shows_one_line_and_no_key(project, monkeypatch):
    """In a real kernel: what it takes, how far it is and where it went stand in one output, which changes in its place."""
    monkeypatch.setenv("LOOPBACK_API_KEY", SECRET)
    cells = [
        "from flowgen_analysis.model_runs import cell_line, generate\nfrom flowgen_analysis.project import Project",
        "made = generate(Project.open('.'), 'test', 'loop', cell_line(), only=['" + SAMPLES[0].id + "'])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with Loopback(by_heart(TEST)) as server:
        serve(project, server)
        NotebookClient(
            notebook, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(project.root)}}
        ).execute()
        assert len(server.seen) == 4
    [shown] = notebook.cells[1].outputs
    lines = shown["data"]["text/plain"].splitlines()
    assert lines[0].startswith("loop over 1 samples of test: 4 calls")
    assert lines[1].startswith("1/1 flows")
    assert lines[2].startswith("done; kept in")
    assert SECRET not in nbformat.writes(notebook)


def test_one_requirement_typed_by_hand(project, monkeypatch):
    """Events with what was suggested, from a model and from an offline generator through the same door."""
    monkeypatch.setenv("LOOPBACK_API_KEY", SECRET)

    async def follow(model: str) -> list:
        return [e async for e in ask(project, model, SAMPLES[0].requirement)]

    with Loopback(by_heart(TEST)) as server:
        serve(project, server)
        events = asyncio.run(follow("loop"))
        assert [e.kind for e in events] == ["outline", "inputs", "inputs", "inputs", "done"]
        assert len(events[0].suggestions["steps"]) == 15
        assert any(e.suggestions for e in events[1:-1])
        offline = asyncio.run(follow("rules"))
        assert (offline[0].kind, offline[-1].kind) == ("outline", "done")
        assert offline[-1].generation.readable
        server.latency_s = 5
        flow = BackgroundFlow(ask(project, "loop", "Something else"))
        assert not flow.wait(0.3)
        flow.cancel()
        assert flow.wait(5)
        assert flow.result() is None
    assert len(committed(project)) == 4
