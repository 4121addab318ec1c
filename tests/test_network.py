"""Servers that mean harm, and several processes that pay from one purse: nothing is read without end, nothing leaves, nothing is paid twice."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress

import pytest
from late import write_late
from loopback import Loopback, by_heart
from test_models import DESK, SAMPLES, SETTING, TEST, always, committed, rows, start

from flowgen_analysis.cli.main import main
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.reading import flow_to_dict
from flowgen_analysis.generation.models.background import BackgroundProcess, BackgroundRun, run_model
from flowgen_analysis.generation.models.cache import request_key
from flowgen_analysis.generation.models.catalogue import load_models
from flowgen_analysis.generation.models.client import MAX_REPLY
from flowgen_analysis.generation.models.pipeline import Budget, BudgetReached
from flowgen_analysis.generation.models.scope import plan_calls
from flowgen_analysis.project import Project, init_project

ENDLESS = {"endless": "too_large", "bomb": "too_large", "endless-500": "server"}


@pytest.mark.parametrize("fault", ENDLESS)
@pytest.mark.fault(
    "Servers: a body without end, or 256 MiB packed", "a failed call after 4 MiB, not tried again", tries=3
)
def test_a_reply_is_read_up_to_a_limit(fault):
    with Loopback(by_heart(TEST), fault=always(fault)) as server:
        run_model(server.entry(retries=0), SAMPLES[:1], SETTING)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        [g] = run_model(server.entry(retries=2 if fault != "endless-500" else 0), SAMPLES[:1], SETTING)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert g.error.partition(":")[0] == ENDLESS[fault]
        assert len(server.seen) == 2, "what is too long is paid for once"
        assert grown < 16 * MAX_REPLY >> 10


@pytest.mark.fault("Servers: a byte now and then", "a failed call when its time is up", tries=1)
def test_a_reply_has_a_time_as_a_whole():
    with Loopback(by_heart(TEST), fault=always("slow")) as server:
        [g] = run_model(server.entry(retries=0, timeout_s=5, deadline_s=0.5), SAMPLES[:1], SETTING)
        assert g.error == "timeout: no reply within 0.5 s"


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
@pytest.mark.fault(
    "Servers: a redirect to another host, or to itself", "not followed; the other host gets nothing", tries=10
)
def test_no_redirect_is_followed(status, monkeypatch):
    monkeypatch.setenv("LOOPBACK_API_KEY", "sk-do-not-pass-me-on-123456")
    with Loopback(by_heart(TEST)) as other:
        for where in (f"{other.url}/chat/completions", "/v1/chat/completions"):
            with Loopback(by_heart(TEST), fault=always(f"{status} {where}")) as server:
                [g] = run_model(server.entry(api_key_env="LOOPBACK_API_KEY"), SAMPLES[:1], SETTING)
                assert g.error.startswith(f"redirect: {status} to ")
                assert len(server.seen) == 1
        assert not other.seen


@pytest.mark.fault("Servers: lone surrogates, counts beyond 63 bits", "made fit, stored, paid for once", tries=4)
def test_what_no_database_takes_is_paid_for_once(tmp_path):
    with Loopback(by_heart(TEST), fault=always("no-text")) as server:
        for _ in range(2):
            [g] = run_model(
                server.entry(), SAMPLES[:1], SETTING, cache=tmp_path / "replies.sqlite", path=tmp_path / "r"
            )
            assert flow_to_dict(g.generated) == flow_to_dict(SAMPLES[0].reference)
            assert "failed_steps" not in g.model_extra
        assert max(Counter(map(json.dumps, server.seen)).values()) == 1


@pytest.mark.fault("Servers: another address under the same name", "its replies are its own", tries=1)
def test_a_reply_belongs_to_the_address_that_gave_it(tmp_path):
    for _ in range(2):
        with Loopback(by_heart(TEST)) as server:
            run_model(server.entry(), SAMPLES[:1], SETTING, cache=tmp_path / "replies.sqlite")
            assert server.seen


def asked(server: Loopback) -> Counter:
    return Counter(request_key("loopback", server.url, body) for body in server.seen)


def two_processes(tmp_path, n: int, latency_s: float = 0.03) -> int:
    """Requests that two processes which make the same run pay for twice."""
    cache = tmp_path / "replies.sqlite"
    with Loopback(by_heart(TEST), latency_s=latency_s) as server:
        children = [start(server, cache, tmp_path / f"run{i}.jsonl", 8, n) for i in range(2)]
        for child in children:
            out, err = child.communicate(timeout=240)
            assert child.returncode == 0, err
            assert out.split() == [str(n), str(n)]
        paid = asked(server)
    assert set(paid) == committed(cache)
    assert len(paid) == sum(1 + len(plan_calls(s.reference, DESK)) for s in SAMPLES[:n])
    return sum(paid.values()) - len(paid)


@pytest.mark.fault("Kills: two processes on one run", "no request is paid for twice", tries=40)
def test_two_processes_pay_once(tmp_path):
    assert two_processes(tmp_path, 20) == 0


@pytest.mark.verify
@pytest.mark.fault("Kills: two processes on one run", "no request is paid for twice", tries=648)
def test_two_processes_pay_once_for_a_whole_dataset(tmp_path):
    assert two_processes(tmp_path, 108) == 0


@pytest.mark.fault("Kills: one of two processes, in the middle", "the other goes on with its calls at once", tries=1)
def test_a_claim_of_a_process_that_is_gone_is_void(tmp_path):
    cache = tmp_path / "replies.sqlite"
    with Loopback(by_heart(TEST), latency_s=0.1) as server:
        children = [start(server, cache, tmp_path / f"run{i}.jsonl", 8, 12) for i in range(2)]
        while len(server.seen) < 12:
            time.sleep(0.005)
        children[0].kill()
        _, err = children[1].communicate(timeout=50)
        assert children[1].returncode == 0, err
        children[0].communicate()
        assert sum(asked(server).values()) - len(committed(cache)) <= 8


@pytest.mark.fault(
    "Kills: Ctrl-C, three times", "what is paid for is kept, the run is written, within seconds", tries=3
)
def test_an_interrupt_keeps_what_is_paid_for(tmp_path):
    cache, path = tmp_path / "replies.sqlite", tmp_path / "run.jsonl"
    with Loopback(by_heart(TEST), latency_s=0.2) as server:
        child = start(server, cache, path, 16, 60)
        while len(server.seen) < 150:
            time.sleep(0.005)
        for _ in range(3):
            child.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, err = child.communicate(timeout=20)
        assert child.returncode == 0, err
        assert set(asked(server)) == committed(cache)
        assert all(g.readable and not g.model_extra.get("failed_steps") for g in rows(path)), "whole flows alone"


@pytest.mark.verify
@pytest.mark.fault(
    "Kills: a run, at random moments",
    "no committed reply is asked for again, at most the calls in flight are lost",
    tries=40,
)
def test_forty_kills_lose_what_was_in_flight(tmp_path):
    from test_models import kill_and_resume

    vain, worst = kill_and_resume(tmp_path, kills=40, n=108, seed=23)
    assert worst <= 8
    assert vain <= 40 * 8


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MiB."""
    at = tmp_path / "disk"
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "small", str(at)]
    for asked in ([], ["sudo", "-n"]):  # who tests is root, or may be it without a word, or skips this
        if (not asked or shutil.which("sudo")) and not subprocess.run([*asked, *mount], capture_output=True).returncode:
            break
    else:
        pytest.skip("no small disk can be made here")
    yield at
    subprocess.run([*asked, "umount", "-l", at], check=True)


