"""The flow diff: its points are the loss, its lines are the alignment, and hostile text stays text."""

import html
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from hostile import EVIL, LOOP, hostile, made, step
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT, SHARED, examples, needs_shared
from strategies import flows

from flowgen_analysis.figures.flow_diff.common import MOST, common_causes
from flowgen_analysis.figures.flow_diff.diff import flow_diff
from flowgen_analysis.figures.flow_diff.heads import RAW
from flowgen_analysis.figures.flow_diff.labels import tenths
from flowgen_analysis.figures.flow_diff.lines import column, drawn, lines
from flowgen_analysis.figures.flow_diff.words import find_words
from flowgen_analysis.figures.style import percent
from flowgen_analysis.flows.dataset import Run, load_runs, load_samples
from flowgen_analysis.flows.model import Flow, Generation, Sample, Trigger
from flowgen_analysis.generation.baselines.generator import generate_run
from flowgen_analysis.generation.baselines.nearest import Nearest
from flowgen_analysis.generation.baselines.rules import Rules
from flowgen_analysis.scoring.edits import Script
from flowgen_analysis.scoring.flowsim import flowsim
from flowgen_analysis.scoring.loss import explain
from flowgen_analysis.scoring.options import Options, compared
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.scoring.tree import Kind

SAMPLES = load_samples(ROOT / "datasets/test.jsonl")
some = settings(max_examples=120, deadline=None)


class Tags(HTMLParser):
    """Every tag with its attributes, the text, and whether tags are closed in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("input", "br", "wbr", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def points(text: str) -> int:
    """The tenths of a point that all labels say."""
    return sum(map(int, re.findall(r'data-points="(\d+)"', text)))


def check_pair(expected: Flow, generated: Flow, inputs: bool) -> None:
    """The points are the loss; every step of both flows is on exactly one line; lines are the script's; HTML is sound."""
    sample = Sample(id="s", requirement="r", expected=[expected])
    text = flow_diff(sample, [Generation(sample_id="s", model="m", generated=generated)], ["m"], inputs=inputs)
    shown = re.search(r'fg-score"><b>([\d.]+)', text)[1]
    assert shown == percent(flowsim(expected, generated, inputs))
    assert points(text) == round(1000 - 10 * float(shown))
    assert Tags(text).open == []
    found = explain(expected, generated, inputs)
    assert found.script
    every = lines(drawn(expected, found.script.pair.expected), [column(generated, found)])
    assert Counter(x.expected.path for x in every if x.expected) == Counter(p for p, _ in expected.pieces())
    assert Counter(x.cells[0].step.path for x in every if x.cells[0].step) == Counter(p for p, _ in generated.pieces())
    pair = found.script.pair
    mates = {
        (pair.expected[e.expected_node].path, pair.generated[e.generated_node].path)
        for e in Script(compared([expected], generated, inputs)).edits
        if e.expected_node >= 0 and e.generated_node >= 0 and pair.expected[e.expected_node].kind == Kind.STEP
    }
    beside = {
        (x.expected.path, x.cells[0].step.path) for x in every if x.expected and x.cells[0].step and x.cells[0].mated
    }
    assert beside == mates
    nodes = [x.cells[0].step.node for x in every if x.cells[0].step and x.cells[0].step.node >= 0]
    assert nodes == sorted(nodes), "in reading order"
    if flowsim(expected, generated, inputs) == 1:
        assert not any(label for x in every for label in x.cells[0].labels if label.words != "in no block")
    assert all(at < x.end <= len(every) for at, x in enumerate(every))


@some
@given(flows(max_steps=7), flows(max_steps=7), st.booleans())
def test_any_two_flows(one, two, inputs):
    check_pair(one, two, inputs)


@pytest.mark.verify
def test_thousands_of_flows():
    settings(max_examples=3000, deadline=None)(
        given(flows(max_steps=11), flows(max_steps=11), st.booleans())(check_pair)
    )()


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_points_add_up(weights, loss):
    shares = [loss * w / sum(weights) for w in weights]
    found = tenths(shares, 1 - loss)
    assert sum(found) == round(1000 - 10 * float(percent(1 - loss)))
    assert all(abs(x - 1000 * s) <= 1 + 1e-6 for x, s in zip(found, shares, strict=True))


@pytest.fixture(scope="module")
def runs():
    return [Run(g.name, list(generate_run(g, SAMPLES))) for g in (Nearest(SAMPLES), Rules())]


def test_the_baselines(runs):
    by_id = {s.id: s for s in SAMPLES}
    for run in runs:
        for g in run.generations:
            if g.generated and by_id[g.sample_id].reference:
                check_pair(by_id[g.sample_id].reference, g.generated, True)
    models = [r.model for r in runs]
    for sample in SAMPLES[:: examples(3, 1)]:
        made = [g for r in runs for g in r.generations if g.sample_id == sample.id]
        text = flow_diff(sample, made, models)
        assert text == flow_diff(sample, made, models), "the same arguments, the same bytes"
        assert text.count('class="fd-head"') == len(models) + 1


def test_words_are_found():
    every = [(s.requirement, p.annotation) for s in SAMPLES for _, p in s.reference.pieces() if p.annotation]
    found = sum(bool(find_words(*pair)) for pair in every)
    assert found / len(every) > 0.98


