"""The analyst's notebook in a real JupyterLab: everything that the workbench promises on screen."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Lab, Watched, check_axe
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opened(lab: Lab, desk_page: Watched) -> Watched:
    """The notebook in JupyterLab."""
    lab.open(desk_page.page)
    return desk_page


@pytest.fixture
def workbench(lab: Lab, opened: Watched) -> Watched:
    """The notebook after *run all*, with a new explorer on screen."""
    page = opened.start().page
    lab.command(page, "notebook:clear-all-cell-outputs")
    page.locator(".fg-explorer").wait_for(state="detached")
    lab.command(page, "notebook:run-all-cells")
    page.locator(".fg-row").first.wait_for(timeout=60_000)
    page.locator(".fg-explorer").scroll_into_view_if_needed()
    return opened


def ids(page: Page) -> list[str]:
    """Ids of the samples on the list, from the top."""
    return page.locator(".fg-row").evaluate_all("rows => rows.map(r => r.dataset.sample)")


def count(page: Page) -> Locator:
    return page.locator(".fg-count-of")


def numbers(page: Page) -> list[str]:
    """The means in the slice, a model each."""
    return page.locator(".fg-mean-row .fg-num-in").all_text_contents()


def total(page: Page) -> int:
    return int((count(page).text_content() or "").split(" of ")[1].split(",")[0])


def tab(page: Page, name: str) -> None:
    page.locator(".fg-explorer").get_by_role("tab", name=name, exact=True).click()


def state(page: Page, feature: str, name: str) -> Locator:
    return page.locator(f"[data-feature={feature}]").get_by_role("radio", name=name, exact=True)


def test_a_subset_changes_numbers_and_samples(workbench):
    page = workbench.page
    n = total(page)
    expect(count(page)).to_have_text(f"{n} of {n}")
    before, all_numbers, all_ids = f"{n} of {n}", numbers(page), ids(page)
    assert all_numbers
    page.get_by_role("radio", name="STRUCTURE").click()
    expect(count(page)).not_to_have_text(before)
    expect(page.get_by_label("Slice", exact=True)).to_have_value("foreach | parallel | try_catch")
    held = int((count(page).text_content() or "").split()[0])
    expect(page.locator(".fg-row")).to_have_count(min(held, 40))
    assert set(ids(page)) < {*all_ids, *ids(page)}
    assert numbers(page) != all_numbers
    means = [float(t) for t in page.locator(".fg-row .fg-mean").all_text_contents()]
    assert means == sorted(means), "worst first"
    page.get_by_role("button", name="Back to all samples").click()
    expect(count(page)).to_have_text(before)
    workbench.check_clean()


def test_the_list_brings_rows_as_one_scrolls(workbench):
    page = workbench.page
    n = total(page)
    seen = set(ids(page))
    assert len(seen) < n
    page.locator(".fg-list").focus()
    page.keyboard.press("End")
    expect(page.locator(f".fg-row[data-at='{n - 1}']")).to_be_visible()
    expect(page.locator(".fg-row.fg-at")).to_have_attribute("data-at", str(n - 1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Sample")).to_contain_text(f"{n} of {n}")
    page.keyboard.press("Escape")
    expect(page.locator(".fg-row.fg-at")).to_have_attribute("data-at", str(n - 1))
    workbench.check_clean()


def test_a_cell_becomes_the_slice_and_undo_brings_all_back(workbench):
    page = workbench.page
    before = count(page).text_content() or ""
    tab(page, "Features")
    page.get_by_role("radio", name="difference", exact=True).click()
    row = page.locator(".fg-grid tr[data-row=foreach]")
    held = row.locator(".fg-n").text_content()
    cell = row.locator("td[role=gridcell]").first
    cell.hover()
    expect(cell).to_have_attribute("title", re.compile("wins .*smallest possible|the baseline itself"))
    cell.click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("foreach")
    expect(count(page)).to_have_text(f"{held} of {total(page)}")
    expect(row).to_have_class(re.compile("fg-chosen"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Slice", exact=True)).not_to_have_value("foreach")
    page.keyboard.press("Control+z")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("foreach")
    page.keyboard.press("Control+z")
    expect(count(page)).to_have_text(before)
    page.keyboard.press("Control+Shift+Z")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("foreach")
    workbench.check_clean()


def test_facts_filter_and_a_saved_slice_comes_back(workbench, watched, lab):
    page = workbench.page
    page.get_by_label("Steps from").fill("4")
    page.get_by_label("Steps from").press("Enter")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("steps >= 4")
    low = page.locator("[data-fact=score] .fg-column-bar").first
    held = int(low.get_attribute("title").split(": ")[1])
    low.click()
    expect(count(page)).to_have_text(f"{held} of {total(page)}")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("steps >= 4 & score >= 0 & score < 10")
    expect(page.get_by_label("Score to")).to_have_value("10")
    page.get_by_role("button", name="Score: any").click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("steps >= 4")
    page.get_by_role("button", name="Save this slice by name").click()
    page.get_by_label("Name", exact=True).fill("Long <b>flows</b>")
    page.get_by_label("Folder", exact=True).fill("Size")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Saved slices").locator("option", has_text="Long <b>flows</b>")).to_have_count(1)
    assert 'expression = "steps >= 4"' in (lab.root / "slices.toml").read_text()
    tab(page, "Slices")
    row = page.locator(".fg-grid tr", has_text="Long <b>flows</b>")
    page.get_by_role("button", name="Back to all samples").click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("")
    row.locator("td[role=gridcell]").first.click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("steps >= 4")
    assert page.locator(".fg-explorer b > b").count() == 0
    state = page.evaluate(
        "() => new Promise((done) => { navigator.clipboard.writeText = async (text) => done(text);"
        "document.querySelector('[aria-label^=\"Copy the link\"]').click(); })"
    )
    assert state == "dataset=test&tab=Slices&table=slices&slice=steps%20%3E%3D%204"
    workbench.check_clean()
    page = watched.page
    (lab.root / "nbs" / "state.ipynb").write_text(notebook(state))
    lab.open(page, "nbs/state.ipynb")
    lab.command(page, "notebook:run-all-cells")
    expect(page.get_by_label("Slice", exact=True)).to_have_value("steps >= 4", timeout=60_000)
    expect(page.locator(".fg-grid tr.fg-chosen")).to_contain_text("Long <b>flows</b>")
    (lab.root / "slices.toml").unlink()
    watched.check_clean()


def notebook(state: str) -> str:
    return cells(f"from flowgen_analysis import Workbench\nWorkbench.open('..').explorer(state={state!r})")


def cells(code: str) -> str:
    """A notebook of one cell."""
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


HOSTILE = """
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import Run
from flowgen_analysis.flows.model import Flow, Generation, Sample, Step
from flowgen_analysis.study import Study
from flowgen_analysis.widgets.explorer.explorer import Explorer
evil = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>\u202e' + "w" * 10_000
flow = Flow(components=[Step(name="log", step=1)])
samples = [Sample(id=f"{i}{evil}", requirement=evil, expected=[flow], domain=f"{i % 2}{evil}") for i in range(8)]
models = [evil, "b" + evil, "c"]
runs = [Run(m, [Generation(sample_id=s.id, model=m, generated=flow, made={'note': evil}) for s in samples]) for m in models]
registry = Registry.load("../feature_matrices/features.toml")
Explorer(Study(evil, samples, runs, registry, FeatureMatrix.build(samples, registry)))
"""


def test_hostile_names_and_values_stay_text(lab, watched):
    page = watched.page
    (lab.root / "nbs" / "hostile.ipynb").write_text(cells(HOSTILE))
    lab.open(page, "nbs/hostile.ipynb")
    lab.command(page, "notebook:run-all-cells")
    page.locator(".fg-row").first.wait_for(timeout=60_000)
    page.locator("[data-fact=domain] .fg-chip").first.click()
    expect(count(page)).to_have_text("4 of 8")
    for name in ("Features", "Slices", "Samples"):
        tab(page, name)
        wide = page.locator(".fg-explorer").evaluate("node => [node.scrollWidth, node.clientWidth]")
        assert wide[0] <= wide[1] + 1, name
    page.keyboard.press("Control+z")
    expect(count(page)).to_have_text("8 of 8")
    page.get_by_label("Slice", exact=True).press_sequentially("id:")
    expect(page.locator(".fg-offers [role=option]")).to_have_count(8)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(count(page)).to_have_text("1 of 8")
    expect(page.locator(".fg-part code")).to_contain_text("<script>")
    assert page.locator(".fg-explorer img, .fg-explorer script").count() == 0
    assert page.evaluate("window.hacked") is None
    watched.check_clean()


def test_nothing_is_cut_off_sideways(workbench):
    page = workbench.page
    page.set_viewport_size({"width": 1600, "height": 800})
    for width in (400, 760, 1100):
        page.locator(".fg-explorer").evaluate("(node, width) => { node.style.width = `${width}px`; }", width)
        for name in ("Features", "Slices", "Samples"):
            tab(page, name)
            wide = page.locator(".fg-explorer").evaluate("node => [node.scrollWidth, node.clientWidth]")
            assert wide[0] <= wide[1] + 1, (width, name)
    workbench.check_clean()


def test_features_and_text_are_one_state(workbench):
    page = workbench.page
    expected = page.locator("[data-feature=foreach] .fg-n").text_content()
    state(page, "foreach", "has").click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("foreach")
    expect(count(page)).to_contain_text(f"{expected} of")
    page.get_by_label("Slice", exact=True).fill("foreach and not parallel")
    page.get_by_label("Slice", exact=True).press("Enter")
    expect(state(page, "parallel", "lacks")).to_be_checked()
    expect(state(page, "foreach", "has")).to_be_checked()
    page.get_by_label("Slice", exact=True).fill("foreach and (")
    page.get_by_label("Slice", exact=True).press("Enter")
    expect(page.get_by_role("alert").filter(has_text="does not parse")).to_be_visible()
    expect(state(page, "parallel", "lacks")).to_be_checked()
    page.get_by_role("button", name="Back to all samples").click()
    expect(page.get_by_label("Slice", exact=True)).to_have_value("")
    workbench.check_clean()


def test_a_slice_is_completed_mended_and_taken_apart(workbench):
    page = workbench.page
    field, offers = page.get_by_label("Slice", exact=True), page.get_by_role("listbox", name="Names that may come next")
    field.press_sequentially("ste")
    offers.get_by_role("option", name="step:").wait_for()
    expect(field).to_have_attribute("aria-expanded", "true")
    field.press("ArrowDown")
    expect(offers.get_by_role("option", selected=True)).to_contain_text("step:")
    field.press("Enter")
    expect(field).to_have_value("step:")
    field.press_sequentially("send_e")
    expect(offers.get_by_role("option")).to_have_count(1)
    held = offers.locator(".fg-n").text_content()
    check_axe(Axe().run(page, {"include": [[".fg-top"]]}))
    field.press("Tab")
    expect(field).to_have_value("step:send_email")
    field.press("Enter")
    expect(count(page)).to_have_text(f"{held} of {total(page)}")
    field.press("End")
    field.press_sequentially(" & foreech")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="names no feature")).to_be_visible()
    expect(page.locator(".fg-mirror .fg-wrong")).to_have_text("foreech")
    expect(count(page)).to_have_text(f"{held} of {total(page)}")
    check_axe(Axe().run(page, {"include": [[".fg-top"]]}))
    field.press("Alt+Enter")
    expect(field).to_have_value("step:send_email & foreach")
    expect(page.locator(".fg-words")).to_contain_text("has FOREACH (foreach)")
    for selector in (".fg-part code", ".fg-part .fg-n", ".fg-words"):
        assert contrast(page.locator(f".fg-explorer {selector}").first) >= 4.5, selector
    page.get_by_role("button", name="Not: step:send_email").click()
    expect(field).to_have_value("~step:send_email & foreach")
    expect(page.get_by_role("button", name="Not: ~step:send_email")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Drop ~step:send_email").click()
    expect(field).to_have_value("foreach")
    expect(state(page, "foreach", "has")).to_be_checked()
    page.locator(".fg-list").focus()
    page.keyboard.press("Control+z")
    expect(field).to_have_value("~step:send_email & foreach")
    workbench.check_clean()


def test_an_empty_slice_offers_a_way_out(workbench):
    page = workbench.page
    page.get_by_label("Slice", exact=True).fill("foreach & ~foreach")
    page.get_by_label("Slice", exact=True).press("Enter")
    expect(page.get_by_text("No sample matches.")).to_be_visible()
    page.locator(".fg-drop").first.click()
    expect(page.locator(".fg-row").first).to_be_visible()
    workbench.check_clean()


def test_a_sample_opens_by_keyboard_and_by_mouse(workbench):
    page = workbench.page
    order = ids(page)
    page.locator(".fg-list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    view = page.get_by_role("region", name="Sample")
    expect(view).to_be_visible()
    expect(view.locator("header").first).to_contain_text(order[1])
    panels = view.locator(".fd-head")
    expect(panels).to_have_count(3)
    expect(panels.first).to_contain_text("Expected")
    page.keyboard.press("ArrowRight")
    expect(view.locator("header").first).to_contain_text(order[2])
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    page.locator(".fg-row").first.click()
    expect(view.locator("header").first).to_contain_text(order[0])
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    n = page.evaluate(cells)
    page.locator(".fg-list").focus()
    for key in "bxa":
        page.keyboard.press(key)
    assert page.evaluate(cells) == n, "Lab did not take the keys for its own"
    workbench.check_clean()


TEXTS = (".fg-text", ".fg-id", ".fg-title", ".fg-facet .fg-n", ".fg-theme b", ".fg-count-of", ".fg-num-in", ".fg-num-n")


def test_text_can_be_read_in_both_themes(workbench, lab):
    page = workbench.page
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.command(page, "apputils:change-theme", theme=theme)
        page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=theme)
        for selector in TEXTS:
            assert contrast(page.locator(f".fg-explorer {selector}").first) >= 4.5, (theme, selector)
    workbench.check_clean()


def contrast(text: Locator) -> float:
    """The contrast ratio of an element's text with its page (WCAG)."""
    return text.evaluate("""node => {
        const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        const light = (...colours) => {
            canvas.clearRect(0, 0, 1, 1);
            for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const page = getComputedStyle(document.body).getPropertyValue("--jp-layout-color0");
        const [a, b] = [light(page, getComputedStyle(node).color), light(page)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }""")