@pytest.mark.fault(
    "Full disk: while a model runs", "one line; nothing more is asked, what is on its way is kept", tries=1
)
def test_a_full_disk_loses_no_reply(small_disk):
    cache, path = small_disk / "replies.sqlite", small_disk / "run.jsonl"

    def fill(body, before):
        if len(server.seen) >= 40 and not (small_disk / "rest").exists():
            with suppress(OSError), (small_disk / "rest").open("wb") as f:
                while True:
                    f.write(bytes(4096))
                    f.flush()

    with Loopback(by_heart(TEST), latency_s=0.1, fault=fill) as server:
        with pytest.raises(InputError, match=r"cannot be written \(database or disk is full\)"):
            run_model(server.entry(max_concurrency=16), SAMPLES, SETTING, cache=cache, path=path)
        assert len(server.seen) <= 40 + 2 * 16, "what was sent already, and what had a claim and a slot"
        (small_disk / "rest").unlink()
        assert set(asked(server)) == committed(cache)


def test_a_budget_is_never_passed_and_a_run_goes_on_behind_it(tmp_path):
    cache, path, spent, made = tmp_path / "replies.sqlite", tmp_path / "run.jsonl", [], []
    with Loopback(by_heart(TEST), latency_s=0.01) as server:
        model = server.entry(params={"max_tokens": 500})
        for _ in range(3):
            budget = Budget(0.05)
            with pytest.raises(BudgetReached, match=r"of \$0.0500 is reached"):
                run_model(model, SAMPLES, SETTING, cache=cache, path=path, budget=budget)
            spent.append(budget.spent_usd)
            made.append(path.read_text().count("\n") if path.exists() else 0)
        made.append(len(run_model(model, SAMPLES, SETTING, cache=cache, path=path, budget=Budget(10))))
        assert max(Counter(map(json.dumps, server.seen)).values()) == 1
    assert all(0.04 < usd <= 0.05 for usd in spent)
    assert made == sorted(made), "what was paid for is not asked for again; a budget may go to first stages alone"
    assert made[-1] == len(SAMPLES)


