"""Packs: each feature is seen where it is and not where it is not, in own flows and in real ones."""

import json
import re
from textwrap import dedent

import pytest
from shared import ROOT, SHARED, needs_shared

from flowgen_analysis.cli.main import main
from flowgen_analysis.features.detectors import Detection
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.packs import pack_path, packs
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.features.when import read_when
from flowgen_analysis.flows.dataset import load_runs, load_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.importers.importing import import_path
from flowgen_analysis.flows.model import Flow, Input, Sample, Step, Trigger
from flowgen_analysis.project import init_project

OTHERS = sorted(set(packs()) - {"servicenow"})
PEOPLE = ["out_of_scope", "ambiguous", "implicit_actions", "misleading_input", "incorrect_incomplete"]

# A feature: what has it, and what has not. A word is a step, `>word` a trigger, `name=value` an input of the step or trigger before it.
KNOWN = {
    "home-assistant": {
        "trigger_null": ("light.turn_on", ">state"),
        "trigger_several": (">state+time", ">numeric_state"),
        "trigger_state": (">numeric_state+state", ">numeric_state"),
        "trigger_threshold": (">time+numeric_state", ">state"),
        "trigger_held": (">state t1.for=5 t2.for.minutes=5", ">state before=5"),
        "trigger_schedule": (">state+time_pattern", ">sun"),
        "trigger_sun": (">time+sun", ">sunny"),
        "trigger_message": (">mqtt+state", ">state"),
        "foreach": ("FOREACH", "DOUNTIL"),
        "dountil": ("DOUNTIL", "FOREACH"),
        "parallel": ("PARALLEL", "BRANCH"),
        "condition": ("condition", "ELSE"),
        "choice": ("ELSEIF", "IF"),
        "delay": ("delay", "wait_template"),
        "wait": ("wait_for_trigger", "delay"),
        "stop": ("stop", "media_player.stop_media"),
        "variables": ("variables", "input_text.set_value"),
        "template": ("light.turn_on brightness={{level}}", "light.turn_on brightness={level}"),
        "notification": ("notify.all_iphones", "light.notify"),
        "notification_email": ("notify.smtp_home", "notify.all_iphones"),
        "chat": ("notify.telegram", "notify.send_message"),
        "buttons": ("notify.mobile_app_x data.data.actions=[A]", "notify.mobile_app_x data.actionable=[A]"),
        "speech": ("tts.google_say", "media_player.play_media"),
        "log": ("logbook.log", "light.log"),
        "http_call": ("rest_command.call", "rest.reload"),
        "subflow": ("script.leaving", "automation.turn_off"),
        "light": ("light.turn_{{state}}", "switch.turn_on"),
        "climate": ("fan.turn_off", "light.turn_off"),
        "media": ("media_player.play_media", "tts.speak"),
        "access": ("cover.open_cover", "light.turn_on"),
        "helper": ("input_boolean.turn_off", "switch.turn_off"),
    },
    "power-automate": {
        "trigger_null": ("compose", ">manual"),
        "trigger_manual": (">power_app_request", ">http_request"),
        "trigger_http": (">http_request", ">manual"),
        "trigger_schedule": (">repeat", ">manual"),
        "trigger_item": (">commondataservice_when_a_row_is_added", ">mq_poll_browse_messages"),
        "trigger_message": (">mq_poll_browse_messages", ">manual"),
        "foreach": ("FOREACH", "DOUNTIL"),
        "dountil": ("DOUNTIL", "FOREACH"),
        "parallel": ("PARALLEL", "BRANCH"),
        "try_catch": ("CATCH", "ELSE"),
        "condition": ("IF", "ELSE"),
        "choice": ("ELSEIF", "IF"),
        "wait": ("TIMER", "approvals_wait_for_an_approval"),
        "terminate": ("END", "approvals_end"),
        "variables": ("increment_variable", "compose"),
        "notification_email": ("office365_post_mail", "office365_delete_email_v2"),
        "teams_slack_message": ("teams_post_card_to_conversation", "teams_get_all_teams"),
        "ask_for_approval": ("approvals_start_and_wait_for_an_approval", "TIMER"),
        "http_call": ("sharepointonline_http_request", "response"),
        "response": ("response", "http"),
        "files": ("onedrive_getfilecontentbypath", "office365users_my_profile_v2"),
        "records": ("sharepointonline_get_items", "sharepointonline_get_file_items"),
        "language_model": ("azureopenai_post_multipleembeddings", "parse_json"),
        "parse_json": ("parse_json", "parse_document"),
        "data_operation": ("select", "sql_select"),
        "expression": ("compose inputs=@{addDays(utcNow(),-1)}", "compose inputs=@{variables('x')}"),
    },
    "n8n": {
        "trigger_null": ("set", ">manual"),
        "trigger_manual": (">manual", ">manual_chat"),
        "trigger_webhook": (">typeform", ">chat"),
        "trigger_schedule": (">weekly", ">webhook"),
        "trigger_chat": (">whats_app", ">form"),
        "trigger_email": (">email_read_imap", ">chat"),
        "trigger_workflow": (">execute_workflow", ">webhook"),
        "foreach": ("FOREACH", "GOBACKTO"),
        "go_back": ("GOBACKTO", "FOREACH"),
        "parallel": ("PARALLEL", "BRANCH"),
        "try_catch": ("CATCH", "stop_and_error"),
        "condition": ("IF", "filter"),
        "choice": ("ELSE", "IF"),
        "filter": ("remove_duplicates", "sort"),
        "wait": ("wait", "gmail_send_and_wait"),
        "stop": ("stop_and_error", "no_op"),
        "subflow": ("execute_workflow", "execute_command"),
        "http_call": ("http_request", "respond_to_webhook"),
        "response": ("respond_to_webhook", "http_request"),
        "notification_email": ("gmail_reply", "gmail_get_all"),
        "teams_slack_message": ("telegram_send_photo", "telegram_send_chat_action"),
        "ask_for_approval": ("email_send_send_and_wait", "wait"),
        "spreadsheet": ("google_sheets_append", "google_docs_get"),
        "database": ("postgres_execute_query", "google_sheets"),
        "language_model": ("open_ai_chat", "open_ai_file"),
        "files": ("google_drive_download", "google_docs_get"),
        "variables": ("set", "redis_set"),
        "code": ("function_item", "set"),
        "merge": ("aggregate", "split_out"),
        "split": ("split_out", "merge"),
        "expression": ("set value={{$json.name.split(',')[0]}}", "set value={{$json.splitUrl}}"),
    },
}


