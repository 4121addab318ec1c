"""The flow diff on a page without a script, as in a report, and in a notebook of JupyterLab."""

import json
import re
import sys
from pathlib import Path

import pytest
from conftest import Lab, Watched
from playwright.sync_api import Page, expect
from test_workbench import contrast

sys.path.append(str(Path(__file__).parents[1]))
from hostile import EVIL, LOOP, hostile, made

from flowgen_analysis.figures.flow_diff.diff import flow_diff
from flowgen_analysis.figures.style import page as with_style
from flowgen_analysis.flows.model import Flow, Sample, Trigger

pytestmark = pytest.mark.browser

SAMPLE = Sample(
    id="s", requirement="Every week, look up the incidents, then tell the owner.",
    expected=[
        LOOP.model_copy(update={"components": [
            LOOP.components[0].model_copy(update={"annotation": "look up the incidents"}), *LOOP.components[1:3],
            LOOP.components[3].model_copy(update={"annotation": "tell the owner"}),
        ]})
    ],
)  # fmt: skip
SHORT = Flow(trigger=Trigger(type="daily"), components=[*LOOP.components[:2], LOOP.components[3]])
MADE = [made("one", SHORT, raw="<b>raw</b>"), made("two", SAMPLE.expected[0]), made("three", None, error="cut off")]


def static(watched: Watched, html: str, width: int = 1280) -> Page:
    """The page as a file would show it, without any script."""
    page = watched.page
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(f"<!doctype html><meta charset=utf-8>{html}")
    return page


def test_it_folds_and_filters_without_a_script(watched):
    page = static(watched, with_style(flow_diff(SAMPLE, MADE, ["one", "two"])))
    lines = page.locator(".fd-line:not(.fd-heads)")
    expect(lines).to_have_count(5)
    inner = page.locator(".fd-block .fd-line")
    expect(inner).to_be_visible()
    fold = page.get_by_role("checkbox", name=re.compile("Fold FOREACH"))
    fold.focus()
    page.keyboard.press("Space")
    expect(inner).to_be_hidden()
    expect(page.locator(".fd-inside").filter(visible=True)).to_have_count(1)
    page.keyboard.press("Space")
    expect(inner).to_be_visible()
    page.get_by_label("only differences").check()
    expect(lines.filter(visible=True)).to_have_count(3)
    page.get_by_text("raw, 10 characters").click()
    expect(page.get_by_text("<b>raw</b>")).to_be_visible()
    watched.check_clean()


def test_matched_steps_are_on_one_line(watched):
    page = static(watched, with_style(flow_diff(SAMPLE, MADE, ["one", "two", "three"])))
    for line in page.locator(".fd-line").all():
        boxes = [c.bounding_box() for c in line.locator(":scope > *").all()]
        assert len(boxes) == 4
        assert len({round(b["y"]) for b in boxes}) == 1
        assert len({round(b["width"]) for b in boxes}) == 1
    watched.check_clean()


