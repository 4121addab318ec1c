"""Importers: fixtures, round trips, real definitions, any graph at all, and inputs made to do harm."""

import base64
import gzip
import json
import random
import re
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import SHARED, examples, needs_shared
from work import lines_run

from flowgen_analysis.flows.dataset import check_expected, load_samples, save_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.importers.importing import KINDS, import_path
from flowgen_analysis.flows.importers.records import _KINDS
from flowgen_analysis.flows.importers.report import Imported
from flowgen_analysis.flows.model import Flow, Input
from flowgen_analysis.flows.structure import structure_errors

FIXTURES = Path(__file__).parent / "fixtures" / "importers"

_LABELS = {
    name: label for label, (name, _) in reversed(_KINDS.items()) if "Top Level" not in label and label != "Decision"
}


def pack(data) -> str:
    """Base64 of gzip of JSON, the same bytes each time."""
    return base64.b64encode(gzip.compress(json.dumps(data).encode(), mtime=0)).decode()


def _entries(inputs: list[Input]) -> list[dict]:
    stored = [
        {"name": "unset", "value": "", "displayValue": "", "children": [], "parameter": {}, "scriptActive": False}
    ]
    for i in inputs:
        name = {"label": "condition_name"}.get(i.name, i.name)
        boolean = i.value in ("true", "false")
        value = str(int(i.value == "true")) if boolean else i.value
        value = re.sub(r"\{\{step_(\d+)", lambda m: "{{ui-" + m[1], value)
        kind = {"name": name, "type": "boolean" if boolean else "string"}
        stored.append(
            {"name": name, "value": value, "displayValue": "", "children": [], "parameter": kind, "scriptActive": False}
        )
    return stored


def _row(table: str, **fields) -> str:
    def one(name, value):
        value, label = value if isinstance(value, tuple) else (value, "")
        shown = f" display_value={quoteattr(label)}" if label else ""
        return f"<{name}{shown}>{escape(str(value))}</{name}>" if value != "" else f"<{name}/>"

    inside = "".join(one(k, v) for k, v in sorted(fields.items()))
    return f'<{table} action="INSERT_OR_UPDATE">{inside}</{table}>'


def export(flow: Flow, name: str, description: str = "", labels: bool = True) -> str:
    """The update-set payload of `flow`. With `labels` off, logic steps are named by their ids alone."""
    rows = [_row("sys_hub_flow", sys_id="f" * 32, name=name, description=description, type="flow")]
    belongs = {"flow": ("f" * 32, name), "sys_scope": ("global", "Global")}
    if flow.trigger:
        t = flow.trigger
        label = {"record_update": "Updated", "record_create": "Created"}.get(t.type, t.type)
        rows.append(_row("sys_hub_trigger_instance_v2", sys_id="t1", name=label, trigger_type=t.type, comment=t.annotation,
                         trigger_inputs=pack(_entries(t.inputs)), **belongs))  # fmt: skip
    trigger = flow.trigger.type if flow.trigger else ""
    label = {"record_update": "Updated", "record_create": "Created"}.get(trigger, trigger)
    last: dict[int | None, int] = {}
    for s in reversed(flow.components):
        last.setdefault(s.block, s.step)
    heads: dict[int | None, int] = {}
    steps = []
    for s in flow.components:
        inputs = [Input(name=i.name, value=i.value.replace(f"{{{{{trigger}.", f"{{{{{label}_1.")) for i in s.inputs]
        where = {"ui_id": f"ui-{s.step}", "parent_ui_id": f"ui-{s.block}" if s.block else "", "order": s.step,
                 "comment": s.annotation, "sys_id": f"{s.step:032x}", **belongs}  # fmt: skip
        if s.is_logic:
            if s.name in ("IF", "TRY"):
                heads[s.block] = s.step
            connected = f"ui-{heads[s.block]}" if s.name in ("ELSEIF", "ELSE", "CATCH") else ""
            kind = _LABELS[s.name]
            values = {"outputsToAssign": [], "inputs": _entries(inputs), "variables": [], "decisionTableInputs": []}
            reference = (_KINDS[kind][1], kind if labels else "")
            steps.append(_row("sys_hub_flow_logic_instance_v2", logic_definition=reference, connected_to=connected,
                              values=pack(values), **where))  # fmt: skip
        elif s.kind == "subflow":
            called = ("s" * 32, s.name.replace("_", " ").title())
            steps.append(
                _row("sys_hub_sub_flow_instance_v2", subflow=called, subflow_inputs=pack(_entries(inputs)), **where)
            )
        else:
            done = ("a" * 32, s.name.replace("_", " ").title())
            steps.append(_row("sys_hub_action_instance_v2", action_type=done, action_type_parent=done,
                              values=pack(_entries(inputs)), **where))  # fmt: skip
    gone = '<sys_hub_action_instance_v2 action="delete_multiple" query="flow=x^sys_idNOT INy"/>'
    inside = "".join([*rows, gone, *reversed(steps)])
    return f'<?xml version="1.0" encoding="UTF-8"?><record_update sys_domain="global" table="sys_hub_flow">{inside}</record_update>'


