"""Outputs, samples and flows of other tools, by the shell: what joins, what is listed, and that nothing is overwritten."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from shared import SHARED, examples, json_lines, needs_shared
from shell import flowgen

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.intake.inspect_logs import read_export
from flowgen_analysis.flows.intake.peers import recognise
from flowgen_analysis.flows.intake.tables import Row
from flowgen_analysis.project import Project
from flowgen_analysis.scoring.flowsim import flowsim

FIXTURES = Path(__file__).parent / "fixtures" / "intake"
LOG = {"trigger": None, "components": [{"name": "log", "step": 1}]}
MAIL = {"trigger": None, "components": [{"name": "send_email", "step": 1}]}
REAL = SHARED / "real"


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def project(tmp_path):
    """A project with the three samples that the fixtures are about."""
    flowgen("init", tmp_path)
    rows = [("a", "Log the incident", LOG), ("b", "Send an email to the caller", MAIL), ("c", "Close it", None)]
    lines(tmp_path / "datasets" / "few.jsonl", *({"id": i, "requirement": r, "expected": f} for i, r, f in rows))
    return tmp_path


def imported(project, *arguments):
    """The JSON report of an import of runs, and the generations of the project by model and sample."""
    done = flowgen("import", "runs", *arguments, "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    samples = Project(project).samples("few")
    return json.loads(done.stdout), {
        (g.model, g.sample_id): g for run in Project(project).runs("few", samples) for g in run.generations
    }


def names(generation):
    return [s.name for s in generation.generated.components]


# -- what other tools write


def test_promptfoo(project):
    report, made = imported(project, FIXTURES / "promptfoo.jsonl")
    assert report["mapping"]["id"] == "vars.sample_id"
    assert names(made["model-a", "b"]) == ["send_email"]
    assert made["model-a", "b"].read_as == "repaired"
    assert [p["what"] for p in report["problems"]] == ["zz", "zz"]
    assert report["left"] == {"prompt": 5, "gradingResult": 5, "testCase.assert": 2}
    whole = {"evalId": "e", "results": {"version": 3, "results": json_lines(FIXTURES / "promptfoo.jsonl"), "stats": {}}}
    (project / "results.json").write_text(json.dumps(whole))
    report, _ = imported(project, project / "results.json")
    assert report["made"] == 3
    assert all(not k["added"] and not k["changed"] for k in report["kept"])


@pytest.mark.parametrize(
    ("file", "field"),
    [("langfuse_observations.json", "metadata.sample_id"), ("openinference_otlp.json", "metadata.sample_id"),
     ("phoenix_spans.json", "metadata.sample_id"), ("phoenix_spans.parquet", "metadata.sample_id")],
)  # fmt: skip
def test_traces(project, file, field):
    report, made = imported(project, FIXTURES / file)
    assert report["mapping"]["id"] == field
    assert report["mapping"]["model"] == "model"
    assert names(made["gpt-x", "a"]) == ["log"]
    assert names(made["gpt-x", "b"]) == ["send_email"]
    assert made["gpt-x", "c"].error == "rate limited"
    assert sum(report["left"].values()) == 3  # the spans around the calls


def test_openai_batch(project):
    def line(name, body=None, error=None, status=200):
        reply = {"status_code": status, "request_id": "r", "body": body} if body else None
        return {"id": f"batch_{name}", "custom_id": name, "response": reply, "error": error}

    def completion(*texts):
        choices = [
            {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": t}}
            for i, t in enumerate(texts)
        ]
        made = ChatCompletion.model_validate(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-x", "choices": choices,
             "usage": {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}}
        )  # fmt: skip
        return made.model_dump(mode="json", exclude_none=True)

    reply = {"object": "response", "model": "gpt-x", "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": json.dumps(MAIL)}]}]}  # fmt: skip
    failed = line("c", {"error": {"message": "too long", "code": "x"}}, status=400)
    file = lines(project / "batch.jsonl", line("a", completion(json.dumps(LOG), "no")), line("b", reply), failed)
    report, made = imported(project, file, "--model", "gpt-x")
    assert report["form"] == "OpenAI batch"
    assert names(made["gpt-x", "b"]) == ["send_email"]
    assert made["gpt-x", "c"].error == "too long"
    assert report["made"] == 4  # two choices are two repeats


def test_phoenix_experiment(project):
    rows = [
        {"example_id": "RGF0YQ==", "repetition_number": n, "input": {"sample": "a", "requirement": "Log the incident"},
         "reference_output": {"flow": LOG}, "output": json.dumps(flow), "error": None, "latency_ms": 1500.0, "trace_id": None,
         "start_time": "t", "end_time": "t", "prompt_token_count": 8, "completion_token_count": 4,
         "annotations": [{"name": "valid", "score": 1.0, "label": None, "explanation": "fine"}]}
        for n, flow in ((1, LOG), (2, MAIL))
    ]  # fmt: skip
    (project / "experiment.json").write_text(json.dumps(rows))
    report, made = imported(project, project / "experiment.json", "--model", "mine")
    assert report["mapping"]["id"] == "input.sample"
    assert names(made["mine", "a"]) == ["send_email"]  # the second repeat
    assert made["mine", "a"].repeat == 1
    assert made["mine", "a"].scores == {"valid": 1.0}
    assert report["left"] == {"annotations.explanation": 2}


def test_weave(project):
    call = {"id": "1", "op_name": "weave:///e/p/op/Evaluation.predict_and_score:v1", "trace_id": "t", "parent_id": None,
            "project_id": "e/p", "inputs": {"example": {"uid": "a"}, "model": "weave:///e/p/object/Gpt:abc"},
            "output": {"output": json.dumps(LOG), "scores": {"valid": {"ok": True}}, "model_latency": 2.5}, "exception": None,
            "summary": {"weave": {"status": "success"}}, "started_at": "t", "ended_at": "t", "attributes": {}}  # fmt: skip
    inner = {
        **call,
        "id": "2",
        "op_name": "weave:///e/p/op/Gpt.predict:v1",
        "parent_id": "1",
        "output": json.dumps(LOG),
    }
    lost = {
        **call,
        "id": "3",
        "inputs": {**call["inputs"], "example": {"uid": "c"}},
        "output": None,
        "exception": "Traceback\nTimeoutError: late",
    }
    report, made = imported(project, lines(project / "calls.jsonl", call, inner, lost))
    assert report["mapping"]["id"] == "example.uid"
    assert names(made["Gpt", "a"]) == ["log"]
    assert made["Gpt", "c"].error == "TimeoutError: late"
    assert report["left"] == {"a call of Gpt.predict": 1}


def test_inspect_log(project):
    pytest.importorskip("inspect_ai", reason="the extra [inspect] is not installed")
    report, made = imported(project, FIXTURES / "inspect.json")
    assert report["form"] == "Inspect log"
    assert names(made["mockllm/model", "a"]) == ["log"]
    assert names(made["mockllm/model", "b"]) == ["send_email"]


def test_an_inspect_log_without_inspect_says_what_to_install(project):
    try:
        import inspect_ai  # noqa: F401
    except ImportError:
        done = flowgen("import", "runs", FIXTURES / "inspect.json", cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert 'pip install "flowgen-analysis[inspect]"' in done.stderr


@settings(max_examples=examples(100, 2000), deadline=None)
@given(st.dictionaries(st.sampled_from(
    "results vars provider response error custom_id example_id reference_output output op_name inputs trace_id traceId type startTime "
    "attributes span_kind resourceSpans context id input observations testCase metadata choices".split()
), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["results", "body", "choices", "message", "content", "weave", "scopeSpans", "spans", "type", "x"]), inner, max_size=3), max_leaves=8)))  # fmt: skip
@example({"resourceSpans": [{"scopeSpans": 1}]})
def test_what_only_looks_like_an_export_is_read_or_refused(data):
    with contextlib.suppress(InputError):
        recognise([Row("f:1", data)])


# -- what is said, kept and guessed


def test_fields_are_shown_before_they_are_used_and_kept(project):
    file = lines(project / "out.jsonl", {"qid": 1, "meta": {"key": "a"}, "answer": {"flow": LOG}, "who": "m"})
    shown = flowgen("import", "runs", file, "--show", "--model", "who", cwd=project)
    assert 'id           from meta.key (guess, 100% of its values are ids of the dataset): "a"' in shown.stderr
    assert 'model        from who (call): "m"' in shown.stderr
    assert not (project / "runs" / "few").exists()
    flowgen("import", "runs", file, "--model", "=m2", "--generated", "answer.flow", "--keep-mapping", cwd=project)
    assert 'model = "=m2"' in (project / "import.toml").read_text()
    assert "model        = m2 (import.toml)" in flowgen("import", "runs", file, "--show", cwd=project).stderr


def test_what_does_not_join_is_listed(project):
    file = lines(
        project / "out.jsonl", {"id": "a", "output": LOG}, {"id": "a", "output": MAIL}, {"id": "zz", "output": LOG}, {"id": ["a"], "output": LOG},
        {"id": "b", "output": 7}, {"id": None, "output": LOG},
    )  # fmt: skip
    report, made = imported(project, file, "--model", "m")
    assert list(made) == [("m", "a")]
    assert [p["kind"] for p in report["problems"]] == [
        "a second output of m", "unknown ids", "an id of the wrong type", "an output of the wrong type", "no id"
    ]  # fmt: skip
    assert report["missing"] == {"m": ["b", "c"]}
    nowhere = flowgen(
        "import", "runs", lines(project / "x.jsonl", {"id": "zz", "output": LOG}), "--model", "m", cwd=project
    )
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "none of 1 rows joins: unknown ids: zz; expected samples such as a, b, c" in nowhere.stderr


def test_csv_by_requirement_in_the_language_of_another_system(project):
    answer = "```yaml\nalias: A\ntrigger: [{platform: sun}]\naction: [{service: light.turn_on}]\n```"
    (project / "out.csv").write_text(f'question,reply,model\nLog the  incident,"{answer}",m\nNone,x,m\n')
    report, made = imported(project, project / "out.csv", "--written-as", "home-assistant")
    assert report["mapping"] == {"requirement": "question", "generated": "reply", "model": "model"}
    assert names(made["m", "a"]) == ["light.turn_on"]
    assert made["m", "a"].raw == answer
    assert [p["kind"] for p in report["problems"]] == ["a requirement that no sample has"]


# -- nothing is overwritten


def test_a_sample_written_by_hand_survives_an_import(project):
    path = project / "datasets" / "few.jsonl"
    before = path.read_text()
    theirs = lines(
        project / "s.jsonl",
        {"uid": "a", "question": "Something else", "gold": MAIL},
        {"uid": "d", "question": "New", "gold": LOG},
    )
    done = flowgen("import", "samples", theirs, "-d", "few", cwd=project)
    assert "1 differ from what is there and were left out (a); --replace" in done.stdout
    assert path.read_text().startswith(before)
    assert [s.id for s in load_samples(path)] == ["a", "b", "c", "d"]
    held = path.read_text()
    assert "1 there already (d)" in flowgen("import", "samples", theirs, "-d", "few", cwd=project).stdout
    assert path.read_text() == held
    done = flowgen("import", "samples", theirs, "-d", "few", "--replace", cwd=project)
    assert "1 replaced (a)" in done.stdout
    assert load_samples(path)[0].requirement == "Something else"
    assert (project / "datasets" / "few.jsonl.1.bak").read_text() == held


def test_a_run_is_added_to_and_never_overwritten(project):
    file = lines(project / "o.jsonl", {"id": "a", "output": LOG})
    imported(project, file, "--model", "m")
    lines(file, {"id": "a", "output": MAIL}, {"id": "b", "output": MAIL})
    report, made = imported(project, file, "--model", "m")
    assert (report["kept"][0]["added"], report["kept"][0]["changed"]) == (["b"], ["a"])
    assert names(made["m", "a"]) == ["log"]
    _, made = imported(project, file, "--model", "m", "--replace")
    assert names(made["m", "a"]) == ["send_email"]


# -- real sets


@needs_shared
def test_flow_bench_raw_is_what_was_converted_by_hand(project):
    raw = REAL / "flowbench" / "raw" / "data" / "conditional_ootb.yaml"
    assert (
        "101 definitions read, 0 failed; 372 actions in, 372 out, 0 lost"
        in flowgen("import", "flow-bench", raw, "-d", "bench", cwd=project).stdout
    )
    wanted = {s.id: s for s in load_samples(REAL / "flowbench" / "samples.jsonl")}
    assert all(wanted[s.id].reference == s.reference for s in Project(project).samples("bench"))


@needs_shared
def test_dify_replies_of_real_models(project):
    flowgen("import", "samples", REAL / "chat2workflow" / "samples.jsonl", "-d", "tasks", cwd=project)
    runs = REAL / "chat2workflow" / "runs" / "gpt_5d1.jsonl"
    done = flowgen("import", "runs", runs, "-d", "tasks", "--generated", "raw", "--written-as", "dify", cwd=project)
    assert done.returncode == 0, done.stderr
    [run] = Project(project).runs("tasks", Project(project).samples("tasks"))
    converted = {d["id"]: d["generated"] for d in json_lines(runs)}
    both = [g for g in run.generations if g.generated and converted[g.sample_id]]
    same = [flowsim(converted[g.sample_id], g.generated, inputs=False) for g in both]
    assert len(both) >= 30
    assert sum(s == 1 for s in same) / len(same) > 0.9


@needs_shared
def test_generation_for_home_assistant_asks_for_its_environment(project):
    flowgen("init", project, "--demo")
    flowgen("import", "samples", REAL / "homeassistant" / "samples.jsonl", "-d", "ha", cwd=project)
    ask = ("generate", "ha", "-m", "gpt-4o", "--estimate")
    refused = flowgen(*ask, cwd=project)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "base knows 0 of the 10 steps that its flows use" in refused.stderr
    assert "flowgen environment make ha" in refused.stderr
    assert "7 steps" in flowgen("environment", "make", "ha", cwd=project).stdout
    assert "environment ha for 4 samples that name none" in flowgen(*ask, cwd=project).stdout


def test_a_single_file_reads_as_its_folder_does(tmp_path):
    lines(tmp_path / "a.jsonl", {"id": "a"})
    lines(tmp_path / "b.jsonl", {"id": "b"})
    assert [r.data["id"] for r in read_export(tmp_path).rows] == ["a", "b"]
