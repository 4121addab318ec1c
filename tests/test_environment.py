"""The bundled environments: what they hold, that the hand-written flows keep to them, and how bad ones end."""

import json

import pytest
from shared import ROOT

from flowgen_analysis.flows.conditions import parse_query
from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.environment import Environment, load_environment, save_environment
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import LOGIC_STEPS
from flowgen_analysis.flows.unknown import unknown_names

FOLDER = ROOT / "environments"
DOMAINS = "retail banking healthcare telecom public_sector manufacturing education insurance logistics energy".split()
FACTS = ROOT.parent / "shared" / "data" / "facts" / "servicenow_catalog.json"

base = load_environment(FOLDER / "base.json")
deployments = {name: load_environment(FOLDER / f"{name}.json") for name in DOMAINS}


def test_base_and_ten_deployments_are_bundled():
    assert {p.stem for p in FOLDER.glob("*.json")} == {"base", *DOMAINS}


def test_every_hand_written_flow_uses_what_its_environment_has():
    samples = load_samples(ROOT / "datasets" / "test.jsonl")
    found = [
        (s.id, *u)
        for s in samples
        for flow in s.expected
        for u in unknown_names(flow, deployments[s.environment] if s.environment else base)
    ]
    assert len(samples) == 108
    assert found == []


@pytest.mark.parametrize("name", DOMAINS)
def test_a_deployment_has_steps_tables_and_columns_of_its_own(name):
    env = deployments[name]
    own = [t for t in env.tables if not base.has_table(t.name)]
    assert env.inherits == "base"
    assert env.domain == name
    assert 6 <= len(own) <= 12
    assert 8 <= len(env.steps) <= 15
    assert any(s.kind == "subflow" for s in env.steps)
    assert all(len(t.columns) >= 5 and t.name.startswith(env.model_extra["scope"]) for t in own)
    assert all(s.label and s.description for s in env.steps)
    assert any(base.has_table(t.name) and t.columns for t in env.tables), "a column of its own on a base table"


def test_deployments_are_not_copies_of_each_other():
    steps = [s.name for env in deployments.values() for s in env.steps]
    tables = [t.name for env in deployments.values() for t in env.tables if not base.has_table(t.name)]
    columns = {n: {c.name for t in env.tables for c in t.columns} for n, env in deployments.items()}
    assert len(set(steps)) == len(steps)
    assert len(set(tables)) == len(tables)
    pairs = [(a, b) for a in DOMAINS for b in DOMAINS if a < b]
    assert max(len(columns[a] & columns[b]) / len(columns[a] | columns[b]) for a, b in pairs) < 0.2


def test_logic_is_not_in_an_environment():
    for env in (base, *deployments.values()):
        assert not {s.name for s in env.steps} & LOGIC_STEPS


def test_inherited_columns_are_there():
    assert base.column("incident", "assignment_group.manager").reference == "sys_user"
    assert base.column("incident", "caller_id.vip").type == "boolean"
    assert deployments["banking"].column("x_acme_bnk_loan_application", "work_notes").type == "journal"
    assert deployments["retail"].column("incident", "u_store.store_manager.manager")
    assert base.column("incident", "u_store") is None


def test_what_the_facts_call_unverified_is_marked():
    if not FACTS.exists():
        pytest.skip("the shared facts are not on this machine")
    facts = json.loads(FACTS.read_text())["tables"]
    used = {(t.name, c.name): c for t in base.tables for c in t.columns}
    practice = {t.name for t in base.tables if getattr(t, "source", None) == "practice"}
    assert {t.name for t in base.tables} - set(facts) <= practice
    for (table, name), column in used.items():
        if table in practice:
            continue
        documented = name in facts[table]["columns_documented"]
        inherited = any(t.name == table and t.extends and base.column(t.extends, name) for t in base.tables)
        assert documented or inherited or column.source == "practice", f"{table}.{name}"
        assert not (documented and column.source == "practice"), f"{table}.{name}"
    assert sum(c.source == "practice" for c in used.values()) <= 40