def update_set(payload: str) -> str:
    """A payload in the wrapping of an exported update set."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><unload unload_date="2026-01-01"><sys_remote_update_set action="INSERT_OR_UPDATE">'
        '<name>Late</name></sys_remote_update_set><sys_update_xml action="INSERT_OR_UPDATE"><action>INSERT_OR_UPDATE</action>'
        f"<name>sys_hub_flow_x</name><payload><![CDATA[{payload}]]></payload><type>Flow</type></sys_update_xml></unload>"
    )


def _accounted(imported: Imported) -> None:
    """Everything is counted or named, and every sample is fit for a dataset."""
    samples, report = imported
    assert report.actions_in == report.actions_out + report.lost
    assert all(n.places for n in report.named)
    assert len(samples) == len({s.id for s in samples}) == len(report.samples)
    assert set(report.without_requirement) == {s.id for s in samples if not s.requirement}
    for s in samples:
        check_expected(s.reference, s.id)
        assert {"name", "source", "file", "approximate", "requirement_from"} <= s.metadata.keys()
    json.dumps(report.to_dict())
    assert all("\n" not in line for line in report.lines())


def _import(kind: str, path: Path, may_say: str = "") -> Imported | None:
    """The import of `path`, held to account; None where it ends in one line that has `may_say` in it."""
    try:
        imported = import_path(kind, path)
    except InputError as e:
        line = str(e)
    else:
        _accounted(imported)
        return imported
    assert may_say in line
    assert "\n" not in line
    return None


def _names(imported: Imported) -> list[tuple[str, int | None]]:
    return [(s.name, s.block) for s in imported.samples[0].reference.components]


# Fixtures


def test_a_flow_is_the_same_from_its_source_and_from_its_records():
    source = import_path("servicenow", FIXTURES / "servicenow" / "late_incidents.now.ts")
    records = import_path("servicenow", FIXTURES / "servicenow" / "late_incidents.xml")
    assert source.samples[0].reference == records.samples[0].reference
    assert source.samples[0].requirement == records.samples[0].requirement != ""
    assert (source.report.lost, records.report.lost, records.report.actions_in) == (0, 0, 17)
    assert structure_errors(source.samples[0].reference) == []
    both = import_path("servicenow", FIXTURES / "servicenow")
    assert [s.id for s in both.samples] == ["late-incidents", "late-incidents-2"]
    _accounted(both)


@pytest.mark.parametrize("labels", [True, False])
def test_records_round_trip(tmp_path, labels):
    (sample,), _ = import_path("servicenow", FIXTURES / "servicenow" / "late_incidents.now.ts")
    for text in (
        export(sample.reference, "Late", labels=labels),
        update_set(export(sample.reference, "Late", labels=labels)),
    ):
        (tmp_path / "export.xml").write_text(text)
        back = import_path("servicenow", tmp_path / "export.xml")
        assert back.samples[0].reference == sample.reference
        assert back.report.named == []


def test_power_automate_package(tmp_path):
    folder = import_path("power-automate", FIXTURES / "power_automate")
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as z:
        for path in (FIXTURES / "power_automate").rglob("*.*"):
            z.write(path, path.relative_to(FIXTURES / "power_automate"))
        z.writestr("../../etc/up.json", "{}")
    package = import_path("power-automate", tmp_path / "package.zip")
    assert package.samples[0].reference == folder.samples[0].reference
    assert package.samples[0].requirement.startswith("Every day, remind people of tasks")
    assert package.samples[0].metadata["requirement_from"] == "README.md"
    assert _names(package) == [
        ("SETFLOWVARIABLES", None), ("TRY", None), ("sharepointonline_get_items", 2), ("FOREACH", 2), ("IF", 4),
        ("PARALLEL", 5), ("BRANCH", 6), ("teams_post_card_to_conversation", 7), ("BRANCH", 6), ("office365_send_email_v2", 9),
        ("ELSE", 4), ("compose", 11), ("CATCH", None), ("END", 13),
    ]  # fmt: skip
    assert package.samples[0].reference.components[4].value("condition").count("^") == 1
    assert [p.name for p in tmp_path.rglob("*")] == ["package.zip"]
    _accounted(package)


def test_n8n_workflow():
    imported = import_path("n8n", FIXTURES / "n8n")
    assert _names(imported) == [
        ("rss_feed_read", None), ("IF", None), ("FOREACH", 2), ("chain_summarization", 3), ("TRY", 2), ("slack_message_post", 5),
        ("CATCH", 2), ("email_send", 7), ("ELSE", None), ("slack_message_post", 9),
    ]  # fmt: skip
    assert imported.samples[0].metadata["approximate"] is True
    assert [(n.what, n.places) for n in imported.report.named if n.lost] == [("no trigger leads to it", ("Old try",))]
    assert structure_errors(imported.samples[0].reference) == []
    _accounted(imported)


@pytest.mark.parametrize(
    ("kind", "name"), [("servicenow", "servicenow"), ("power-automate", "power_automate"), ("n8n", "n8n")]
)
def test_samples_are_saved_and_loaded(tmp_path, kind, name):
    samples, _ = import_path(kind, FIXTURES / name)
    assert load_samples(save_samples(tmp_path / "x.jsonl", samples)) == samples


# Real definitions


@needs_shared
def test_real_definitions():
    lost = came = 0
    for name, count in (("powerautomate", 23), ("logicapps", 60)):
        imported = import_path("power-automate", SHARED / "real" / name)
        _accounted(imported)
        assert (len(imported.samples), imported.report.failed) == (count, [])
        assert all(structure_errors(s.reference) == [] for s in imported.samples)
        lost, came = lost + imported.report.lost, came + imported.report.actions_in
    assert came == 762
    assert lost / came < 0.01


# Any graph at all


@settings(max_examples=examples(20, 150), deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 14))
def test_any_run_order_is_accounted_for(tmp_path_factory, rng: random.Random, n: int):
    outcomes = [
        ["Succeeded"],
        ["Failed", "TimedOut"],
        ["Failed"],
        ["Skipped"],
        ["Succeeded", "Failed", "Skipped", "TimedOut"],
    ]

    def block(level: int) -> dict:
        actions: dict = {}
        for i in range(rng.randint(0, n)):
            kind = (
                rng.choice(["Compose", "Compose", "Scope", "If", "Switch", "Foreach", "Until"])
                if level < 3
                else "Compose"
            )
            after = {b: rng.choice(outcomes) for b in rng.sample(sorted(actions), min(len(actions), rng.randint(0, 2)))}
            action = {"type": kind, "runAfter": after, "foreach": "@x"}
            if kind in ("Scope", "If", "Foreach", "Until"):
                action["actions"] = block(level + 1)
            if kind == "If":
                action["else"] = {"actions": block(level + 1)}
            if kind == "Switch":
                action |= {
                    "cases": {"C": {"case": 1, "actions": block(level + 1)}},
                    "default": {"actions": block(level + 1)},
                }
            actions[f"{'abc'[level % 3]}{i}"] = action
        return actions

    path = tmp_path_factory.mktemp("any") / "flow.json"
    path.write_text(json.dumps({"triggers": {}, "actions": block(0)}))
    imported = import_path("power-automate", path)
    _accounted(imported)
    assert not structure_errors(imported.samples[0].reference)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 16))
def test_any_n8n_graph_is_accounted_for(tmp_path_factory, rng: random.Random, n: int):
    kinds = ["set", "set", "if", "switch", "splitInBatches", "httpRequest", "webhook", "manualTrigger"]
    nodes = [
        {"name": f"n{i}", "type": f"x.{rng.choice(kinds)}", "typeVersion": rng.choice([1, 2, 3])} for i in range(n)
    ]
    for node in nodes:
        node |= rng.choice([{}, {}, {"onError": "continueErrorOutput"}, {"disabled": True}])

    def link() -> dict:
        return {"node": f"n{rng.randrange(n + 1)}"}

    links = {
        f"n{i}": {
            rng.choice(["main", "main", "main", "ai_tool"]): [
                [link() for _ in range(rng.randint(0, 2))] for _ in range(rng.randint(0, 3))
            ]
        }
        for i in range(n)
    }
    path = tmp_path_factory.mktemp("any") / "w.json"
    path.write_text(json.dumps({"name": "x", "nodes": nodes, "connections": links}))
    imported = _import("n8n", path, "has no node to start with")
    assert imported is None or imported.report.actions_in == n


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_records_are_accounted_for(tmp_path_factory, rng: random.Random, n: int):
    kinds = [k for k in _KINDS if k not in ("Top Level Try", "Top Level Catch")]
    rows = []
    for i in range(n):
        parent = rng.choice(["", "", f"u{rng.randrange(n + 1)}"])
        rows.append(_row("sys_hub_flow_logic_instance_v2", sys_id=f"s{i}", flow="f", ui_id=f"u{rng.randrange(n)}", parent_ui_id=parent,
                         order=rng.choice(["", "1", "2➛3", "x"]), connected_to=f"u{rng.randrange(n)}",
                         logic_definition=("", rng.choice(kinds)), values=rng.choice(["", "[]", "??", pack({})])))  # fmt: skip
    path = tmp_path_factory.mktemp("any") / "e.xml"
    path.write_text(f"<unload>{''.join(rows)}</unload>")
    imported = _import("servicenow", path, "go in a circle")
    assert imported is None or imported.report.actions_in == n


# Speed


@pytest.mark.parametrize("shape", ["chain", "fan", "nested"])
def test_twice_the_actions_are_twice_the_work(tmp_path, shape):
    """Two hundred of them, and a hundred."""
    ran = []
    for n in (100, 200):
        ran.append([lines_run(call) for call in imports_of(tmp_path, shape, n)])
    for few, many in zip(*ran, strict=True):
        assert many < 3 * few


def imports_of(folder, shape, n):
    """What imports a flow of `n` actions, a call a format; each sees that it is whole."""
    actions = {
        f"A{i}": {
            "type": "Compose",
            "inputs": i,
            "runAfter": {f"A{i - 1}": ["Succeeded"]} if i and shape == "chain" else {},
        }
        for i in range(n)
    }
    if shape == "nested":
        for i in range(min(80, n // 3)):
            actions = {f"S{i}": {"type": "If", "expression": "@a", "actions": actions}}
    (folder / "flow.json").write_text(json.dumps({"triggers": {}, "actions": actions}))
    calls = "\n".join(
        f"const a{i} = wfa.action(action.core.log, {{ $id: {i} }}, {{ log_message: `x ${{wfa.dataPill(p, 'x')}}` }})"
        for i in range(n)
    )
    (folder / "flow.now.ts").write_text(
        f"Flow({{ name: 'x' }}, wfa.trigger(trigger.scheduled.daily, {{}}, {{}}), (params) => {{ {calls} }})"
    )
    nodes = [
        {
            "name": f"n{i}",
            "type": "x.manualTrigger" if not i else "x.if" if shape == "nested" and i < min(80, n // 3) else "x.set",
        }
        for i in range(n)
    ]
    into = {i: [0] if shape == "fan" else [i - 1] for i in range(1, n)}
    links = {f"n{i}": {"main": [[{"node": f"n{j}"} for j in into if i in into[j]]]} for i in range(n)}
    (folder / "n8n.json").write_text(json.dumps({"nodes": nodes, "connections": links}))

    def whole(kind, name, count):
        imported = import_path(kind, folder / name)
        assert len(imported.samples[0].reference.components) >= count
        assert imported.report.lost == 0

    formats = ("power-automate", "flow.json", n), ("servicenow", "flow.now.ts", n), ("n8n", "n8n.json", n - 1)
    return [partial(whole, *one) for one in formats]


# Made to do harm


def _deep(n: int) -> str:
    return '{"type": "If", "actions": {"a": ' * n + "{}" + "}}" * n


def _harm(folder: Path) -> dict[str, tuple[str, Path, str]]:
    """name -> (kind, file, what its error says)."""

    def write(name: str, text: str) -> Path:
        (folder / name).write_text(text)
        return folder / name

    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("definition.json", b" " * (300 << 20))
    with zipfile.ZipFile(folder / "many.zip", "w") as z:
        for i in range(10_001):
            z.writestr(f"{i}.json", "")
    with (folder / "large.xml").open("wb") as f:
        f.write(b"<unload>")
        f.truncate(100 << 20)
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    packed = base64.b64encode(gzip.compress(b"[" + b" " * (200 << 20) + b"]", 9)).decode()
    circle = {a: {"type": "Compose", "runAfter": {b: ["Succeeded"]}} for a, b in ("AB", "BA")}
    return {
        "zip bomb": ("power-automate", folder / "bomb.zip", "is too large to import"),
        "zip with 10,001 files": ("n8n", folder / "many.zip", "holds 10,001 files"),
        "100 MB of XML": ("servicenow", folder / "large.xml", "is too large to import"),
        "billion laughs": ("servicenow", write("l.xml", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><unload>&l9;</unload>'), "declares a document type"),
        "external entity": ("servicenow", write("e.xml", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><unload>&e;</unload>'), "declares a document type"),
        "elements without end": ("servicenow", write("d.xml", "<a>" * 100_000), "nests more than 100 elements"),
        "half an export": ("servicenow", write("h.xml", "<unload><sys_hub_flow>"), "is not XML"),
        "packed gigabytes": ("servicenow", write("p.xml", f"<unload>{_row('sys_hub_flow', sys_id='f')}{_row('sys_hub_flow_logic_instance_v2', sys_id='l', flow='f', values=packed, logic_definition='End')}</unload>"), ""),
        "actions in a circle": ("power-automate", write("c.json", json.dumps({"triggers": {}, "actions": circle})), "in a circle: A, B"),
        "nodes in a circle": ("n8n", write("n.json", json.dumps({"nodes": [{"name": n, "type": "x.set"} for n in "ab"], "connections": {a: {"main": [[{"node": b}]]} for a, b in ("ab", "ba")}})), "has no node to start with"),
        "deep JSON": ("power-automate", write("deep.json", f'{{"triggers": {{}}, "actions": {{"a": {_deep(20_000)}}}}}'), "too deeply"),
        "blocks in blocks": ("power-automate", write("b.json", f'{{"triggers": {{}}, "actions": {{"a": {_deep(120)}}}}}'), "nests more than 90 blocks"),
        "blocks in blocks of Fluent": ("servicenow", write("b.now.ts", "Flow({}, () => {" + "wfa.flowLogic.if({}, () => {" * 400 + "})" * 401), "nests more than 100 blocks"),
        "brackets without end": ("servicenow", write("x.now.ts", "(" * 1_000_000), "holds no servicenow flow"),
        "calls without end": ("servicenow", write("y.now.ts", "a" + ".b()" * 200_000), "holds no servicenow flow"),
    }  # fmt: skip


_NAMES = [
    "zip bomb", "zip with 10,001 files", "100 MB of XML", "billion laughs", "external entity", "elements without end", "half an export",
    "packed gigabytes", "actions in a circle", "nodes in a circle", "deep JSON", "blocks in blocks", "blocks in blocks of Fluent",
    "brackets without end", "calls without end",
]  # fmt: skip


@pytest.fixture(scope="module")
def harm(tmp_path_factory):
    made = _harm(tmp_path_factory.mktemp("harm"))
    assert list(made) == _NAMES
    return made


# A process each, for its memory is its own; all of them forked from one, for to import takes longest.
_LIMITED = """
import json, os, resource, signal, sys
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.importers.importing import import_path
for name, kind, path in json.loads(sys.argv[1]):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    signal.alarm(60)  # ends what hangs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        said = "; ".join(import_path(kind, path).report.lines())
    except InputError as e:
        said = str(e)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(json.dumps([name, said, grown]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def ended(harm):
    """What was said of each, and by how many MiB its process grew; a process that hung, or was killed, said nothing."""
    cases = json.dumps([(name, kind, str(path)) for name, (kind, path, _) in harm.items()])
    done = subprocess.run([sys.executable, "-c", _LIMITED, cases], capture_output=True, text=True, check=True)
    return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", _NAMES)
def test_harm_ends_in_one_line_and_little_memory(harm, ended, name):
    line, grown = ended[name]
    assert harm[name][2] in line
    assert "\n" not in line
    assert name != "packed gigabytes" or "its inputs cannot be read: the field unpacks to more than 2 MiB" in line
    assert grown < 300, f"{grown} MiB"


def test_a_folder_is_imported_as_far_as_it_goes(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bomb.zip").write_bytes(b"PK nothing")
    (tmp_path / "good.json").write_text(json.dumps({"triggers": {}, "actions": {"A": {"type": "Compose"}}}))
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    samples, report = import_path("power-automate", tmp_path)
    assert [s.id for s in samples] == ["good"]
    assert len(report.failed) == 2
    assert not any("link" in f.place for f in report.failed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_one_line(tmp_path_factory, kind, data):
    path = tmp_path_factory.mktemp("bytes") / f"x{KINDS[kind][0][-1]}"
    path.write_bytes(data)
    with pytest.raises(InputError) as e:
        import_path(kind, path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", ["power-automate", "n8n"])
@settings(max_examples=150, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_a_damaged_definition_is_read_or_refused(tmp_path_factory, kind, rng):
    source = next((FIXTURES / kind.replace("-", "_")).rglob("d*.json"))
    data = json.loads(source.read_text())

    def damage(value, chance: float):
        if rng.random() < chance:
            return rng.choice([None, [], {}, "", 0, "x", [1], {"a": 1}, True])
        if isinstance(value, dict):
            return {k: damage(v, chance) for k, v in value.items()}
        return [damage(v, chance) for v in value] if isinstance(value, list) else value

    path = tmp_path_factory.mktemp("damaged") / "x.json"
    path.write_text(json.dumps(damage(data, 0.03)))
    _import(kind, path)
