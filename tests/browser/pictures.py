"""Remake the pictures of the docs from the workbench notebook in a real JupyterLab: `make pictures`."""

import tempfile
from pathlib import Path

from conftest import ROOT, running_browser, running_lab
from playwright.sync_api import Page

PICTURES = ROOT / "docs" / "pictures"


def picture(page: Page, name: str, selector: str) -> None:
    """What the window shows with the element at its top."""
    page.locator(selector).first.evaluate("node => node.scrollIntoView({ block: 'start' })")
    page.wait_for_timeout(800)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home)) as lab, running_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        lab.open(page)
        lab.command(page, "application:toggle-left-area")
        lab.command(page, "notebook:run-all-cells")
        page.locator(".fg-row").first.wait_for(timeout=60_000)
        picture(page, "overview", ".fg-chart")
        picture(page, "explorer", ".fg-explorer")
        page.get_by_role("radio", name="STRUCTURE").click()
        page.locator(".fg-row").nth(3).click()
        page.get_by_role("region", name="Sample").wait_for()
        picture(page, "sample", "[aria-label=Sample]")


if __name__ == "__main__":
    main()