@pytest.mark.parametrize("name", ["base", *DOMAINS])
def test_saving_an_environment_gives_the_same_bytes(name, tmp_path):
    env = load_environment(FOLDER / f"{name}.json")
    assert save_environment(tmp_path / "x.json", env).read_bytes() == (FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds list"),
        ("{", "is not JSON"),
        ('{"steps": []}', "name: is missing"),
        ('{"name": "x", "inherits": "x"}', "goes in a circle"),
        ('{"name": "x", "inherits": "nowhere"}', "no such file"),
        ('{"name": "x", "inherits": "../../etc/passwd"}', "the name of an environment beside this one"),
        ('{"name": "x", "steps": [{"name": "a", "kind": "magic"}]}', "steps[0].kind"),
        ('{"name": "x", "steps": [{"name": "a", "kind": "action"}, {"name": "a", "kind": "action"}]}', "'a' again"),
        ('{"name": "x", "tables": [{"name": "a", "columns": [{"name": "b", "reference": "c"}]}]}', "which is no table"),
        ('{"name": "x", "tables": [{"name": "a", "extends": "c"}]}', "which is no table"),
    ],
)
def test_a_broken_environment_ends_in_one_line(text, message, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError) as e:
        load_environment(tmp_path / "x.json")
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_tables_that_extend_each_other_do_not_loop():
    env = Environment.model_validate(
        {
            "name": "x",
            "tables": [{"name": "a", "extends": "b"}, {"name": "b", "extends": "a", "columns": [{"name": "c"}]}],
        }
    )
    assert list(env.columns("a")) == ["c"]


def test_choices_hold_values_not_labels():
    """Where a platform keeps a number or a key, so does the environment: a label for a value makes every query wrong."""
    values = {
        ("incident", "hold_reason"): {"1": "Awaiting Caller", "3": "Awaiting Problem", "4": "Awaiting Vendor", "5": "Awaiting Change"},
        ("problem", "state"): {"101", "102", "103", "104", "106", "107"},
        ("change_request", "risk"): {"1", "2", "3", "4"},
        ("change_request", "approval"): {"not requested", "requested", "approved", "rejected"},
        ("alm_consumable", "install_status"): {"1", "2", "3", "6", "7", "8", "9", "10", "11"},
        ("ast_contract", "state"): {"draft", "active", "expired", "cancelled"},
        ("em_alert", "severity"): set("012345"),
    }  # fmt: skip
    for (table, column), expected in values.items():
        assert set(base.column(table, column).choices) == set(expected), (table, column)
    for table in ("wm_order", "wm_task"):
        assert {"1": "Draft", "3": "Closed Complete", "18": "Work in Progress"}.items() <= base.column(
            table, "state"
        ).choices.items()


def test_what_a_query_compares_with_is_a_value_of_the_column():
    """No bundled flow compares a choice with a text that is none of its values, nor sets it to one."""
    found = []
    for path in sorted((ROOT / "datasets").glob("*.jsonl")):
        for s in load_samples(path):
            env = deployments[s.environment] if s.environment else base
            found += [(s.id, *x) for flow in s.expected for x in _strange_choices(flow, env)]
    assert found == []


def _strange_choices(flow, env):
    for _, piece in flow.pieces():
        table = next((i.value for i in piece.inputs if i.name in ("table", "table_name", "task_table")), "")
        for i in piece.inputs:
            query = parse_query(i.value) if i.name in ("condition", "conditions", "values", "field_values") else None
            for c in query.clauses if query else ():
                column = env.column(table, c.field) if c.field and "{" not in c.field and "." not in c.field else None
                plain = c.operator in ("=", "!=", "CHANGESTO") and c.value and "{" not in c.value
                if column and column.choices and plain and c.value not in column.choices:
                    yield table, c.field, c.value
