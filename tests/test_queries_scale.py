"""The slice language on 100,000 samples of 6 models: the index once, then any slice of three parts."""

import random
import resource
import time

import numpy as np
import polars as pl
import pytest
from query_oracle import DOMAINS, ENVIRONMENTS, PHRASES, changed, random_flow

from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Feature, Registry, Theme
from flowgen_analysis.flows.dataset import Run
from flowgen_analysis.flows.model import Generation, Sample
from flowgen_analysis.scoring.scores import Scores
from flowgen_analysis.study import Study

SAMPLES, MODELS, FLOWS = 100_000, [f"m{i}" for i in range(6)], 500
FEATURES = ["foreach", "parallel", "vip", "log"]
PARTS = [
    "foreach", "~parallel", "steps > 4", "depth >= 2", "domain = banking", "environment:dev*", "m0 < 40", "m1 < m2 - 20", "spread > 50",
    "step:send_email", "trigger:daily", "table:incident", "column:state", 'value:"on hold"', "input:ah_subject", "FOREACH > log",
    "IF >> update_record", "log , FOREACH", "update_record[table=incident]", "count(step:log) >= 2", "m3 has (FOREACH > update_record)",
    "all models lack step:log", "any model has table:incident", "unreadable:m4", '"escalat"', "requirement ~ /send.*email/",
    'annotation ~ "manager"', "id:s-1*", "repeats_disagree", "no model has trigger:daily",
]  # fmt: skip


def large_study() -> Study:
    """Few distinct flows, many samples; scores are drawn, not computed."""
    rng, draws = random.Random(0), np.random.default_rng(0)
    flows = [random_flow(rng) for _ in range(FLOWS)]
    others = [changed(rng, f) for f in flows]
    kind = draws.integers(0, FLOWS, SAMPLES).tolist()
    samples = [
        Sample.model_construct(
            id=f"s-{i}", requirement=f"{PHRASES[i % 13]} {PHRASES[k % 11]} {i % 7}", expected=[flows[k]],
            domain=DOMAINS[k % 4], environment=ENVIRONMENTS[k % 3], metadata={},
        )
        for i, k in enumerate(kind)
    ]  # fmt: skip
    runs, frames = [], []
    for m, model in enumerate(MODELS):
        made = [None if (i + m) % 29 == 0 else others[k] if (i + m) % 3 else flows[k] for i, k in enumerate(kind)]
        rows = [
            Generation.model_construct(
                sample_id=s.id, model=model, repeat=0, generated=f, error=None, raw=None, read_as="clean", repairs=[]
            )
            for s, f in zip(samples, made, strict=True)
        ]
        runs.append(Run(model, rows))
        score = np.where([f is None for f in made], 0.0, draws.beta(4, 1.5, SAMPLES))
        frames.append(
            pl.DataFrame({"sample_id": [s.id for s in samples], "model": model, "repeat": 0, "readable": [f is not None for f in made],
                          "inputs": score, "outline": score, "inputs_validated": score, "outline_validated": score})
            .with_columns(
                pl.lit(None, pl.String).alias("reason"), pl.lit("clean").alias("read_as"), pl.lit(0, pl.Int64).alias("structure_errors"),
                pl.lit(True).alias("trigger_match"), pl.lit(1.0).alias("step_overlap"), pl.lit(0, pl.Int64).alias("unparsed"),
                pl.col("repeat").cast(pl.Int64),
            )
        )  # fmt: skip
    scores = Scores(pl.concat(frames), pl.DataFrame(schema={"model": pl.String, "sample_id": pl.String}), SAMPLES)
    cells = {f: draws.random(SAMPLES) < 0.3 for f in FEATURES}
    matrix = FeatureMatrix(pl.DataFrame({"sample_id": [s.id for s in samples], **cells}))
    registry = Registry((Theme("Any", "Any."),), tuple(Feature(f, f.title(), "Any", "Any.", False) for f in FEATURES))
    return Study("large", samples, runs, registry, matrix, scores=scores)


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@pytest.mark.verify
def test_slices_of_a_large_study(capsys):
    study = large_study()
    size, start = resident(), time.perf_counter()
    index = study.index("inputs")
    lines = [f"index: {time.perf_counter() - start:.1f} s, then {resident():.2f} GB ({resident() - size:.2f} more)"]
    first: list[tuple[float, str]] = []
    for part in PARTS:
        start = time.perf_counter()
        index.membership(part)
        first.append((time.perf_counter() - start, part))
    lines += ["first use: " + ", ".join(f"{part} {1000 * t:.0f} ms" for t, part in sorted(first, reverse=True)[:6])]
    rng, again = random.Random(1), []
    for _ in range(300):
        a, b, c = rng.sample(PARTS, 3)
        text = rng.choice(("{} & {} & {}", "{} | {} & ~({})", "({} | {}) & {}", "~({} & {}) | {}")).format(a, b, c)
        start = time.perf_counter()
        found = index.membership(text)
        again.append((time.perf_counter() - start, text))
        assert not (found.inside & found.outside).any()
    times = np.array([t for t, _ in again]) * 1000
    lines += [
        f"three parts: median {np.median(times):.1f} ms, 95% {np.quantile(times, 0.95):.1f} ms, most {times.max():.1f} ms "
        f"({max(again)[1]}); {resident():.2f} GB"
    ]
    words, fresh = ["FOREACH", "IF", "log", "send_email", "update_record", "look_up_records", "PARALLEL"], []
    for _ in range(100):
        a, b, c = rng.choices(words, k=3)
        text = rng.choice(
            (
                "{} > {} & ~({} , *)",
                "{} >> {} > {}",
                "m1 has ({} > {}) & m2 lacks step:{}",
                "count({} >> {}) = 1 | {} ,, *",
            )
        )
        start = time.perf_counter()
        index.membership(text.format(a, b, c))
        fresh.append((time.perf_counter() - start, text.format(a, b, c)))
    news = np.array([t for t, _ in fresh]) * 1000
    lines += [f"shapes not asked before: median {np.median(news):.0f} ms, most {news.max():.0f} ms ({max(fresh)[1]})"]
    before = resident()
    for i in range(2000):
        index.membership(f"{words[i % 7]} > step:x{i} | step:y{i}")
    lines += [f"2,000 slices with words of their own: {resident() - before:.2f} GB more"]
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert resident() - size < 2.0
