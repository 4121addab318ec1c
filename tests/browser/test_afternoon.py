"""An afternoon of reading in a real JupyterLab, from the first failure to the finding in the report: what it takes in keys and seconds."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import VIEW, Lab, Watched, copy_project
from playwright.sync_api import Browser, Page, expect

from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.features.tagbook import TagBook
from flowgen_analysis.flows.dataset import load_samples

pytestmark = [pytest.mark.browser, pytest.mark.verify]

APP = """
from flowgen_analysis import Workbench
wb = Workbench.open("..", "test")
wb.app()
"""
MODEL, FAILURES = "rules", 30
NOTES = {
    0: "the loop is gone, so only one record is handled",
    2: "looks up the wrong table",
    3: "the loop is gone: one record instead of all of them",
    5: "writes an empty update",
    7: "wrong table looked up, a task is no incident",
    9: "empty update, no field is set",
    12: "no condition on the look up",
    14: "the loop is gone again",
    17: "update without a field",
    20: "look up without a condition, returns everything",
    24: "wrong table",
    28: "the branch is missing",
}
CODES = ("Loop is gone", "Wrong table", "Empty update", "No condition")
FEATURE = {"Title": "Several things", "Theme": "Difficult", "Meaning": "Asks for more than one thing at once."}


class Cost(NamedTuple):
    """What a stage took: samples, keys of command (letters of notes and names apart), and the seconds between a key and what it shows."""

    stage: str
    samples: int
    keys: int
    letters: int
    seconds: float

    def __str__(self) -> str:
        per = f"{self.keys / self.samples:.1f} keys, {1000 * self.seconds / self.samples:.0f} ms of machine a sample"
        return f"{self.stage}: {self.samples} samples, {self.keys} keys, {self.letters} letters, {self.seconds:.1f} s of machine; {per}"


class Person:
    """Somebody at a page: counts the keys that they press, and how long the machine takes to show what they did."""

    def __init__(self, page: Page, by: str, root: Path, pictures: Path):
        self.page, self.by, self.root, self.pictures = page, by, root, pictures
        self.keys, self.letters, self.seconds, self.costs = 0, 0, 0.0, []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.keys += len(keys)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.letters += len(text)

    def until(self, shown: Callable[[], object]) -> None:
        """Wait for what the page shows of the last key."""
        start = time.perf_counter()
        shown()
        self.seconds += time.perf_counter() - start

    @contextmanager
    def stage(self, name: str, samples: int) -> Iterator[None]:
        self.keys, self.letters, self.seconds = 0, 0, 0.0
        yield
        self.costs.append(Cost(f"{self.by}, {name}", samples, self.keys, self.letters, self.seconds))
        self.picture(name)

    def picture(self, name: str) -> None:
        self.page.wait_for_timeout(400)
        self.page.screenshot(path=self.pictures / f"{self.by}-{name.replace(' ', '-')}.png")

    # -- where things are

    def tab(self, name: str) -> None:
        self.page.locator(f'.fg-tab:text-is("{name}"):visible').last.click()

    def frame(self, css: str) -> None:
        self.page.locator(f"{css}:visible").focus()

    def on_disk(self) -> None:
        self.until(lambda: self.page.wait_for_function(
            "[...document.querySelectorAll('.fg-tag-disk')].filter(n => n.offsetParent).every(n => n.dataset.unsaved === '0')"
        ))  # fmt: skip

    def place(self) -> str:
        return self.page.locator(".fg-read-bar > .fg-hint").inner_text()

    def at(self, k: int, of: str = "") -> None:
        self.until(lambda: expect(self.page.locator(".fg-read-bar > .fg-hint")).to_have_text(f"{k} of {of or 108}"))


def notebook(lab: Lab, root: Path, page: Page, by: str) -> None:
    """Open a notebook of one cell that shows the app, and say who judges."""
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": APP, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    path = root / "nbs" / f"{by}.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    lab.open(page, str(path.relative_to(lab.root)))
    if page.locator(".jp-SideBar .lm-mod-current").count():
        lab.command(page, "application:toggle-left-area")
    lab.command(page, "notebook:run-all-cells")
    page.locator('.fg-tab:text-is("Tag")').click(timeout=120_000)
    page.get_by_label("Your name").fill(by)
    page.keyboard.press("Tab")
    page.click('.fg-press:text-is("Tag")')
    page.locator(".fg-read-note").wait_for()


def read_failures(ana: Person) -> None:
    """The worst 30 of a model, a note on 12 of them."""
    page = ana.page
    page.get_by_label("Model", exact=True).locator("visible=true").last.select_option(MODEL)
    ana.at(1)
    ana.frame(".fg-read")
    with ana.stage("reading", FAILURES):
        for i in range(FAILURES):
            if i in NOTES:
                ana.press("Enter")
                ana.type(NOTES[i])
                if i == 5:
                    ana.picture("note")
                ana.press("Escape")
            ana.press("n")
            ana.at(i + 2)
        ana.on_disk()


def make_codes(ana: Person) -> None:
    """Two codes from what the board proposes, by keys."""
    page = ana.page
    ana.tab("Codes")
    page.locator(".fg-board-group").first.wait_for()
    ana.picture("board before")
    with ana.stage("grouping", len(NOTES)):
        for title, word in zip(CODES[:2], ("loop", "wrong table"), strict=True):
            noted = page.locator(".fg-board-note", has_text=word)
            cards = page.locator(".fg-board-groups .fg-board-card").filter(has=noted)
            for k in range(cards.count()):
                cards.nth(k).focus()
                ana.press("Enter")
            ana.press("c")
            ana.type(title)
            ana.press("Enter")
            ana.until(lambda: page.locator(f".fg-board-title[value='{title}']").wait_for())  # noqa: B023


def code_failures(ana: Person) -> None:
    """The same 30 again: two more codes while reading, a key for each that is right, no to the rest."""
    page = ana.page
    ana.tab("Read")
    rows = page.locator(".fg-read-code")
    expect(rows).to_have_count(2)
    ana.frame(".fg-read")
    with ana.stage("coding", FAILURES):
        for _ in range(FAILURES):
            ana.press("p")
        ana.at(1)
        for i in range(FAILURES):
            said = NOTES.get(i, "")
            code = next((c for c, words in zip(CODES, ("loop", "wrong table", "update", "condition"), strict=True) if words in said), None)  # fmt: skip
            if code and not page.locator(".fg-read-code", has_text=code).count():
                ana.press("c")
                ana.type(code)
                ana.press("Shift+Enter")
                ana.until(lambda: page.locator(".fg-read-code[data-done=yes]", has_text=code).wait_for())  # noqa: B023
            elif code and page.locator(".fg-read-code", has_text=code).get_attribute("data-done") != "yes":
                ana.press(page.locator(".fg-read-code", has_text=code).locator("kbd").inner_text())
            ana.press("d", "d")
            ana.until(lambda: expect(page.locator(".fg-read-code[data-done='']")).to_have_count(0))
            ana.press("n")
            ana.at(i + 2)
        ana.on_disk()


def draft_feature(ana: Person) -> None:
    """What a code would be as a feature: the form opens beside the features, filled in, and is left again."""
    page = ana.page
    ana.tab("Codes")
    page.locator(".fg-board-code[data-code=loop_is_gone] button", has_text="feature").click()
    page.locator(".fg-tag-form:visible").wait_for()
    expect(page.get_by_label("Title", exact=True).first).to_have_value(CODES[0])
    ana.picture("feature of a code")
    page.get_by_role("button", name="Cancel").click()


def judge_feature(who: Person, truth: dict[str, bool]) -> None:
    """One feature on every sample, in a random order: a key, and the next."""
    page, n = who.page, len(truth)
    page.get_by_role("button", name="Several things: on every sample").click()
    page.get_by_role("button", name=f"Judge the other {n}").click()
    who.until(lambda: expect(page.locator(".fg-tag-sample header .fg-hint")).to_have_text(f"1 of {n}"))
    cap = page.locator(".fg-tag-row[data-feature='several_things'] kbd").inner_text()
    who.frame(".fg-tag")
    with who.stage("judging", n):
        for i in range(n):
            shown = page.locator(".fg-tag-sample header b").inner_text()
            who.press(cap if truth[shown] else f"Shift+{cap}")
            if i < n - 1:
                who.press("n")
                who.until(lambda: expect(page.locator(".fg-tag-sample header .fg-hint")).to_have_text(f"{i + 2} of {n}"))  # noqa: B023  # fmt: skip
        who.on_disk()


def make_feature(ana: Person) -> None:
    page = ana.page
    ana.tab("Features")
    page.locator(".fg-tag-themes").wait_for()
    ana.frame(".fg-tag")
    ana.press("+")
    for label, text in FEATURE.items():
        page.get_by_label(label, exact=True).fill(text)
    ana.picture("new feature")
    page.get_by_role("button", name="Add feature").click()
    page.locator(".fg-tag-row[data-feature='several_things']").wait_for()


def test_an_afternoon_from_the_first_failure_to_the_finding(
    lab: Lab, tmp_path: Path, watched: Watched, browser: Browser
):
    root = lab.root / tmp_path.name
    root.mkdir()
    copy_project(root)
    journal = root / "feature_matrices" / "test.journal.jsonl"
    journal.unlink()
    pictures = Path(os.environ.get("AFTERNOON_PICTURES") or tmp_path / "pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    samples = load_samples(root / "datasets" / "test.jsonl")
    truth = {s.id: " and " in s.requirement for s in samples}
    ana = Person(watched.page, "ana", root, pictures)
    notebook(lab, root, ana.page, "ana")
    read_failures(ana)
    make_codes(ana)
    code_failures(ana)
    book = TagBook(journal, "ana")
    assert len(book.outputs_noted()) == len(NOTES)
    assert [c.title for c in book.codes.all.values()] == list(CODES)
    draft_feature(ana)
    make_feature(ana)
    judge_feature(ana, truth)
    context = browser.new_context(viewport=VIEW)
    try:
        ben = Person(context.new_page(), "ben", root, pictures)
        ben.page.set_default_timeout(30_000)
        notebook(lab, root, ben.page, "ben")
        ben.tab("Features")
        differs = [s.id for s in samples][::12]
        judge_feature(ben, {i: v != (i in differs) for i, v in truth.items()})
    finally:
        context.close()
    said = [t for t in load_journal(journal).tags if t.feature == "several_things"]
    assert len(said) == 2 * len(samples)
    assert {(t.by, t.sample_id): t.value for t in said}[("ben", differs[0])] != truth[differs[0]]
    decide(ana, truth)
    decided = {t.sample_id: t.value for t in load_journal(journal).tags if t.final}
    assert decided == {i: truth[i] for i in differs}
    ana.tab("Agreement")
    expect(ana.page.locator(".fg-agreed tr", has_text="Several things").first).to_contain_text(f"{len(samples)}")
    expect(ana.page.locator(".fg-agreed tr", has_text="Several things").last).to_contain_text("ana")
    ana.picture("agreement")
    keep_finding(ana)
    show_report(ana, root / "reports" / "test.html", browser)
    print("\n" + "\n".join(map(str, [*ana.costs, *ben.costs])))
    print(f"journal: {len(load_journal(journal).tags)} lines")
    watched.check_clean()


def decide(ana: Person, truth: dict[str, bool]) -> None:
    """The cells on which the two differ."""
    page = ana.page
    ana.tab("Decide")
    page.locator(".fg-decide-side").first.wait_for()
    n = page.locator(".fg-decide-list button").count()
    ana.frame(".fg-decide")
    with ana.stage("deciding", n):
        for i in range(n):
            ana.until(lambda: expect(page.locator(".fg-decide .fg-read-bar > .fg-hint")).to_have_text(f"{i + 1} of {n}"))  # noqa: B023  # fmt: skip
            right = truth[page.locator(".fg-decide .fg-read-bar > b").inner_text()]
            ana.press("y" if right else "x")
            ana.until(lambda: page.locator(f".fg-decide[data-decided={'yes' if right else 'no'}]").wait_for())  # noqa: B023
            ana.press("n")
        ana.on_disk()


def keep_finding(ana: Person) -> None:
    """The feature as a slice and a code as a score, kept for the report."""
    page = ana.page
    field = page.locator("input.fg-slice")
    field.fill("several_things")
    field.press("Enter")
    expect(page.locator(".fg-bar .fg-tools", has_text="+ Report")).to_be_visible()
    ana.tab("Slices")
    ana.picture("slice")
    page.locator("button:has-text('+ Report'):visible").first.click()
    page.locator(".fg-hint", has_text="kept in").first.wait_for()
    ana.tab("Report")
    page.locator(".fg-kept-card").first.wait_for()
    ana.picture("report tab")
    page.locator(".fg-press:text-is('Write'):visible").click()
    page.locator(".fg-files", has_text="test.html").wait_for(timeout=240_000)


def show_report(ana: Person, path: Path, browser: Browser) -> None:
    """The report says the finding."""
    page = browser.new_page(viewport=VIEW)
    page.goto(path.as_uri())
    finding = page.get_by_role("heading", name="several_things").first
    finding.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=ana.pictures / "report-finding.png")
    codes = page.get_by_role("heading", name="What people read").first
    codes.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=ana.pictures / "report-codes.png")
    assert all(code in page.inner_text("body") for code in CODES)
    page.close()
