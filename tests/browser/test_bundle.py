"""The workbench as files: opened from disk in a real browser, without Python behind it."""

import pytest
from conftest import new_project

from flowgen_analysis.baselines import make_baselines
from flowgen_analysis.project import Project
from flowgen_analysis.study import Study, open_study
from flowgen_analysis.widgets.bundle import write_bundle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    root = new_project(tmp_path_factory.mktemp("bundled"))
    make_baselines(Project(root), "test", ["nearest", "rules"])
    return open_study("test", root=root)


def test_a_bundle_opens_from_disk(study, browser, tmp_path):
    page_file = write_bundle(study, tmp_path / "bundle", title="Who <b>fails</b>?")
    assert sum(f.stat().st_size for f in page_file.parent.iterdir()) < 2_000_000
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda e: wrong.append(str(e)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.goto(page_file.as_uri())
    page.wait_for_selector(".fg-row")
    assert page.locator("h1").inner_text() == "Who <b>fails</b>?"
    assert study.verdict()[0] in page.locator("#sheet").inner_text().replace("\n", " ")

    worst = study.index("inputs").samples[int(study.index("inputs").scores.mean(axis=1).argmin())]
    assert page.locator(".fg-row").first.inner_text().startswith(worst)
    page.locator(".fg-row").first.click()
    page.wait_for_selector(".fg-sample .fd-line")
    assert page.locator(".fg-sample header b").inner_text() == worst
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.fg-sample header .fg-hint').textContent === '2 of 108'")
    page.keyboard.press("Escape")

    page.select_option("#sheet select", label=f"What {study.models[0]} fails at")
    link = page.locator("#sheet [data-slice='foreach']").first
    link.click()
    page.wait_for_selector(f".fg-bundle-chips:has-text('{len(study.index('inputs').members('foreach'))} of 108')")
    page.fill("input[type=search]", "email")
    page.wait_for_function("!document.querySelector('.fg-bundle-chips').textContent.includes('22 of')")
    assert wrong == []


def test_a_folder_without_its_files_says_so(study, browser, tmp_path):
    write_bundle(study, tmp_path / "bundle")
    (tmp_path / "bundle" / "list.js").unlink()
    page = browser.new_page()
    page.goto((tmp_path / "bundle" / "index.html").as_uri())
    page.wait_for_selector("#problem:has-text('list.js is missing beside this page')")