OVERFLOW = """() => {
    const out = [];
    const box = (n) => n.getBoundingClientRect();
    for (const cell of document.querySelectorAll('.fd-cell, .fd-head')) {
        for (const node of cell.querySelectorAll('span, b, svg, p, pre, summary')) {
            const [a, b] = [box(cell), box(node)];
            if (node.matches('.fd-hear, .fd-hear *') || !b.width || getComputedStyle(node).position === 'absolute') continue;
            if (node.closest('summary, pre, .fd-facts ul') && node.tagName !== 'SUMMARY' && node.tagName !== 'PRE') continue;
            if (b.right > a.right + 1 || b.left < a.left - 1) out.push([node.className, node.textContent.slice(0, 40), b.left, b.right, a.left, a.right]);
        }
    }
    return out;
}"""


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "text", [EVIL, "w" * 10_000, "\U0001f469‍\U0001f692" * 500, "a_b{{" * 300, "\u202e" * 50 + "abc"]
)
def test_hostile_text_stays_text_and_in_its_cell(watched, text, width):
    sample, every = hostile(text)
    page = static(watched, with_style(flow_diff(sample, every, [g.model for g in every])), width)
    page.evaluate("() => document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate(OVERFLOW) == []
    assert page.locator(".fd img, .fd script, .fd style").count() == 0
    if width == 400:
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
        tops = page.locator(".fd-heads > *").evaluate_all("nodes => nodes.map((n) => n.getBoundingClientRect().top)")
        assert tops == sorted(set(tops)), "columns below each other"
    watched.check_clean()


CELL = """
import json
from flowgen_analysis.figures.flow_diff.diff import flow_diff
from flowgen_analysis.flows.dataset import read_generation, read_sample
from flowgen_analysis.widgets.panels import SampleView
from flowgen_analysis.widgets.explorer.states import view_state
sample, made = read_sample(json.loads(SAMPLE)), [read_generation(g) for g in json.loads(MADE)]
events, shown = [], ["one", "two"]
html = flow_diff(sample, made, shown)
models = [{"name": m, "colour": "#0072B2", "score": 0.5, "on": True, "hover": m} for m in shown]
view = SampleView({"id": "s", "place": "1 of 1", "models": models, "html": html, "first": True, "last": True}, events.append)
view
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, desk_page: Watched) -> Watched:
    """A notebook that shows one sample, in JupyterLab."""
    flow = SAMPLE.expected[0].model_dump()
    sample = json.dumps({"id": "s", "requirement": SAMPLE.requirement, "expected": flow})
    rows = [
        {"id": "s", "model": "one", "generated": SHORT.model_dump()},
        {"id": "s", "model": "two", "generated": flow},
    ]
    source = f"SAMPLE, MADE = {sample!r}, {json.dumps(rows)!r}\n{CELL}"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "execution_count": None, "outputs": []}
    spec = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    book = {"cells": [cell], "metadata": spec, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / "nbs" / "diff.ipynb").write_text(json.dumps(book))
    lab.open(desk_page.page, "nbs/diff.ipynb")
    return desk_page


@pytest.fixture
def in_lab(lab: Lab, opened: Watched) -> Watched:
    """The notebook after *run all*, with a new view on screen."""
    page = opened.start().page
    lab.command(page, "notebook:clear-all-cell-outputs")
    page.locator(".fd").wait_for(state="detached")
    lab.command(page, "notebook:run-all-cells")
    page.locator(".fd").wait_for(timeout=60_000)
    return opened


def test_words_and_steps_point_to_each_other(in_lab):
    page = in_lab.page
    words = page.get_by_role("button", name="tell the owner")
    line = page.locator('.fd-line[data-step="components[3]"]')
    words.hover()
    expect(line).to_have_class(re.compile("fd-lit"))
    line.locator(".fd-body").first.hover()
    expect(words).to_have_class(re.compile("fd-lit"))
    inner = page.locator(".fd-block .fd-line")
    page.get_by_role("checkbox", name=re.compile("Fold FOREACH")).check()
    expect(inner).to_be_hidden()
    common = page.get_by_role("button", name="look up the incidents")
    common.focus()
    page.keyboard.press("Enter")
    expect(page.locator('.fd-line[data-step="components[0]"]')).to_have_class(re.compile("fd-lit"))
    in_lab.check_clean()


def test_keys_in_the_diff_are_its_own(in_lab):
    page = in_lab.page
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    n = page.evaluate(cells)
    for name in ("only differences", re.compile("Fold")):
        page.get_by_role("checkbox", name=name).focus()
        for key in "bax":
            page.keyboard.press(key)
    page.locator(".fd-more > summary").first.focus()
    page.keyboard.press("b")
    page.locator("mark").first.focus()
    page.keyboard.press("b")
    assert page.evaluate(cells) == n
    label = page.locator(".fd-label").first
    label.focus()
    page.keyboard.press("Enter")
    expect(label.locator(".fd-hear")).to_be_visible()
    expect(label).to_have_attribute("aria-expanded", "true")
    assert label.locator(".fd-hear").bounding_box()["width"] > 50
    page.get_by_role("button", name="unfold inputs").click()
    expect(page.locator("details.fd-more:not([open])")).to_have_count(0)
    in_lab.check_clean()


READ = (
    ".fd-name b", ".fd-said", ".fd-label", ".fg-key", ".fd-facts", ".fd-same .fd-name", ".fd-legend .fd-minus",
    ".fd-legend .fd-moved", ".fd-legend .fd-plus", ".fd-legend .fd-other",
)  # fmt: skip


def test_labels_can_be_read_in_both_themes(in_lab, lab):
    page = in_lab.page
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.command(page, "apputils:change-theme", theme=theme)
        page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=theme)
        for selector in READ:
            assert contrast(page.locator(selector).first) >= 4.5, (theme, selector)
    in_lab.check_clean()
