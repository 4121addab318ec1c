"""A judge over the wire: faults, a kill and a resumption, and nothing paid twice."""

import os
import subprocess
import sys
import time
from pathlib import Path

from judging import JudgeServer, asked_of
from shared import ROOT, examples

from flowgen_analysis.generation.models.cache import ReplyCache
from flowgen_analysis.generation.models.judging import Judge, judge_all

USEFUL = Judge("useful", "Worth? <flow>$generated</flow>")


def faulty(body: dict, before: int) -> str | None:
    """Every eleventh question is refused once, every seventh answered in prose once."""
    number = sum(map(ord, body["messages"][-1]["content"]))
    if before:
        return None
    return "500" if number % 11 == 0 else "prose" if number % 7 == 0 else None


def test_killed_and_resumed_none_is_paid_twice(tmp_path: Path):
    many = examples(600, 2000)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with JudgeServer(faulty, latency_s=0.02) as server:
        command = [sys.executable, str(ROOT / "tests" / "judge_child.py"), server.url, str(tmp_path / "c"), str(many)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        while sum(server.paid.values()) < many // 3 and child.poll() is None:
            time.sleep(0.01)
        child.kill()
        child.wait()
        time.sleep(0.3)
        kept = len(ReplyCache(tmp_path / "c").keys())
        assert many // 4 < kept < many
        again = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert again.stdout.split() == [str(many), "0"]
        twice = sum(n - 1 for n in server.paid.values())
        assert len(server.paid) == many
        assert twice <= 16
        third = judge_all(server.entry(), USEFUL, asked_of(many), cache=tmp_path / "c")
    assert (len(third.scores), third.failed, third.calls - third.from_cache) == (many, {}, 0)
    assert all(score == int(key[0][-1]) for key, score in third.scores.items())


def test_answers_that_are_none(tmp_path: Path):
    with JudgeServer(says=lambda body: 11) as server:
        found = judge_all(server.entry(), USEFUL, asked_of(4), cache=tmp_path / "c")
    assert not found.scores
    assert set(found.failed.values()) == {"answered 11; expected 0 to 10"}
    assert found.calls == 12  # each is asked for three times
    with JudgeServer(lambda body, before: "html") as server:
        found = judge_all(server.entry(retries=0), USEFUL, asked_of(2), cache=tmp_path / "d")
    assert len(found.failed) == 2
    assert not found.scores
