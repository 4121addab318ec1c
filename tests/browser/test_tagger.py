"""The tagger and the rater in a real JupyterLab: real key presses, kernels killed, two people at once."""

import json
import os
import random
import signal
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Lab, Watched, copy_project
from playwright.sync_api import Browser, Page, expect

from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.features.tagbook import TagBook
from flowgen_analysis.flows.dataset import load_samples, save_samples

pytestmark = pytest.mark.browser

TAGGER = """
import os
from pathlib import Path
from flowgen_analysis.project import Project
from flowgen_analysis.widgets.tagger.tagger import Tagger
Path("../kernel").write_text(str(os.getpid()))
project = Project.open("..")
samples = project.samples("test")
Tagger(project, "test", samples, project.registry(), by="{by}")
"""
READER = """
import os
from pathlib import Path
from flowgen_analysis import Workbench
Path("../kernel").write_text(str(os.getpid()))
wb = Workbench.open("..", "test")
wb.reader("{by}")
"""
RATER = """
from flowgen_analysis.baselines import make_baselines
from flowgen_analysis.project import Project
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.widgets.rater import Rater
project = Project.open("..")
samples = project.samples("test")[:12]
make_baselines(project, "test")
runs = project.runs("test", project.samples("test"))
runs = [r._replace(generations=[g for g in r.generations if g.sample_id in {{s.id for s in samples}}]) for r in runs]
Rater(project, "test", samples, runs, score_runs(samples, runs), by="{by}", n=8)
"""
# Everything that the page ever showed as done.
WATCH = """
window.shownAsDone = [];
const look = (row) => row.dataset.done && shownAsDone.push([row.dataset.sample, row.dataset.feature, row.dataset.done]);
new MutationObserver((all) => all.forEach((m) => look(m.target)))
    .observe(document.querySelector(".fg-tag"), { subtree: true, attributes: true, attributeFilter: ["data-done"] });
"""

# The same in read mode, whose rows know outputs by a number: the id that is on show stands beside them.
WATCH_CODES = WATCH.replace("row.dataset.sample, row.dataset.feature", "document.querySelector('.fg-read-bar > b').textContent, row.dataset.code")  # fmt: skip


class Desk(NamedTuple):
    """A project of its own within Lab's folder, and the notebooks of the people who work in it."""

    lab: Lab
    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "feature_matrices" / "test.journal.jsonl"

    def tags(self) -> list[tuple[str, str, bool | None]]:
        return [(t.sample_id, t.feature, t.value) for t in load_journal(self.journal).tags]

    def show(self, page: Page, by: str, code: str = TAGGER) -> None:
        """Open the notebook of `by`, run it, and give the keys to the tagger."""
        notebook = self.root / "nbs" / f"{by}.ipynb"
        cell = {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "source": code.format(by=by),
            "outputs": [],
            "execution_count": None,
        }
        kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
        notebook.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
        self.lab.open(page, str(notebook.relative_to(self.lab.root)))
        self.run(page)

    def run(self, page: Page) -> None:
        self.lab.command(page, "notebook:run-all-cells")
        page.locator(".fg-tag :is(.fg-flow, .fd), .jp-mod-error, [data-mime-type$=stderr]").first.wait_for(
            timeout=60_000
        )
        assert page.locator(".fg-tag :is(.fg-flow, .fd)").count(), page.locator(
            ".jp-OutputArea-output"
        ).all_inner_texts()
        page.locator(".fg-tag").focus()

    def kernel(self) -> int:
        return int((self.root / "kernel").read_text())


@pytest.fixture
def watched(desk_page: Watched) -> Watched:
    """One page for all, a notebook and a kernel for each."""
    return desk_page.start()


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Desk:
    root = lab.root / tmp_path.name
    root.mkdir()
    copy_project(root)
    desk = Desk(lab, root)
    desk.journal.unlink()
    return desk


def keys(page: Page) -> dict[str, str]:
    """The key of every feature, as shown."""
    found = page.locator(".fg-tag-row").evaluate_all(
        "rows => rows.map(r => [r.dataset.feature, r.querySelector('kbd').textContent])"
    )
    return dict(found)


