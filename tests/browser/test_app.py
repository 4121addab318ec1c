"""`flowgen app`: the workbench as one page, in a real browser."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab, Watched, running_app
from playwright.sync_api import expect

sys.path.append(str(Path(__file__).parents[1]))
from hostile import EVIL, hostile

from flowgen_analysis.app import HOVERS
from flowgen_analysis.flows.dataset import save_run, save_samples
from flowgen_analysis.project import Project, init_project

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="module")
def opened(app: Lab, desk_page: Watched) -> Watched:
    """The app in a page: each that opens it starts a kernel, which takes seconds."""
    open_app(app, desk_page)
    return desk_page


def open_app(app: Lab, watched: Watched) -> None:
    watched.page.goto(f"{app.url}/?token={app.token}")
    watched.page.wait_for_selector(".fg-tab", timeout=60_000)


def tab(watched: Watched, name: str) -> None:
    watched.page.click(f'.fg-tab:text-is("{name}")')


def test_nobody_is_let_in_without_the_token(app: Lab):
    for query in ("", "?token=wrong"):
        page = urllib.request.Request(f"{app.url}/{query}")
        try:
            with urllib.request.urlopen(page, timeout=20) as answer:
                url, text = answer.url, answer.read().decode()
        except urllib.error.HTTPError as e:
            url, text = f"login {e.code}", ""
        assert "login" in url
        assert "fg-tab" not in text


def test_one_slice_holds_in_every_tab_and_in_the_address(opened: Watched):
    watched = opened.start()
    page = watched.page
    tab(watched, "Discover")
    page.wait_for_selector(".fg-answer .fg-empty:has-text('nothing stands out from chance')")
    page.locator(".fg-board [data-slice=foreach]").click()
    field = page.locator("input.fg-slice")
    expect(field).to_have_value("foreach")
    page.locator(".fg-board [data-slice=log]").click(modifiers=["Alt"])
    expect(field).to_have_value("foreach & ~log")
    tab(watched, "Causes")
    page.wait_for_selector(".fg-answer h3:has-text('What repair is worth')")
    tab(watched, "Compare")
    page.wait_for_selector('.fg-answer .fg-link:has-text("The slice: foreach & ~log")')
    page.locator(".fg-answer .fg-link[data-sample]:visible").first.click()
    page.wait_for_selector('.fg-tab[aria-selected="true"]:text-is("Slices")')
    page.wait_for_selector(".fg-sample:visible")
    far = page.url
    assert "token" not in far
    for _ in range(3):  # out of the sample, out of Compare, out of Causes
        page.go_back()
    page.wait_for_selector('.fg-tab[aria-selected="true"]:text-is("Discover")')
    page.go_back()
    expect(field).to_have_value("foreach")
    page.goto(f"{page.url.partition('#')[0]}?again#{far.partition('#')[2]}")  # the same link in a page of its own
    page.wait_for_selector(".fg-sample:visible", timeout=60_000)
    expect(field).to_have_value("foreach & ~log")
    watched.check_clean()


def test_tabs_are_reached_by_keys(opened: Watched):
    watched = opened.start()
    page = watched.page
    page.locator(".fg-tab").first.click()
    page.focus('.fg-tab[aria-selected="true"]')
    for name in ("Slices", "Compare"):
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f'.fg-tab[aria-selected="true"]:text-is("{name}")')
    page.keyboard.press("End")
    page.wait_for_selector('.fg-tab[aria-selected="true"]:text-is("Report")')
    watched.check_clean()


def test_a_tag_says_who_made_it(app: Lab, opened: Watched):
    watched = opened.start()
    page = watched.page
    tab(watched, "Tag")
    page.get_by_label("Your name").fill("Ada")
    page.keyboard.press("Tab")
    page.click('.fg-press:text-is("Tag")')
    page.locator(".fg-read-note").focus()
    page.keyboard.type("no step\nat all")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.keyboard.type("Too short")
    page.keyboard.press("Enter")
    page.locator(".fg-read-code[data-done=yes]").wait_for()
    journal = app.root / "feature_matrices" / "test.journal.jsonl"
    note, made, said = (json.loads(line) for line in journal.read_text().splitlines()[-3:])
    assert [x["by"] for x in (note, made, said)] == ["Ada"] * 3
    assert (note["note"], made["feature"], said["feature"]) == ("no step\nat all", "too_short", "too_short")
    assert note["model"] == said["model"]
    assert said["queue"].startswith("worst ")
    page.keyboard.press("n")
    page.locator(".fg-read-bar", has_text="2 of ").wait_for()
    watched.check_clean()


@pytest.mark.verify
def test_hostile_text_is_text_in_every_tab(tmp_path: Path, watched: Watched):
    root = tmp_path / "project"
    init_project(root)
    project, rows = Project(root), [hostile(f"{EVIL}{i}") for i in range(8)]
    save_samples(project.dataset_path("hostile"), [sample for sample, _ in rows])
    for i in range(3):
        made = [every[i].model_copy(update={"model": f"{EVIL}{i}"}) for _, every in rows]
        save_run(project.run_path("hostile", f"m{i}"), made)
    asked = []
    watched.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    with running_app(tmp_path, root) as app:
        open_app(app, watched)
        for name in HOVERS:
            tab(watched, name)
            watched.page.wait_for_timeout(400)
            assert watched.page.locator(".fg-workbench img, .fg-workbench script, .fg-workbench b > b").count() == 0
            assert watched.page.locator(".fg-sheet:visible pre.fg-raw").count() == 0, watched.page.inner_text("body")
        tab(watched, "Slices")
        watched.page.locator(".fg-row").first.click()
        watched.page.wait_for_selector(".fg-sample:visible")
        watched.page.wait_for_timeout(800)
    assert asked == []
    watched.check_clean()