def _sample(written):
    start, steps = None, []
    for word in written.split():
        if word[0] == ">":
            start = Trigger(type=word[1:])
        elif "=" in word:
            name, _, value = word.partition("=")
            last = steps[-1] if steps else start
            last.inputs.append(Input(name=name, value=value))
        else:
            steps.append(Step(name=word, step=len(steps) + 1))
    return Sample(id="x", requirement="r", expected=[Flow(trigger=start, components=steps)])


@pytest.mark.parametrize("pack", OTHERS)
def test_each_feature_is_seen_where_it_is_and_not_where_it_is_not(pack):
    registry = Registry.load(pack_path(pack))
    assert [f.name for f in registry.features if f.when] == list(KNOWN[pack])
    detection = Detection(_sample(w) for pair in KNOWN[pack].values() for w in pair)
    for i, name in enumerate(KNOWN[pack]):
        present = detection.present(registry.feature(name))
        assert present[2 * i : 2 * i + 2] == [True, False], name


@pytest.mark.parametrize("pack", OTHERS)
def test_a_pack_is_a_registry_that_can_be_read(pack, tmp_path):
    registry = Registry.load(pack_path(pack))
    assert registry.names[-5:] == PEOPLE
    assert [f.name for f in registry.features if not f.detected] == PEOPLE
    assert all(
        f.description[-1] == "." and "\n" not in f.description and len(f.description) < 120 for f in registry.features
    )
    assert all(len(f.title.split()) <= 3 for f in registry.features)
    assert "STRUCTURE" in [s.name for s in registry.subsets]
    assert all(len(registry.themes()[theme.name]) for theme in registry.theme_list)
    assert Registry.load(registry.save(tmp_path / "again.toml")) == registry


@pytest.mark.parametrize("pack", packs())
def test_a_project_begins_with_a_pack(pack, tmp_path, capsys):
    assert main(["init", str(tmp_path / "p"), "--features", pack, "--json"]) == 0
    path = tmp_path / "p" / "feature_matrices" / "features.toml"
    assert str(path) in json.loads(capsys.readouterr().out)["made"]
    assert path.read_bytes() == pack_path(pack).read_bytes()
    assert init_project(tmp_path / "p", features=pack) == []


def test_a_pack_that_is_not_there_and_a_project_that_has_features(tmp_path):
    with pytest.raises(InputError) as told:
        init_project(tmp_path / "p", features="zapier")
    assert (
        str(told.value) == "pack 'zapier': is not there; expected servicenow or home-assistant or n8n or power-automate"
    )
    assert not (tmp_path / "p").exists()
    init_project(tmp_path / "p")
    before = (tmp_path / "p" / "feature_matrices" / "features.toml").read_bytes()
    with pytest.raises(InputError, match="is there already and holds other features; move it away first"):
        init_project(tmp_path / "p", features="n8n")
    assert (tmp_path / "p" / "feature_matrices" / "features.toml").read_bytes() == before


