"""What FlowSim is worth: every figure that the library and the docs quote, measured again where the data is."""

import re

import numpy as np
import polars as pl
import pytest
from shared import ROOT, SHARED, needs_shared

from flowgen_analysis.analysis.validity import (
    CLOSE,
    Auc,
    Band,
    Evidence,
    auc_within,
    measure,
    order_agreement,
    trusted_from,
)
from flowgen_analysis.analysis.worth import EVIDENCE, worth_sentence
from flowgen_analysis.flows.dataset import load_runs, load_samples
from flowgen_analysis.flows.model import Generation
from flowgen_analysis.scoring.options import Options
from flowgen_analysis.scoring.scores import score_runs

FOLDERS = {"Home Assistant": "homeassistant", "Chat2Workflow": "chat2workflow"}
ROWS = {(e.dataset, e.metric): e for e in EVIDENCE}


def passed(generation: Generation) -> bool | None:
    """Whether every test recorded for a generation passed, or its authors' checks did; None where nobody judged it."""
    given = generation.model_extra or {}
    if given.get("verdicts"):
        return all(v["passed"] for v in given["verdicts"])
    return (given.get("scores") or {}).get("passed")


@pytest.fixture(scope="module")
def judged() -> dict[str, pl.DataFrame]:
    """A row a generation of each dataset: its scores, best of several expected flows too, and whether it passed."""
    frames = {}
    for name, folder in FOLDERS.items():
        samples = load_samples(SHARED / "real" / folder / "samples.jsonl")
        runs = load_runs(sorted((SHARED / "real" / folder / "runs").glob("*.jsonl")), samples)
        several = any(len(s.expected) > 1 for s in samples)
        scores = score_runs(samples, runs, options=Options(best=several))
        key = ["sample_id", "model", "repeat"]
        verdicts = [(g.sample_id, g.model, g.repeat, passed(g)) for run in runs for g in run.generations]
        told = pl.DataFrame(verdicts, [*key, "passed"], orient="row")
        frames[name] = scores.frame.join(told, on=key, how="left", validate="1:1")
    return frames


@needs_shared
@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_evidence_is_what_the_data_says(judged, key):
    dataset, metric = key
    assert measure(judged[dataset], dataset, metric).rounded() == ROWS[key]


@needs_shared
def test_nobody_went_unjudged(judged):
    """What is left out has no expected flow: two tasks of Chat2Workflow, a generation a model."""
    counted = {name: (len(f), f["passed"].null_count(), f["passed"].sum()) for name, f in judged.items()}
    assert counted == {"Home Assistant": (640, 0, 167), "Chat2Workflow": (444, 0, 244)}
    assert {(e.dataset, e.within.left_out) for e in EVIDENCE} == {("Home Assistant", 0), ("Chat2Workflow", 24)}


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}"


def auc_cell(auc: Auc) -> str:
    assert None not in auc
    return f".{1000 * auc.value:.0f} (.{1000 * auc.low:.0f} to .{1000 * auc.high:.0f})"


def band_cell(band: Band) -> str:
    return f"{percent(band.share)}% ({percent(band.low)} to {percent(band.high)}), {band.pairs}"


METRICS = {"outline": "outline", "inputs": "inputs", "inputs_best": "inputs, best expected flow"}


def doc_rows(e: Evidence) -> list[str]:
    """The two rows of `docs/flowsim.md` about one row of evidence."""
    name = f"| {e.dataset} | {METRICS[e.metric]} |"
    start = trusted_from(e.bands)
    first = [auc_cell(a) for a in (e.within, e.readable, e.pooled)]
    second = [*map(band_cell, e.bands), f"{100 * e.gap.gap:.1f}", f"{100 * start:.0f}"]
    return [f"{name} {' | '.join(cells)} |" for cells in (first, second)]


@pytest.mark.parametrize("e", EVIDENCE, ids=lambda e: f"{e.dataset} {e.metric}")
def test_docs_quote_the_evidence(e):
    text = (ROOT / "docs" / "flowsim.md").read_text(encoding="utf-8")
    assert [row for row in doc_rows(e) if row not in text] == []


def test_docs_quote_the_ranges():
    """What the prose of `docs/flowsim.md` says of a gap is the range over all rows of the evidence."""
    text = " ".join((ROOT / "docs" / "flowsim.md").read_text(encoding="utf-8").split())
    assert worth_sentence() in text
    for words, bands in (
        ("Under 5 points", [e.near for e in EVIDENCE]),
        ("5 to 10 points", [e.bands[2] for e in EVIDENCE]),
        ("10 to 20 points", [e.bands[3] for e in EVIDENCE]),
        ("20 points and more", [e.bands[4] for e in EVIDENCE]),
        ("10 points and more, together", [e.far for e in EVIDENCE]),
    ):
        shares = [percent(b.share) for b in bands]
        least, most = min(shares, key=int), max(shares, key=int)
        assert f"**{words}**: {least} to {most}% of pairs" in text, (words, least, most)


