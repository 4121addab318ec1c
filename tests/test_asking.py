"""The one object people hold: own fields as facts, prompts as files, and every call as evidence."""

import json

import pandas as pd
import polars as pl
import pytest
from loopback import Loopback, by_heart
from shared import ROOT

from flowgen_analysis.analysis.completion import complete
from flowgen_analysis.analysis.fact_filters import FactBins
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.generation.models.tokens import token_counter
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.workbench import Workbench

TEST = ROOT / "datasets" / "test.jsonl"
SOME = "id in (t-001, t-002)"
OWN = {
    "priority": 2,
    "vip": True,
    "tags": ["eu", "b2b"],
    "ticket": {"by": "ana"},
    "foreach": "x",
    "loop": 3,
    "note": "<b>",
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """Five samples, the first with fields of its own."""
    monkeypatch.setenv("LOOPBACK_API_KEY", "sk-nobody")
    init_project(tmp_path / "p", demo=True)
    made = Project(tmp_path / "p")
    rows = [json.loads(line) for line in TEST.read_text().splitlines()[:5]]
    rows[0] |= OWN
    rows[1] |= {"tags": [], "priority": 1}
    made.dataset_path("test").write_text("\n".join(map(json.dumps, rows)))
    return made


def serve(project: Project, server: Loopback) -> Workbench:
    (project.root / "models.toml").write_text(
        f'[providers.loopback]\nbase_url = "{server.url}"\napi_key_env = "LOOPBACK_API_KEY"\n'
        '[models.loop]\nprovider = "loopback"\nendpoint_model = "loop-1"\nparams = {}\n'
    )
    return Workbench(project, "test")


def test_own_fields_are_facts_and_hide_nothing(project):
    with Loopback(by_heart(TEST)) as server:
        wb = serve(project, server)
        wb.generate("loop", slice=SOME)
    held = {text: wb.explain(text).n for text in (
        "priority > 1", "vip = true", "tags:eu", "tags in (b2b)", "~tags:eu", "ticket.by = ana", "note ~ '<'",
        "field.note = '<b>'", "field.foreach = x", "field.loop = 3", "foreach", "loop > 101 - 101", "read_as.loop = clean",
        "usage.prompt_tokens.loop > 100", "cost_usd.loop > 0",
    ) if not _fails(wb, text)}  # fmt: skip
    assert held["priority > 1"] == held["vip = true"] == held["tags:eu"] == held["ticket.by = ana"] == 1
    assert held["~tags:eu"] == 1
    assert held["field.foreach = x"] == held["field.loop = 3"] == held["field.note = '<b>'"] == 1
    assert held["read_as.loop = clean"] == held["usage.prompt_tokens.loop > 100"] == 2
    assert held["foreach"] == int(wb.matrix.frame["foreach"].sum())
    assert "cost_usd.loop > 0" not in held
    said = dict(wb.fields().select("name", "said").iter_rows())
    assert said["field.foreach"] == "'foreach' is a feature"
    assert "model" in said["field.loop"]
    assert {"tags", "priority"} <= set(FactBins(wb.index()).names)
    assert "ticket.by " in {c.text for c in complete(wb.index().columns, "foreach & tick")}
    assert {c.text for c in complete(wb.index().columns, "tags = ")} == {'"eu"', '"b2b"'}


def _fails(wb: Workbench, text: str) -> bool:
    try:
        wb.explain(text)
    except InputError:
        return True
    return False


def test_facts_come_later_and_stay(project):
    with Loopback(by_heart(TEST)) as server:
        wb = serve(project, server)
        wb.generate("loop", slice=SOME)
        explorer = wb.explorer()
        aside = wb.add_facts(
            pl.DataFrame({"sample_id": ["t-001", "t-003", "x"], "team": ["hr", "it", "it"], "steps": [90, 91, 92]})
        )
        assert aside["sample_id"].to_list() == ["x"]
        assert "field.steps" in aside._repr_html_()
        assert wb.explain("team = it").n == wb.explain("field.steps > 90").n == 1
        assert wb.explain("steps > 90").n == 0
        wb.add_facts(pd.DataFrame({"team": ["it", "it"]}, index=pd.Index(["t-001", "t-002"], name="id")))
        assert wb.explain("team = it").n == 2
        assert not wb.add_facts(pl.DataFrame({"id": ["t-001"], "more": [1]})).height
        wb.reload()
        assert wb.explain("team = it").n == 2
        assert wb.explain("more = 1").n == 1
        assert "team" in explorer.index.facts
    for call, told in [
        (lambda: wb.show("t-01"), "sample 't-01': is not in test; expected t-001"),
        (lambda: wb.calls("t-001", "lop"), "model 'lop': has no run here; expected loop"),
        (lambda: wb.search(" "), "search has no text"),
        (lambda: wb.prompt("t-001", "rules"), "is an offline baseline"),
    ]:
        with pytest.raises(InputError) as e:
            call()
        assert told.replace(":", "") in str(e.value).replace(":", "")
    assert not [name for name in dir(wb) if name.startswith(("_", "on_"))]
    assert "show" in dir(wb)


def test_every_call_can_be_read_again(project):
    with Loopback(by_heart(TEST)) as server:
        wb = serve(project, server)
        would = wb.prompt("t-001", "loop")
        wb.generate("loop", slice=SOME)
        calls, was = wb.calls("t-001", "loop"), wb.prompt("t-001", "loop")
    assert would["stage"].to_list()[0] == "createFlow"
    assert would["counted_by"][0] == token_counter().how
    assert (
        would["prompt"].to_list() == was["prompt"].to_list() == calls["prompt"].to_list()
    )  # it knows the flow by heart
    assert was["counted_by"].to_list() == ["the run"] * was.height
    assert calls["reply"].null_count() == 0
    assert json.loads(calls["reply"][0])["components"]
    assert calls["latency_s"].null_count() == 0
    assert calls["retries"].to_list() == [0] * calls.height
    assert "createFlow" in calls._repr_html_()
    assert "<details>" in calls._repr_html_()
    sample = wb.show("t-001")
    assert sample.generations[0].raw == calls["reply"][0]
    assert sample.facts["priority"] == 2
    assert "&lt;b&gt;" in sample._repr_html_()
    found = wb.search(sample.sample.requirement[:20])
    assert "requirement" in found["where"].to_list()
    assert set(found["sample_id"]) == {"t-001"}
    assert wb.review().columns[-1] == "requirement"
    assert wb.clusters("loop").columns[:3] == ["name", "n", "loss"]


def test_prompts_are_files_run_against_each_other(project):
    folder = project.root / "prompts"
    folder.mkdir(exist_ok=True)
    text = "<!-- system -->\nWrite the flow as JSON.\n<!-- user -->\n# Steps\n{steps}\n\n# Requirement\n{requirement}\n"
    (folder / "createFlow.short.md").write_text(text)
    with Loopback(by_heart(TEST)) as server:
        wb = serve(project, server)
        wb.generate("loop", slice=SOME)
        wb.generate("loop", slice=SOME, prompt="short")
        assert sorted(r.model for r in wb.runs) == ["loop", "loop+short"]
        assert not wb.study.stale
        assert wb.prompt("t-002", "loop+short")["prompt"][0].startswith("[system]\nWrite the flow as JSON.")
        fixed = {m: t.filter(pl.col("template") == "createFlow")["fixed"][0] for m, t in wb.study.prompts.items()}
        assert fixed["loop+short"] < 20 < fixed["loop"]
        (folder / "createFlow.short.md").write_text(text + "More.\n")
        wb.reload()
        assert wb.study.stale == {"loop+short": "prompts changed, 2 of 2"}
        for name, told in [
            ("long", "prompt 'long'"),
            ("short", "names {step}; expected {triggers} {steps} {flow} {requirement}"),
        ]:
            (folder / "createFlow.short.md").write_text(text.replace("{steps}", "{step}"))
            with pytest.raises(InputError, match="prompt") as e:
                wb.generate("loop", slice=SOME, prompt=name)
            assert told in str(e.value)
