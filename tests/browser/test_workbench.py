"""The analyst's notebook in a real JupyterLab: everything that the workbench promises on screen."""

import pytest
from conftest import Lab, Watched
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def workbench(lab: Lab, watched: Watched) -> Watched:
    """The notebook after *run all*, with the explorer on screen."""
    lab.open(watched.page)
    lab.command(watched.page, "notebook:run-all-cells")
    watched.page.locator(".fg-row").first.wait_for(timeout=60_000)
    watched.page.locator(".fg-explorer").scroll_into_view_if_needed()
    return watched


def ids(page: Page) -> list[str]:
    """Ids of the samples on the list, from the top."""
    return page.locator(".fg-row").evaluate_all("rows => rows.map(r => r.dataset.sample)")


def count(page: Page) -> Locator:
    return page.locator(".fg-count-of")


def numbers(page: Page) -> list[str]:
    """What the chart of the explorer says in text."""
    page.locator(".fg-main .fg-chart .scatterlayer text").first.wait_for()
    return page.locator(".fg-main .fg-chart .scatterlayer text").all_text_contents()


def state(page: Page, feature: str, name: str) -> Locator:
    return page.locator(f"[data-feature={feature}]").get_by_role("radio", name=name, exact=True)


def test_a_subset_changes_numbers_and_samples(workbench):
    page = workbench.page
    before, all_numbers, all_ids = count(page).inner_text(), numbers(page), ids(page)
    assert before == f"{len(all_ids)} of {len(all_ids)}"
    assert all_numbers
    page.get_by_role("radio", name="STRUCTURE").click()
    expect(count(page)).not_to_have_text(before)
    expect(page.get_by_label("Slice")).to_have_value("foreach | parallel | try_catch")
    page.wait_for_function("n => document.querySelectorAll('.fg-row').length < n", arg=len(all_ids))
    assert count(page).inner_text() == f"{len(ids(page))} of {len(all_ids)}"
    assert set(ids(page)) < set(all_ids)
    page.wait_for_function(
        "n => !document.querySelector('.fg-main .fg-chart').textContent.includes(n)", arg=all_numbers[0]
    )
    means = [float(t) for t in page.locator(".fg-row .fg-mean").all_inner_texts()]
    assert means == sorted(means), "worst first"
    page.get_by_role("button", name="Reset").click()
    expect(count(page)).to_have_text(before)
    workbench.check_clean()


def test_features_and_text_are_one_state(workbench):
    page = workbench.page
    expected = page.locator("[data-feature=foreach] .fg-n").inner_text()
    state(page, "foreach", "has").click()
    expect(page.get_by_label("Slice")).to_have_value("foreach")
    expect(count(page)).to_contain_text(f"{expected} of")
    page.get_by_label("Slice").fill("foreach and not parallel")
    page.get_by_label("Slice").press("Enter")
    expect(state(page, "parallel", "lacks")).to_be_checked()
    expect(state(page, "foreach", "has")).to_be_checked()
    page.get_by_label("Slice").fill("foreach and (")
    page.get_by_label("Slice").press("Enter")
    expect(page.get_by_role("alert").filter(has_text="does not parse")).to_be_visible()
    expect(state(page, "parallel", "lacks")).to_be_checked()
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Slice")).to_have_value("")
    workbench.check_clean()


def test_an_empty_slice_offers_a_way_out(workbench):
    page = workbench.page
    page.get_by_label("Slice").fill("foreach & ~foreach")
    page.get_by_label("Slice").press("Enter")
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
    panels = view.locator(".fg-panel")
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


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_can_be_read_in_both_themes(workbench, lab, theme):
    page = workbench.page
    lab.command(page, "apputils:change-theme", theme=theme)
    page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=theme)
    for selector in (".fg-text", ".fg-id", ".fg-title", ".fg-facet .fg-n", ".fg-theme b", ".fg-count-of"):
        assert contrast(page.locator(f".fg-explorer {selector}").first) >= 4.5, selector
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