def test_docs_draw_no_more_from_the_intervals_than_they_hold():
    """Under 10 points every interval holds a coin's 50%, from there on none; what is said of the AUCs holds too."""
    text = " ".join((ROOT / "docs" / "flowsim.md").read_text(encoding="utf-8").split())
    coin = {band.start for e in EVIDENCE for band in (*e.bands, e.near, e.far) if band.low <= 0.5 <= band.high}
    sure = {band.start for e in EVIDENCE for band in (*e.bands, e.far) if band.low > 0.5}
    assert (coin, sure) == ({0.0, 0.02, 0.05}, {0.1, 0.2})
    assert [(e.dataset, e.metric) for e in EVIDENCE if e.readable.low <= 0.5] == [("Home Assistant", "outline")]
    assert [e.dataset for e in EVIDENCE if e.pooled.low <= 0.5] == ["Home Assistant"] * 2
    wrong, readable = ([1 - getattr(e, a).value for e in EVIDENCE] for a in ("within", "readable"))
    for shares, words in ((wrong, "wrong about {} to {}% of pairs"), (readable, "about {} to {}% of readable ones")):
        assert words.format(percent(min(shares)), percent(max(shares))) in text
    tied = {e.dataset: (sum(b.tied for b in e.bands), sum(b.tied + b.pairs for b in e.bands)) for e in EVIDENCE}
    assert tied == {"Home Assistant": (61, 496), "Chat2Workflow": (0, 66)}
    assert "61 of 496 on Home Assistant, none of 66 on Chat2Workflow" in text


def test_the_mark_stands_where_pairs_are_hardly_better_than_a_coin():
    """No dataset reaches the trusted share under `CLOSE`, and the sentence says the worst and the best of them."""
    assert all(e.near.end == CLOSE and e.near.share < 0.9 for e in EVIDENCE)
    least, most = map(int, re.findall(r"(\d+) to (\d+)%", worth_sentence())[0])
    shares = [100 * e.near.alike / e.near.pairs for e in EVIDENCE]
    assert (least, most) == (round(min(shares)), round(max(shares)))


@pytest.mark.verify
@pytest.mark.parametrize(("tasks", "generations"), [(4, 160), (8, 40), (35, 12)])
def test_interval_within_tasks_holds_the_truth(tasks, generations):
    """Tasks differ in how hard they are and in how well the score tells; at least 90% of 200 intervals hold the AUC of all."""
    rng = np.random.default_rng(tasks)

    def drawn(n):
        hard = rng.beta(1.5, 1.5, n).repeat(generations)
        apart = np.maximum(rng.normal(1.2, 0.5, n), -1).repeat(generations)
        good = rng.random(n * generations) < hard
        scores = np.round(5 * (rng.normal(0, 1, n * generations) + apart * good))
        return scores, good, np.arange(n).repeat(generations)

    truth = auc_within(*drawn(3000)).value
    found = [auc_within(*drawn(tasks)) for _ in range(200)]
    assert np.mean([a.low <= truth <= a.high for a in found]) >= 0.9


@pytest.mark.verify
@pytest.mark.parametrize("models", [12, 32])
def test_interval_of_a_band_holds_the_truth(models):
    """A quarter of models can do next to nothing, the others lie between 30 and 90 points; pass rates come from 20 trials."""
    rng = np.random.default_rng(models)

    def drawn(n):
        score = np.where(rng.random(n) < 0.25, rng.uniform(0, 0.1, n), rng.uniform(0.3, 0.9, n))
        rate = np.round(np.clip(score + rng.normal(0, 0.1, n), 0, 1) * 20) / 20
        return [dict(enumerate(values.tolist())) for values in (score, rate)]

    edges = [0.05, 0.1, 0.2]
    truth = np.mean([[b.share for b in order_agreement(*drawn(600), edges)] for _ in range(3)], axis=0)
    held = []
    for _ in range(200):
        bands = order_agreement(*drawn(models), edges)
        held.append([b.low <= t <= b.high if b.pairs else np.nan for b, t in zip(bands, truth, strict=True)])
    assert (np.nanmean(held, axis=0) >= 0.92).all()
