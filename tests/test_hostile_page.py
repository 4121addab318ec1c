"""A page that sends what it never showed: nothing is taken that is not on offer, and nothing is written outside the project."""

from contextlib import suppress
from pathlib import Path

import pytest

from flowgen_analysis.app import HOVERS, App
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.project import init_project
from flowgen_analysis.widgets.tabs import sheets_in
from flowgen_analysis.workbench import Workbench

EVIL = (
    "/../../../x/pwned.json",
    "../pwned",
    "html\0",
    "\ud800",
    "",
    "x" * 200_000,
    None,
    5,
    -1,
    1e30,
    -0.5,
    True,
    [],
    ["html"],
    {"a": 1},
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    root = tmp_path_factory.mktemp("hostile") / "deep" / "project"
    init_project(root, demo=True)
    made = App(Workbench.open(root, "test"))
    for name in HOVERS:
        made.selected = name
    return made


def files(app: App) -> dict[Path, bytes]:
    """Every file below the folder around the project's folder."""
    around = app.workbench.project.root.parents[1]
    return {p: p.read_bytes() for p in around.rglob("*") if p.is_file() and ".flowgen" not in p.parts}


@pytest.mark.fault(
    "App: a setting that is not on offer, a button that is not there", "refused in one line, nothing written", tries=230
)
def test_a_sheet_takes_only_what_it_offers(app: App):
    before, tried = files(app), 0
    for view in [app._header, *app.made.values()]:
        for sheet in sheets_in(view):
            settings = dict(sheet.settings)
            for control in [c for c in sheet.controls() if c.get("name") in settings]:
                offered = [o["value"] for o in control.get("options", [])]
                for value in EVIL:
                    tried += 1
                    free = control["kind"] in ("text", "area") and isinstance(value, str) and len(value) < 1000
                    if value in offered or (control["kind"] == "check" and isinstance(value, bool)) or free:
                        continue
                    if control["kind"] == "slice" and isinstance(value, str):  # words in quotes may be any
                        with suppress(InputError):
                            sheet.handle({"type": "set", "name": "slice", "value": value})
                        sheet.handle({"type": "set", "name": "slice", "value": ""})
                        continue
                    with pytest.raises(InputError):
                        sheet.handle({"type": "set", "name": control["name"], "value": value})
            for name in ("../x", "__class__", None, []):
                with pytest.raises(InputError):
                    sheet.handle({"type": "press", "name": name})
            assert sheet.settings == settings
    assert tried >= 230
    assert files(app) == before


@pytest.mark.fault(
    "App: events of the explorer with any value in any field",
    "an error in one line at most, nothing written",
    tries=1500,
)
def test_the_explorer_takes_any_event(app: App):
    explorer, before, tried = app.explorer, files(app), 0
    assert explorer is not None
    fields = ("value", "name", "text", "id", "model", "low", "at", "folder")
    for kind in explorer.events:
        if kind in ("save", "delete", "keep"):  # they write, inside the project: the next test
            continue
        for field in fields:
            for value in EVIL:
                said = explorer.handle({"type": kind, "seq": 1, field: value})
                tried += 1
                assert all("\n" not in answer.get("error", "") for answer in said)
    explorer.slice = ""
    assert tried >= 1500
    assert files(app) == before


@pytest.mark.parametrize("name", ["/../../../x/pwned", "../../pwned", "a/b", "\ud800", "x" * 300, "<img src=x>"])
@pytest.mark.fault("App: names of what is kept, from the page", "kept inside the project, or refused in one line")
def test_what_is_kept_is_kept_inside(app: App, name: str):
    root, before = app.workbench.project.root, set(files(app))
    assert app.explorer is not None
    app.explorer.handle({"type": "save", "seq": 1, "name": name, "folder": name})
    ask = next(s for s in sheets_in(app.made["Generate"]) if "dataset" in s.settings)
    report = next(iter(sheets_in(app.made["Report"])))
    report.handle({"type": "set", "name": "title", "value": name})
    try:
        report.handle({"type": "press", "name": "keep"})
    except InputError as e:
        said = str(e)
    else:
        said = ""
    assert "\n" not in said
    ask.settings = {**ask.settings, "dataset": name, "requirement": "x"}
    if name != "x" * 300:
        with pytest.raises(InputError, match="dataset"):
            ask.keep()
    assert all(p.is_relative_to(root) for p in set(files(app)) - before)
