"""How long after a click the explorer shows the new numbers, in a real browser: TEST, and 100,000 samples x 24 features x 6 models."""

import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from conftest import Lab, running_browser, running_lab  # noqa: E402
from playwright.sync_api import Page  # noqa: E402

CLICKS = 40
TEST = """
from flowgen_analysis import Workbench
explorer = Workbench.open("..").explorer()
explorer
"""
LARGE = """
from pathlib import Path
import numpy as np, polars as pl
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.model import Flow, Sample, Step
from flowgen_analysis.scoring.scores import Scores
from flowgen_analysis.study import Study
from flowgen_analysis.widgets.explorer.explorer import Explorer
rng, n, models = np.random.default_rng(0), 100_000, [f"model {i}" for i in range(6)]
registry = Registry.load(Path("../feature_matrices/features.toml"))
flows = [Flow(components=[Step(name="log", step=i + 1) for i in range(k)]) for k in range(1, 13)]
words = "Every Monday look up the incidents that are open for more than thirty days and close them".split()
samples = [
    Sample(id=f"s{i:06}", requirement=" ".join(words[: 4 + i % 13]), expected=[flows[i % 12]], domain=f"domain {i % 7}")
    for i in range(n)
]
ids = [s.id for s in samples]
present = {name: rng.random(n) < rng.uniform(0.05, 0.4) for name in registry.names}
frames = [
    pl.DataFrame({"sample_id": ids, "model": m, "repeat": 0, "readable": True, "reason": "", "unparsed": 0, "structure_errors": rng.integers(0, 2, n)})
    .with_columns(*[pl.Series(k, rng.beta(6, 2 + i / 4, n)) for k in ("inputs", "outline", "inputs_validated", "outline_validated", "trigger_match", "step_overlap")])
    for i, m in enumerate(models)
]
scores = Scores(pl.concat(frames), pl.DataFrame({"model": [], "sample_id": []}, {"model": pl.String, "sample_id": pl.String}), n)
matrix = FeatureMatrix(pl.DataFrame({"sample_id": ids, **present}))
explorer = Explorer(Study("large", samples, [], registry, matrix, scores=scores))
explorer
"""
# From the click until the browser has painted the frame with the new count; what the screen says of it is drawn in one go.
MEASURE = """async ([clicks, tab]) => {
    const count = document.querySelector(".fg-count-of"), number = () => document.querySelector(".fg-num-in").textContent;
    const names = [...document.querySelectorAll("[data-feature]")].map((n) => n.dataset.feature), took = [];
    const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    for (let i = 0; i < clicks + 4; i++) {
        const row = document.querySelector(`[data-feature="${names[(i >> 1) % names.length]}"]`);
        const button = row.querySelector(`[aria-label="${i % 2 ? "any" : "has"}"]`);
        const start = performance.now();
        const changed = new Promise((done) => {
            const watch = new MutationObserver(() => { watch.disconnect(); done(); });
            watch.observe(count, { childList: true, characterData: true, subtree: true });
        });
        button.click();
        await changed;
        await painted();
        if (i >= 4) took.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 120));
    }
    return took;
}"""


def show(lab: Lab, page: Page, name: str, code: str) -> None:
    """Run `code` in a notebook, and wait for the explorer."""
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    text = json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    (lab.root / "nbs" / f"{name}.ipynb").write_text(text)
    lab.open(page, f"nbs/{name}.ipynb")
    lab.command(page, "notebook:run-all-cells")
    page.locator(".fg-row").first.wait_for(timeout=240_000)


def main() -> None:
    print(f"{'data':<28}{'table':<12}{'median':>9}{'90%':>9}{'worst':>9}   ms from click to painted numbers")
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home)) as lab, running_browser() as browser:
        for name, code in (("TEST", TEST), ("100,000 x 24 x 6", LARGE)):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            show(lab, page, name[:4].strip().replace(",", ""), code)
            for tab in ("Samples", "Features", "Slices"):
                page.get_by_role("tab", name=tab).click()
                page.wait_for_timeout(500)
                took = sorted(page.evaluate(MEASURE, [CLICKS, tab]))
                numbers = (statistics.median(took), took[int(0.9 * len(took))], took[-1])
                print(f"{name:<28}{tab:<12}" + "".join(f"{t:9.0f}" for t in numbers), flush=True)
            page.close()


if __name__ == "__main__":
    main()
