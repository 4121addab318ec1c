"""How long a flow diff takes, from two flows to what the browser has drawn. Prints; asserts nothing about time.

    python benchmarks/flow_diff.py [--nodes 60 1000] [--models 1 3] [--times 7]

Needs Chromium, as the browser tests do. Python: `flow_diff`. Browser: the text parsed, set into the page and laid out (what a
panel does with it), and until the second frame after that, which is on screen.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "browser"))
from conftest import running_browser

from flowgen_analysis.figures.flow_diff.diff import flow_diff
from flowgen_analysis.figures.style import stylesheet
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.scoring.tree import places

ACTIONS = ("look_up_records", "update_record", "send_email", "create_record", "log")
TABLES = ("incident", "problem", "task", "change_request")
DRAW = """([html]) => new Promise((done) => {
    const body = document.querySelector('.fg'), start = performance.now();
    body.replaceChildren(...new DOMParser().parseFromString(html, 'text/html').body.childNodes);
    body.offsetHeight;
    const laid = performance.now() - start;
    requestAnimationFrame(() => requestAnimationFrame(() => done([laid, performance.now() - start])));
})"""


def flow_of(nodes: int, seed: int = 0) -> Flow:
    """A flow with at least so many nodes in its tree, blocks up to three deep."""
    dice, steps, open_blocks = random.Random(seed), [], []
    flow = Flow(trigger=Trigger(type="daily", annotation="Every day", inputs=[Input(name="time", value="08:00:00")]))
    while len(places(flow)) < nodes:
        number = len(steps) + 1
        if open_blocks and dice.random() < 0.3:
            open_blocks.pop()
        logic = len(open_blocks) < 3 and dice.random() < 0.2
        inputs = [
            Input(name="table", value=dice.choice(TABLES)),
            Input(name="conditions", value=f"active=true^priority={dice.randint(1, 5)}"),
        ]
        block = open_blocks[-1] if open_blocks else None
        name = "FOREACH" if logic else dice.choice(ACTIONS)
        steps.append(Step(name=name, annotation=f"do thing {number} with it", step=number, block=block, inputs=inputs))
        if logic:
            open_blocks.append(number)
        flow = flow.model_copy(update={"components": steps})
    return flow


def worse(flow: Flow, seed: int) -> Flow:
    """The flow with about a third of its values changed and a tenth of its plain steps gone."""
    dice, found = random.Random(seed), flow.model_copy(deep=True)
    found.components = [s for s in found.components if s.is_logic or dice.random() > 0.1]
    for step in found.components:
        if dice.random() < 0.33:
            step.inputs[0].value = dice.choice(TABLES)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[60, 1000])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--times", type=int, default=7)
    args = parser.parse_args()
    print(
        f"{'nodes':>6} {'steps':>6} {'models':>7} {'python ms':>10} {'laid out ms':>12} {'on screen ms':>13} {'sum ms':>8} {'KB':>7}"
    )
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_content(f"<style>{stylesheet()}</style><div class='fg'></div>")
        for nodes in args.nodes:
            expected = flow_of(nodes)
            sample = Sample(
                id="s", requirement=" ".join(s.annotation for s in expected.components), expected=[expected]
            )
            for count in args.models:
                models = [f"model {i}" for i in range(count)]
                made = [Generation(sample_id="s", model=m, generated=worse(expected, i)) for i, m in enumerate(models)]
                html, python, laid, seen = flow_diff(sample, made, models), [], [], []
                for _ in range(args.times):
                    start = time.perf_counter()
                    html = flow_diff(sample, made, models)
                    python.append(1000 * (time.perf_counter() - start))
                    a, b = page.evaluate(DRAW, [html])
                    laid.append(a)
                    seen.append(b)
                p, a, b = map(statistics.median, (python, laid, seen))
                row = f"{len(places(expected)):6} {len(expected.components):6} {count:7} {p:10.1f} {a:12.1f} {b:13.1f} {p + b:8.1f}"
                print(f"{row} {len(html) / 1000:7.0f}")


if __name__ == "__main__":
    main()
