"""Remake the pictures of the docs, and those that stand in notebooks in place of widgets: `make pictures`."""

import base64
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conftest import ROOT, Lab, running_app, running_browser, running_lab
from playwright.sync_api import Browser, Locator, Page

PICTURES = ROOT / "docs" / "pictures"
WIDE, HIGH = 1280, 900
NOTEBOOK_BYTES = 95_000  # a notebook stays under 100 KB, its pictures with it
WIDGET = ".jp-OutputArea-output :is(.jupyter-widgets, .fg-chart)"
NOTEBOOKS = ("nbs/workbench.ipynb", *(f"nbs/tutorials/{name}.ipynb" for name in ("first_hour", "tag_a_feature")))


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with running_browser() as browser, tempfile.TemporaryDirectory() as home:
        with running_app(Path(home) / "app") as app:
            page = browser.new_page(viewport={"width": WIDE, "height": HIGH})
            page.goto(f"{app.url}/?token={app.token}")
            of_the_app(page)
        with running_lab(Path(home) / "lab") as lab:
            for name in NOTEBOOKS:
                in_notebook(browser, lab, name)


def of_the_app(page: Page) -> None:
    """A picture a tab, and one of an open sample."""
    page.wait_for_selector(".fg-tab", timeout=60_000)
    for name in page.locator(".fg-tab").all_inner_texts():
        page.click(f'.fg-tab:text-is("{name}")')
        page.wait_for_timeout(2_500)
        if name == "Slices":
            explorer(page)
        elif name == "Tag":
            page.get_by_label("Your name").fill("ana")
            page.keyboard.press("Tab")
            page.click('.fg-press:text-is("Tag")')
            page.wait_for_selector(".fg-tagger")
            page.wait_for_timeout(1_500)
        elif name == "Generate":
            page.locator("textarea").fill("When an incident with priority 1 is created, look up the open changes on its CI and email each assignee.")  # fmt: skip
            page.keyboard.press("Tab")
            page.locator("label:visible:has-text('Model') select").nth(1).select_option("rules")
            page.click('.fg-press:text-is("Generate")')
            page.wait_for_selector(".fg-sheet .fg-flow", timeout=30_000)
            page.wait_for_timeout(1_500)
        save(page, name.lower())


def explorer(page: Page) -> None:
    """The heatmap, then a sample."""
    page.get_by_role("tab", name="Features").click()
    page.wait_for_timeout(1_000)
    save(page, "heatmap")
    page.get_by_role("tab", name="Samples").click()
    page.get_by_role("radio", name="STRUCTURE").click()
    page.locator(".fg-row").nth(3).click()
    sample = page.get_by_role("region", name="Sample")
    sample.wait_for()
    page.wait_for_timeout(1_000)
    sample.screenshot(path=PICTURES / "sample.png")
    page.get_by_role("button", name="Close").click()
    page.locator("button:visible:text-is('Reset')").click()
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(500)


def save(page: Page, name: str) -> None:
    """What the window shows."""
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def in_notebook(browser: Browser, lab: Lab, name: str) -> None:
    """Run a notebook of ours in JupyterLab and put a picture of each widget into the place of its output."""
    path = lab.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((ROOT / name).read_bytes())
    page = browser.new_page(viewport={"width": 1100, "height": 4_000})
    lab.open(page, name)
    lab.command(page, "application:toggle-left-area")
    lab.command(page, "notebook:run-all-cells")
    page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
    page.wait_for_timeout(8_000)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    widgets = {i: cells.nth(i).locator(WIDGET).first for i in range(cells.count())}
    shown = {i: widget for i, widget in widgets.items() if widget.count()}
    notebook = json.loads((ROOT / name).read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for quality, high in ((70, 640), (45, 640), (45, 420), (30, 300)):
        for i, widget in shown.items():
            code[i]["outputs"] = [picture(page, widget, quality, high)]
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if len(text.encode()) < NOTEBOOK_BYTES:
            (ROOT / name).write_text(text, encoding="utf-8")
            print(f"{name}: {len(shown)} pictures, quality {quality}, up to {high} high")
            break
    else:
        print(
            f"{name}: its pictures do not fit into {NOTEBOOK_BYTES:,} bytes; its widgets show nothing until they are run"
        )
    page.close()


def picture(page: Page, widget: Locator, quality: int, most: int) -> dict[str, object]:
    """An output that shows what the widget looks like, its top where it is long."""
    widget.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = widget.bounding_box()
    assert box is not None
    top, high = max(box["y"], 0), min(box["height"], most)
    clip = {"x": box["x"], "y": top, "width": box["width"], "height": high}
    image = page.screenshot(type="jpeg", quality=quality, clip=clip)  # type: ignore[arg-type]
    plain: Sequence[str] = ["a picture; run the cell to use it"]
    data = {"image/jpeg": base64.b64encode(image).decode(), "text/plain": plain}
    return {"output_type": "display_data", "data": data, "metadata": {}}


if __name__ == "__main__":
    main()