def project_of(tmp_path, server: Loopback, more: str = "") -> Project:
    root = tmp_path / "p"
    init_project(root, demo=True)
    (root / "models.toml").write_text(
        f'[providers.loopback]\nbase_url = "{server.url}"\napi_key_env = "LOOPBACK_API_KEY"\nretries = 0\n'
        '[models.loop]\nprovider = "loopback"\nendpoint_model = "loop-1"\nparams = { max_tokens = 500 }\n'
        'prices = { input = 1.0, output = 2.0, as_of = "2026-11-20", source = "made up" }\n' + more
    )
    return Project(root)


@pytest.mark.fault("Servers: every call fails", "one line that says who was asked, exit 2", tries=5)
def test_generate_says_who_is_asked_and_fails_where_every_call_did(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOOPBACK_API_KEY", "sk-123456789")
    with Loopback(by_heart(TEST), fault=always("500")) as server:
        project = project_of(tmp_path, server)
        call = ["generate", "test", "-C", str(project.root), "-m", "loop", "--limit", "5"]
        assert main(call) == 2
        err = capsys.readouterr().err.splitlines()
        who = f"{server.url.removesuffix('/v1')} with the key in LOOPBACK_API_KEY"
        assert err[0].endswith(f"; asks {who}")
        assert err[-1] == f"flowgen: {who}: every call failed (5 server)"
        server.fault = always(None)
        assert main([*call, "--budget", "0.005", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)["models"]["loop"]
        assert found["budget_reached"]
        assert found["cost_usd"] <= 0.005
        assert main([*call, "--budget", "1"]) == 0
        for wrong in ("0", "-1", "nan"):
            assert main([*call, "--budget", wrong]) == 2
            assert "flowgen: budget: is" in capsys.readouterr().err


TOML = {
    "another variable": ('api_key_env = "AWS_SECRET_ACCESS_KEY"', "no key for models"),
    "an address that is none": ('base_url = "http://[::1"', "is no address"),
    "a port that is none": ('base_url = "http://a:b/"', "is no address"),
    "deep": ("x = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
    "a long number": ("x = " + "9" * 5000, "is not TOML"),
}


@pytest.mark.parametrize("name", TOML)
@pytest.mark.fault("Bad files: models.toml", "one line")
def test_models_toml_of_somebody_else(name, tmp_path):
    line, said = TOML[name]
    base = "" if line.startswith("base_url") else 'base_url = "https://a.example"\n'
    (tmp_path / "models.toml").write_text(f"[providers.a]\n{base}{line}\n")
    with pytest.raises(InputError, match=said):
        load_models(tmp_path / "models.toml")


@pytest.mark.fault(
    "Kills: a run of an offline model is cancelled while it learns",
    "ended at once, nothing written, and said so",
    tries=2,
)
def test_what_does_not_look_up_can_be_cancelled(tmp_path):
    told: list[int] = []
    for seconds, done in ((0, True), (300, False)):
        path = tmp_path / f"{seconds}"
        work = BackgroundProcess(write_late, str(path), seconds, on_note=told.append)
        while len(told) <= (not done) and not work.wait(0.02):
            pass
        if not done:
            work.cancel()
        assert work.wait(60)
        assert (work.done, path.exists()) == (done, done)
    for pid in told:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault(
    "Kills: a model run is cancelled", "ended with what is paid for kept; only whole flows in the run", tries=1
)
def test_a_cancelled_run_says_what_is_true(tmp_path):
    cache, path = tmp_path / "replies.sqlite", tmp_path / "run.jsonl"
    with Loopback(by_heart(TEST), latency_s=0.2) as server:
        run = BackgroundRun(server.entry(max_concurrency=16), SAMPLES[:60], SETTING, cache=cache, path=path)
        while len(server.seen) < 150:
            time.sleep(0.005)
        run.cancel()
        assert run.wait(20)
        assert set(asked(server)) == committed(cache)
        assert rows(path) == run.result()
        assert all(flow_to_dict(g.generated) == flow_to_dict(SAMPLES_BY_ID[g.sample_id].reference) for g in rows(path))


SAMPLES_BY_ID = {s.id: s for s in SAMPLES}
