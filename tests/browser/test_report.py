"""The report in a real browser: from a file, without a network, whatever is in the data, and for everybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import check_axe, copy_project
from playwright.sync_api import Browser, Page

from flowgen_analysis import Workbench
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import save_samples
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.project import Project, init_project

pytestmark = pytest.mark.browser

SCRIPT = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\"'><svg onload=window.hit=1></title></style></script>"
HOSTILE = [
    SCRIPT,
    "javascript:window.hit=1",
    "{{7*7}}{% raw %}",
    "\u202eright to left",
    "🙂" * 50,
    "W" * 10_000,
    "</script><!--",
    "`${window.hit=1}`",
]


class Opened(NamedTuple):
    """A report in a page, what the page logged as errors or warnings, and every request beyond the file."""

    page: Page
    errors: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "project"
    folder.mkdir()
    copy_project(folder)
    return folder


@pytest.fixture
def opened(browser: Browser, request) -> Iterator:
    contexts = []

    def open_report(path: Path, scheme: str = "light", width: int = 1280) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        found = Opened(page, [], [])
        page.on("console", lambda m: found.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: found.errors.append(str(e)))
        page.on(
            "request",
            lambda r: None if r.url == path.as_uri() or r.url.startswith("data:") else found.requests.append(r.url),
        )
        page.goto(path.as_uri())
        return found

    yield open_report
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(project: Path) -> Path:
    return Workbench.open(project, "test").report(project / "reports" / "test.html", date="2026-11-20", samples=4)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_it_opens_from_a_file_without_a_network(opened, report, scheme, width):
    found = opened(report, scheme, width)
    charts = found.page.locator(".chart")
    found.page.locator(".chart svg:visible").first.wait_for()
    assert charts.count() >= 5
    assert found.page.locator(".chart:has(svg)").count() == charts.count()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.page.locator("details summary").first.click()
    assert found.page.locator("details[open]").count() >= 1
    assert (found.errors, found.requests) == ([], [])


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.verify)])
def test_axe_finds_nothing_serious(opened, report, scheme):
    found = opened(report, scheme)
    found.page.locator(".chart svg:visible").first.wait_for()
    found.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    check_axe(Axe().run(found.page))


def test_text_can_be_read_in_the_dark(opened, report):
    """What may differ between the schemes is the contrast; samples and notes are folded here."""
    found = opened(report, "dark")
    found.page.locator(".chart svg:visible").first.wait_for()
    check_axe(Axe().run(found.page, options={"runOnly": ["color-contrast"]}))


def test_every_table_has_a_caption_and_scoped_headers(opened, report):
    page = opened(report).page
    tables = page.locator("main table")
    assert tables.count() > 10
    assert page.locator("main table:not(:has(caption))").count() == 0
    assert page.locator("main th:not([scope])").count() == 0
    assert page.locator(".chart svg:not([aria-label])").count() == 0


def hostile_flow(text: str) -> Flow:
    step = Step(
        name=text,
        annotation=text,
        step=1,
        inputs=[Input(name=text, value=text), Input(name="conditions", value=f"{text}={text}")],
    )
    return Flow(trigger=Trigger(type=text, annotation=text, inputs=[Input(name=text, value=text)]), components=[step])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A project in which every text that a person or a model writes would like to be a script."""
    folder = tmp_path_factory.mktemp("hostile")
    init_project(folder)
    registry = (
        (folder / "feature_matrices" / "features.toml")
        .read_text()
        .replace('title = "FOREACH"', "title = '''" + SCRIPT + "'''")
    )
    (folder / "feature_matrices" / "features.toml").write_text(registry)
    assert SCRIPT in [f.title for f in Registry.load(folder / "feature_matrices" / "features.toml").features]
    samples = [
        Sample(id=f"{text}-{i}", requirement=text, expected=[hostile_flow(text)], domain=text, environment=text)
        for i, text in enumerate(HOSTILE * 3)
    ]
    project = Project.open(folder)
    save_samples(project.dataset_path("bad"), samples)
    for model, other in ((SCRIPT, HOSTILE[1]), ("m" + SCRIPT, HOSTILE[0])):
        rows = [
            Generation(sample_id=s.id, model=model, generated=hostile_flow(other) if i % 3 else None, error=SCRIPT, raw=SCRIPT, made={"note": SCRIPT, SCRIPT: SCRIPT, "endpoint_model": SCRIPT, "prompts": {SCRIPT: SCRIPT}})
            for i, s in enumerate(samples)
        ]  # fmt: skip
        project.save_run("bad", model, rows)
    wb = Workbench.open(folder, "bad")
    wb.keep("slice", SCRIPT, SCRIPT + f"\n\n[x](javascript:window.hit=1) ![x](https://example.org/x.png)\n\n{SCRIPT}")
    return wb.report(folder / "reports" / "bad.html", title=SCRIPT, samples=30)


def test_hostile_text_is_text(opened, hostile):
    found = opened(hostile)
    page = found.page
    page.locator(".chart svg:visible").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    assert page.locator("body img, body iframe, body object, body svg[onload]").count() == 0
    kinds = page.locator("script").evaluate_all("all => all.map(s => s.type)")
    assert kinds == ["application/json"], "what the report carries, and nothing that runs"
    assert (
        page.evaluate(
            "[...document.querySelectorAll('*')].filter(n => [...n.attributes].some(a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value) && a.name !== 'title')).length"
        )
        == 0
    )
    assert page.locator("h1").inner_text() == SCRIPT
    assert page.locator("main article").count() > 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert (found.errors, found.requests) == ([], [])