def test_the_page_shows_what_can_be_read(tmp_path):
    page = (ROOT / "docs" / "packs.md").read_text()
    blocks = [dedent(b) for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    path = tmp_path / "own.toml"
    path.write_text(blocks[1])
    own = Registry.load(path)
    detection = Detection(_sample(w) for w in (">nightly ForEachRow SMTP_Send", "ManagerGate SMTP_FetchInbox"))
    assert {f.name: detection.present(f) for f in own.features} == {
        "foreach": [True, False], "notification_email": [True, False], "ask_for_approval": [False, True], "trigger_schedule": [True, False]
    }  # fmt: skip
    path.write_text('[[themes]]\nname = "Actions"\ndescription = "d"\n' + blocks[0])
    assert Registry.load(path).names == ["notification_email"]
    table = page[page.index("The patterns that packs") : page.index("Names of steps")]
    rows = [row for line in table.splitlines()[3:] for row in re.findall(r"`([^`]+)`", line)]
    assert len([read_when(row.replace("\\|", "|")) for row in rows]) == 11
    for pack in packs():
        detected = sum(f.detected for f in Registry.load(pack_path(pack)).features)
        assert re.search(rf"\| `{pack}` \|.*\| {detected} \|", page)


def _checked(pack, samples):
    """The matrix of samples by a pack; every place that it gives is there."""
    registry, detection = Registry.load(pack_path(pack)), Detection(samples)
    matrix = FeatureMatrix.build(samples, registry)
    for feature in (f for f in registry.features if f.when):
        for sample, found in zip(samples, detection.evidence(feature), strict=True):
            places = {p for p, _ in sample.reference.pieces()} | {"trigger"} if sample.reference else set()
            assert all(e.place.split(".inputs[")[0] in places and e.what for e in found or []), (
                sample.id,
                feature.name,
            )
    return matrix


def _seen(matrix):
    return {row["feature"]: row["present"] for row in matrix.counts().to_dicts()}


def test_the_n8n_pack_on_a_workflow():
    samples = import_path("n8n", ROOT / "tests" / "fixtures" / "importers" / "n8n").samples
    present = {name for name, n in _seen(_checked("n8n", samples)).items() if n}
    assert present >= {
        "trigger_schedule",
        "foreach",
        "try_catch",
        "choice",
        "teams_slack_message",
        "notification_email",
        "language_model",
    }
    assert not present & {"trigger_null", "trigger_manual", "http_call", "wait"}


@needs_shared
@pytest.mark.parametrize(("folder", "least"), [("powerautomate", 18), ("logicapps", 19)])
def test_the_power_automate_pack_on_real_flows(folder, least):
    samples = import_path("power-automate", SHARED / "real" / folder).samples
    matrix = _checked("power-automate", samples)
    seen = _seen(matrix)
    assert sum(n > 0 for n in seen.values()) >= least
    names = {s.id: {c.name for c in s.reference.components} for s in samples}
    for feature, own in [
        ("foreach", {"FOREACH"}),
        ("dountil", {"DOUNTIL"}),
        ("try_catch", {"CATCH"}),
        ("parse_json", {"parse_json"}),
    ]:
        assert matrix.samples(feature) == sorted(i for i, steps in names.items() if steps & own)
    ours = Registry.load(pack_path("servicenow"))
    assert sum(_seen(FeatureMatrix.build(samples, ours)).values()) < sum(seen.values()) / 2


@needs_shared
def test_the_home_assistant_pack_on_real_flows():
    home = SHARED / "real" / "homeassistant"
    samples = load_samples(home / "samples.jsonl")
    made = [
        Sample(id=f"{run.model} {g.sample_id} {i}", requirement="r", expected=[g.generated])
        for run in load_runs((home / "runs").glob("*.jsonl"), samples)
        for i, g in enumerate(run.generations)
        if g.generated
    ]
    assert [i for i, n in _seen(_checked("home-assistant", samples)).items() if n] == [
        "trigger_several", "trigger_state", "trigger_threshold", "trigger_held", "condition", "wait", "climate", "media"
    ]  # fmt: skip
    seen = _seen(_checked("home-assistant", made))
    assert len(made) == 491
    assert sum(n > 0 for n in seen.values()) >= 18
    assert (seen["parallel"], seen["foreach"], seen["trigger_sun"], seen["notification_email"]) == (0, 0, 0, 0)