@needs_shared
def test_real_runs():
    folder = SHARED / "real/homeassistant"
    samples = load_samples(folder / "samples.jsonl")
    runs = load_runs(sorted((folder / "runs").glob("*.jsonl")), samples)
    models = [r.model for r in runs]
    for sample in samples:
        made = [g for r in runs for g in r.generations if g.sample_id == sample.id]
        for g in made:
            if g.generated:
                check_pair(sample.reference, g.generated, True)
        text = flow_diff(sample, made, models)
        assert text.count("unreadable") >= sum(not g.readable for g in made if g.repeat == 0)
        assert f"of {len(made)}</b>" in text
        assert "+4 repeats" in text
        assert points(text) == sum(round(1000 - 10 * float(x)) for x in re.findall(r'fg-score"><b>([\d.]+)', text))


def test_what_models_have_in_common():
    without = Flow(trigger=Trigger(type="daily"), components=[*LOOP.components[:1], *LOOP.components[3:]])
    every = [made("a", without), made("b", without), made("c", LOOP), made("d", None, error="cut off")]
    found = common_causes(LOOP, every)
    said = [f"{c.count} of {c.of} {c.words}" for c in found]
    assert said[0] == "2 of 4 wrong trigger"
    assert "2 of 4 drop step 3 update_record" in said
    sample = Sample(id="s", requirement="r", expected=[LOOP])
    assert "2 of 4</b>" in flow_diff(sample, every, ["c"]), "counted over all, not only those on show"
    assert flow_diff(sample, every, ["c"]).count("<li data-steps") <= MOST


def test_several_expected_flows_and_repeats():
    other = Flow(trigger=Trigger(type="daily"), components=LOOP.components[:1])
    sample = Sample(id="s", requirement="r", expected=[LOOP, other])
    every = [made("a", other), made("a", LOOP, repeat=2), made("a", None, repeat=1)]
    text = flow_diff(sample, every, ["a"])
    assert "of 2 expected flows the first, as scored" in text
    assert "+2 repeats" in text
    scored = score_runs([sample], [Run("a", every[:1])]).frame["inputs"][0]
    assert f"<b>{percent(scored)}</b>" in text, "the score of every table"
    assert points(text) == round(1000 - 10 * float(percent(scored))) > 0, "and the edits below it"
    best = flow_diff(sample, every, ["a"], options=Options(best=True))
    assert "flow 2 of 2, the best for what is shown" in best
    assert points(best) == 0
    unordered = flow_diff(sample, [made("a", LOOP)], ["a"], options=Options(unordered=True, soft=True, best=True))
    assert "flow 1 of 2" in unordered
    both = flow_diff(sample, [made("a", LOOP), made("b", other)], ["a", "b"], options=Options(best=True))
    assert "flow 1 of 2" in both
    assert both.count("flow 2: 100.0") == 1, "what counts for the one that is beside another"


def test_a_move_is_said_once_and_referred_to():
    a, b, c = (
        step("log", 1, message="m"),
        step("create_record", 2, table="t", values="a=1"),
        step("send_email", 3, ah_to="x"),
    )
    flow = Flow(components=[a, b, c])
    moved = Flow(components=[s.model_copy(update={"step": i}) for i, s in enumerate((b, c, a), 1)])
    text = flow_diff(Sample(id="s", requirement="r", expected=[flow]), [made("m", moved)], ["m"])
    assert "wrong order" in text
    assert re.search(r"at step \d", text)
    assert len(re.findall("data-points", text)) == 1


def test_raw_text_is_cut_and_structure_problems_are_said():
    bad = Flow(components=[step("ELSE", 1), step("log", 3, 9)])
    text = flow_diff(
        Sample(id="s", requirement="r", expected=[LOOP]), [made("m", bad, raw="x<b>" * RAW), made("n", None, raw="y")], ["m", "n"]
    )  # fmt: skip
    assert f"The first {RAW:,} of {4 * RAW:,} characters" in text
    assert "x<b>" not in text
    assert "structure error" in text
    assert "in no block" in text
    assert "No reason is recorded" in text


def test_hostile_text_stays_text():
    sample, every = hostile(EVIL)
    text = flow_diff(sample, every, [g.model for g in every])
    text.encode()
    found = Tags(text)
    allowed = set("div span b i bdi mark input label details summary pre ul li p svg path small wbr br".split())
    assert {tag for tag, _ in found.tags} <= allowed
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on") or name in ("src", "href")]
    styles = {attrs["style"] for _, attrs in found.tags if "style" in attrs}
    assert all(
        re.fullmatch(r"(background:#[0-9A-F]{6})|(--(n|columns):\d+)|(width:[\d.]+%)", style) for style in styles
    )
    assert "\0" not in html.unescape(text)
    assert "\u202e" not in re.sub(r"<bdi>.*?</bdi>", "", re.sub(r'"[^"]*"', "", text), flags=re.DOTALL), (
        "kept inside its bdi"
    )


def test_long_words_are_cut():
    sample, every = hostile("w" * 10_000)
    text = flow_diff(sample, every, [g.model for g in every])
    assert not re.search(r"<b[^>]*><bdi>w{200}", text), "names are cut"
    assert len(text) < 600_000