def row(page: Page, feature: str):
    return page.locator(f".fg-tag-row[data-feature='{feature}']")


def all_on_disk(page: Page, timeout: float = 30_000) -> None:
    page.wait_for_function("document.querySelector('.fg-tag-disk').dataset.unsaved === '0'", timeout=timeout)


def shown_id(page: Page) -> str:
    return page.locator(".fg-tag-sample header b").inner_text()


def press_tags(desk: Desk, page: Page, n: int) -> None:
    """Press `n` feature keys, six a sample, without waiting for anything, and expect a line each, in order."""
    caps, ids = keys(page), [s.id for s in load_samples(desk.root / "datasets" / "test.jsonl")]
    pick, expected = random.Random(n), []
    for i in range(n):
        sample = (i // 6) % len(ids)
        if i and i % 6 == 0:
            for _ in range(1 if sample else len(ids) - 1):
                page.keyboard.press("n" if sample else "p")
        chosen = pick.choice([f for f in caps if (ids[sample], f) not in {e[:2] for e in expected[-6:]}])
        page.keyboard.press(caps[chosen])
        expected.append((ids[sample], chosen))
    all_on_disk(page, 120_000)
    assert [t[:2] for t in desk.tags()] == expected
    expect(page.locator(".fg-tag-disk")).to_have_text(f"on disk, line {n:,}")


@pytest.mark.verify
def test_sixty_tags_by_key_are_sixty_lines_in_order(desk, watched):
    desk.show(watched.page, "ana")
    press_tags(desk, watched.page, 60)
    assert all(value is True for *_, value in desk.tags())
    watched.check_clean()


@pytest.mark.verify
def test_a_thousand_tags_by_key_are_a_thousand_lines_in_order(desk, watched):
    desk.show(watched.page, "ana")
    press_tags(desk, watched.page, 1000)
    watched.check_clean()


def read_page(desk: Desk, page: Page) -> None:
    """Show read mode with five codes, the keys given to the screen."""
    if not desk.journal.exists() or "five" not in desk.journal.read_text():
        book = TagBook(desk.journal, "ben")
        for name in ("one", "two", "three", "four", "five"):
            book.define(name, name.title())
    desk.show(page, "ana", READER)


def coded(desk: Desk) -> list[tuple[str, str, bool | None]]:
    """What stands of codes in the journal, in its order."""
    return [(t.sample_id, t.feature, t.value) for t in load_journal(desk.journal).tags if t.model not in ("", "*")]


@pytest.mark.verify
def test_a_thousand_codes_by_key_are_a_thousand_lines_in_order(desk, watched):
    page = watched.page
    read_page(desk, page)
    names = ["one", "two", "three", "four", "five"]
    pick = random.Random(3)
    for i in range(1000):
        if i and i % 10 == 0:
            page.keyboard.press("n")
        page.keyboard.press(str(1 + pick.randrange(5)))
    all_on_disk(page, 240_000)
    found = coded(desk)
    pick = random.Random(3)
    expected = [names[pick.randrange(5)] for _ in range(1000)]
    assert [f for _, f, _ in found] == expected
    assert len({s for s, _, _ in found[:10]}) == 1
    assert len({s for s, *_ in found}) == 100
    watched.check_clean()


@pytest.mark.verify
def test_fifty_killed_kernels_take_no_code_that_was_shown_as_done(desk, watched):
    page, pick, done = watched.page, random.Random(4), set()
    read_page(desk, page)
    for _ in range(50):
        page.evaluate(WATCH_CODES)
        pid, killed = desk.kernel(), threading.Event()
        (desk.root / "kernel").unlink()

        def kill(pid: int = pid, killed: threading.Event = killed) -> None:
            os.kill(pid, signal.SIGKILL)
            killed.set()

        timer = threading.Timer(pick.uniform(0.0, 1.5), kill)
        while not killed.is_set():
            page.keyboard.press(pick.choice([*"1234512345", "n", "p", "u"]))
            if not timer.ident and page.evaluate("shownAsDone.length"):
                timer.start()
        page.wait_for_timeout(300)
        shown = page.evaluate("window.shownAsDone")
        lines = {(s, f, {True: "yes", False: "no"}.get(v)) for s, f, v in coded(desk)}
        assert {tuple(s) for s in shown} <= lines
        done |= {tuple(s) for s in shown}
        restart(desk, page)
    lines = {(s, f, {True: "yes", False: "no"}.get(v)) for s, f, v in coded(desk)}
    assert done <= lines
    print(f"50 kills: {len(done)} codes shown as done, {len(done - lines)} lost; {len(coded(desk))} lines")
    assert TagBook(desk.journal, "cy").problems == []


DESK = """
import os
from pathlib import Path
from flowgen_analysis import Workbench
from flowgen_analysis.widgets.tagger.desk import TagDesk
Path("../kernel").write_text(str(os.getpid()))
wb = Workbench.open("..", "test")
TagDesk(wb, "{by}")
"""
FRAMES = {
    "Read": ".fg-read",
    "Features": ".fg-tag:not(.fg-read, .fg-board, .fg-decide)",
    "Codes": ".fg-board",
    "Decide": ".fg-decide",
}
FIELDS = {
    "Read": (".fg-read-note",),
    "Features": (".fg-tag-note",),
    "Codes": (".fg-board .fg-tag-find",),
    "Decide": (".fg-decide .fg-tag-note",),
}
PRESSED = [*"abcdefghijklmnopqrstuvwxyz0123456789/+?", "Enter", "Shift+Enter", "Control+Enter", "Escape", "ArrowUp", "ArrowDown", "Shift+n", "Delete", "Tab"]  # fmt: skip
RAN = """
window.ran = [];
window.jupyterapp.commands.commandExecuted.connect((_, done) => window.ran.push(done.id));
"""


@pytest.mark.verify
def test_no_key_of_a_frame_is_labs_and_none_of_labs_is_a_frames(desk, watched):
    """Every key with the focus in each frame and in its fields: Lab runs no command. The same keys on a cell: Lab's commands run, and nothing is
    said nor another sample shown."""
    book = TagBook(desk.journal, "ben")
    book.define("one", "One")
    book.say([("t-001", "foreach", False, None), ("t-002", "foreach", True, None)])
    TagBook(desk.journal, "cy").say([("t-001", "foreach", True, None)])
    page = watched.page
    desk.show(page, "ana", DESK)
    page.evaluate(RAN)
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    for name, frame in FRAMES.items():
        page.locator(f'.fg-tab:text-is("{name}")').click()
        page.locator(f"{frame}:visible").wait_for()
        for place in (frame, *FIELDS[name]):
            for key in PRESSED:
                page.locator(f"{place}:visible").first.focus()
                page.keyboard.press(key)
            page.keyboard.press("Escape")
        assert page.evaluate("window.ran") == [], name
    assert page.evaluate(cells) == 1
    page.locator('.fg-tab:text-is("Read")').click()
    page.locator(".fg-read:visible").wait_for()
    all_on_disk(page)
    lines, shown = desk.journal.read_bytes(), page.locator(".fg-read .fg-read-bar > b").inner_text()
    desk.lab.command(page, "notebook:insert-cell-below")
    bound = page.evaluate(LABS)
    asked = [k for k in [*"abcmvrxyzn123456", "Shift+m"] if k.upper().replace("SHIFT+", "Shift ") in bound]
    assert len(asked) > 8, bound
    for key in asked:
        page.evaluate(LAST_CELL)
        page.evaluate("window.ran.length = 0")
        page.keyboard.press(key)
        page.wait_for_function("window.ran.length", timeout=10_000)
        assert set(page.evaluate("window.ran")) & set(bound[key.upper().replace("SHIFT+", "Shift ")]), key
    for key in "dgpqtu":
        page.evaluate(LAST_CELL)
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert desk.journal.read_bytes() == lines
    assert page.locator(".fg-read .fg-read-bar > b").inner_text() == shown
    print(
        f"{len(PRESSED)} keys in {len(FRAMES)} frames and their fields ran no command of Lab; {len(asked)} keys of Lab ran on a cell"
    )
    watched.check_clean()


# The keys that Lab binds on a cell in command mode, alone, and the commands of each.
LABS = """(() => {
    const found = {};
    for (const b of window.jupyterapp.commands.keyBindings)
        if (b.keys.length === 1 && b.selector.includes("jp-Notebook") && /^(Shift )?[A-Z0-9]$/.test(b.keys[0])) (found[b.keys[0]] ??= []).push(b.command);
    return found;
})()"""
LAST_CELL = """(() => {
    const book = window.jupyterapp.shell.currentWidget.content;
    if (book.widgets.length < 2) window.jupyterapp.commands.execute("notebook:insert-cell-below");
    book.activeCellIndex = book.widgets.length - 1;
    book.mode = "command";
    book.activeCell.node.focus();
    if (!book.node.contains(document.activeElement) || document.activeElement.closest(".fg")) book.node.focus();
})()"""


def kill_and_tag(desk: Desk, page: Page, times: int, seed: int) -> None:
    """Tag while the kernel is killed at a random moment, again and again: what was shown as done is in the journal."""
    pick, done = random.Random(seed), set()
    desk.show(page, "ana")
    for _ in range(times):
        page.evaluate(WATCH)
        caps = list(keys(page).values())
        killed = threading.Event()
        pid = desk.kernel()
        (desk.root / "kernel").unlink()

        def kill(pid: int = pid, killed: threading.Event = killed) -> None:
            os.kill(pid, signal.SIGKILL)
            killed.set()

        timer = threading.Timer(pick.uniform(0.0, 1.5), kill)
        while not killed.is_set():
            page.keyboard.press(pick.choice([*caps, *caps, "n", "p", "u", "Enter"]))
            if not timer.ident and page.evaluate("shownAsDone.length"):
                timer.start()
        for _ in range(3):
            page.keyboard.press(pick.choice(caps))
        page.wait_for_timeout(300)
        shown = page.evaluate("window.shownAsDone")
        lines = {(s, f, {True: "yes", False: "no"}.get(v)) for s, f, v in desk.tags()}
        assert {tuple(s) for s in shown} <= lines
        done |= {tuple(s) for s in shown}
        restart(desk, page)
    assert done <= {(s, f, {True: "yes", False: "no"}.get(v)) for s, f, v in desk.tags()}
    for line in desk.journal.read_text().splitlines():
        json.loads(line)


def restart(desk: Desk, page: Page) -> None:
    """Give the notebook a new kernel, as a person does (Jupyter gives up after five), say OK to what Lab asks, and run it."""
    change = "window.jupyterapp.shell.currentWidget.sessionContext.changeKernel({ name: 'python3' })"
    # Jupyter may just be restarting the killed kernel by itself, and answers 500 then
    again = f"{change}.catch(() => new Promise((done) => setTimeout(done, 2000)).then(() => {change}))"
    page.evaluate(f"{again}.then(() => null)")
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
    page.wait_for_function(f"{kernel}?.status === 'idle' && {kernel}.connectionStatus === 'connected'", timeout=60_000)
    button = page.locator(".jp-Dialog button.jp-mod-accept")
    while button.count():
        button.first.click()
        page.wait_for_timeout(100)
    desk.lab.command(page, "notebook:clear-all-cell-outputs")
    page.locator(".fg-tag").wait_for(state="detached")
    desk.run(page)


@pytest.mark.verify
def test_fifty_killed_kernels_take_nothing_that_was_shown_as_done(desk, watched):
    kill_and_tag(desk, watched.page, 50, seed=2)
    assert watched.outside == []


def test_what_is_tagged_into_a_dead_kernel_is_never_shown_as_done(desk, watched):
    page = watched.page
    desk.show(page, "ana")
    os.kill(desk.kernel(), signal.SIGKILL)
    page.keyboard.press(keys(page)["foreach"])
    expect(row(page, "foreach")).to_have_attribute("data-pending", "yes")
    expect(page.locator(".fg-tag-disk")).to_contain_text("kernel busy or gone: 1 not on disk", timeout=10_000)
    expect(row(page, "foreach")).to_have_attribute("data-done", "")
    page.locator(".jp-Dialog button.jp-mod-accept").first.click(timeout=60_000)
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    n = page.evaluate(cells)
    page.locator(".fg-tag").focus()
    for key in "bxadd":
        page.keyboard.press(key)
    assert page.evaluate(cells) == n, "Lab did not take the keys for its own"
    expect(page.locator(".fg-tag-disk")).to_contain_text("not on disk")
    assert desk.tags() == []


def test_two_people_at_once_lose_nothing_and_see_where_they_differ(desk, watched, browser: Browser):
    ana = watched.page
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    ben = context.new_page()
    ben.set_default_timeout(30_000)
    try:
        desk.show(ana, "ana")
        desk.show(ben, "ben")
        caps = list(keys(ana).values())
        for key in caps[:20]:
            ana.keyboard.press(key)
            ben.keyboard.press(f"Shift+{key}" if key == caps[0] else key)
        for page in (ana, ben):
            all_on_disk(page)
        tags = load_journal(desk.journal).tags
        assert sorted((t.by, t.feature) for t in tags) == sorted(
            (by, f) for by in ("ana", "ben") for f in list(keys(ana))[:20]
        )
        for by in ("ana", "ben"):
            assert [t.feature for t in tags if t.by == by] == list(keys(ana))[:20], "in the order of the keys"
        for page in (ana, ben):
            expect(page.locator(".fg-tag-people summary")).to_contain_text("1 in conflict")
            expect(page.locator(".fg-tag-conflict")).to_have_count(1)
            expect(page.locator(".fg-tag-people summary")).to_contain_text(
                "20 cells judged by two or more: 95.0% the same"
            )
        expect(row(ana, next(iter(keys(ana))))).to_contain_text("ben no")
        ana.keyboard.press("+")
        fill_form(ana, "Two people", "Difficult", "Both see it.")
        expect(row(ben, "two_people")).to_be_visible()
        ana.locator(".fg-tag-people summary").click()
        ana.keyboard.press("n")
        ana.locator(".fg-tag-conflicts button").first.click()
        expect(ana.locator(".fg-tag-sample header b")).to_have_text(tags[0].sample_id)
    finally:
        context.close()
    watched.check_clean()


def fill_form(page: Page, title: str, theme: str, description: str, name: str = "") -> None:
    for label, text in (("Title", title), ("Theme", theme), ("Meaning", description), ("Name", name)):
        if text:
            page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Add feature").click()


def test_everything_by_keyboard(desk, watched):
    page = watched.page
    desk.show(page, "ana")
    first, caps = shown_id(page), keys(page)
    page.keyboard.press(caps["foreach"])
    expect(row(page, "foreach")).to_have_attribute("data-done", "yes")
    page.keyboard.press(caps["foreach"])
    expect(row(page, "foreach")).to_have_attribute("data-done", "no")
    page.keyboard.press("u")
    expect(row(page, "foreach")).to_have_attribute("data-done", "yes")
    page.keyboard.press("u")
    expect(row(page, "foreach")).to_have_attribute("data-done", "")
    all_on_disk(page)
    assert [v for *_, v in desk.tags()] == [True, False, True, None]
    page.keyboard.press("/")
    page.keyboard.type("ambig")
    expect(page.locator(".fg-tag-row:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(row(page, "ambiguous")).to_have_attribute("data-done", "yes")
    page.keyboard.press("+")
    page.keyboard.type("VIP caller")
    expect(page.get_by_label("Name", exact=True)).to_have_value("vip_caller")
    page.get_by_label("Theme", exact=True).fill("Difficult")
    page.get_by_label("Meaning", exact=True).fill("A VIP calls.")
    page.keyboard.press("Enter")
    expect(row(page, "vip_caller")).to_be_visible()
    assert {f: k for f, k in keys(page).items() if f != "vip_caller"} == caps, "no key changed"
    page.keyboard.press(keys(page)["vip_caller"])
    expect(row(page, "vip_caller")).to_have_attribute("data-done", "yes")
    assert 'name = "vip_caller"' in (desk.root / "feature_matrices" / "features.toml").read_text()
    n = len(desk.tags())
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".fg-tag-armed")).to_contain_text("again: ")
    all_on_disk(page)
    assert len(desk.tags()) == n, "the first Enter writes nothing, and Lab's Shift+Enter never does"
    page.keyboard.press("Enter")
    rest = page.get_by_role("button", name="no to")
    rest.click()
    page.locator(".fg-tag-armed").click()
    all_on_disk(page)
    expect(page.locator(".fg-tag-row[data-done='']")).to_have_count(0)
    page.get_by_label("Note", exact=True).fill("odd one")
    page.keyboard.press("Enter")
    all_on_disk(page)
    assert load_journal(desk.journal).tags[-1].note == "odd one"
    page.keyboard.press("n")
    expect(page.locator(".fg-tag-sample header b")).not_to_have_text(first)
    expect(page.locator(".fg-tag-head")).to_contain_text("1 of 108 judged")
    page.keyboard.press("p")
    expect(page.get_by_label("Note", exact=True)).to_have_value("odd one")
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    n = page.evaluate(cells)
    page.locator(".fg-tag-flow").click()
    for key in "bxadd":
        page.keyboard.press(key)
    assert page.evaluate(cells) == n, "Lab did not take the keys for its own"
    watched.check_clean()


EVIL = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>\u202e😀' + "w" * 10_000


def test_a_feature_that_says_when_is_looked_for_in_every_sample_at_once(desk, watched):
    page = watched.page
    desk.show(page, "ana")
    page.keyboard.press("+")
    page.get_by_label("When", exact=True).fill("step:send_sms & gpt-4o < 40")
    fill_form(page, "Text message", "Common", "A step sends a text message.")
    expect(page.locator(".fg-tag-form [role=alert]")).to_contain_text(
        "says gpt-4o < 40, which is not of the expected flow"
    )
    page.get_by_label("When", exact=True).fill("step:send_sms")
    page.keyboard.press("Enter")
    expect(page.locator(".fg-tag-strip")).to_contain_text("Text message")
    assert 'when = "step:send_sms"' in (desk.root / "feature_matrices" / "features.toml").read_text()
    watched.check_clean()


def test_hostile_text_stays_text(desk, watched):
    page = watched.page
    path = desk.root / "datasets" / "test.jsonl"
    samples = load_samples(path)[:3]
    flow = samples[0].expected[0]
    flow.components[0].name = flow.components[0].annotation = EVIL
    samples[0].requirement = EVIL
    save_samples(path, samples)
    desk.show(page, "ana")
    page.keyboard.press("+")
    fill_form(page, EVIL[:300], EVIL[:120], EVIL, name="hostile")
    expect(row(page, "hostile")).to_be_visible()
    page.get_by_label("Note", exact=True).fill(EVIL)
    page.keyboard.press("Enter")
    all_on_disk(page)
    page.keyboard.press("u")
    page.keyboard.press(keys(page)["hostile"])
    expect(row(page, "hostile")).to_have_attribute("data-done", "yes")
    assert page.locator(".fg-tag img, .fg-tag script").count() == 0
    assert page.evaluate("window.hacked") is None
    assert page.evaluate(
        "document.querySelector('.fg-tag').scrollWidth <= document.querySelector('.fg-tag').clientWidth"
    )
    watched.check_clean()


def test_rating_is_blind_and_takes_up_where_it_stopped(desk, watched):
    page = watched.page
    told: list[str] = []
    desk.show(page, "ana", RATER)
    names = [p.stem for p in (desk.root / "runs" / "test").iterdir()]
    for i, key in enumerate("07x"):
        page.keyboard.press(key)
        expect(page.locator(".fg-tag-disk")).to_have_text(f"on disk, line {i + 1}")
        told.append(page.locator(".fg-tag").evaluate("n => n.outerHTML"))
    lines = [json.loads(x) for x in (desk.root / "ratings" / "test.jsonl").read_text().splitlines()]
    assert [x["score"] for x in lines] == [0, 7, 10]
    assert {x["model"] for x in lines} <= set(names)
    assert not [name for name in names for html in told if name in html]
    page.keyboard.press("p")
    expect(page.get_by_role("radio", checked=True)).to_have_attribute("data-score", "10")
    desk.lab.command(page, "notebook:clear-all-cell-outputs")
    page.locator(".fg-tag").wait_for(state="detached")
    desk.run(page)
    expect(page.locator(".fg-tag-head")).to_contain_text("3 of 8 rated")
    watched.check_clean()
