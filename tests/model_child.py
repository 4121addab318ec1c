"""A run of a model in a process of its own, so that a test can kill it: URL CACHE RUN CONCURRENCY SAMPLES."""

import sys
from pathlib import Path

from loopback import Plain
from shared import ROOT

from flowgen_analysis.flows.dataset import load_samples
from flowgen_analysis.flows.environment import load_environment
from flowgen_analysis.generation.models.background import run_model
from flowgen_analysis.generation.models.catalogue import ModelEntry, Provider
from flowgen_analysis.generation.models.pipeline import Setting

url, cache, path, concurrency, n = sys.argv[1:]
desk = load_environment(ROOT / "environments" / "base.json")
provider = Provider(name="loopback", base_url=url, max_concurrency=int(concurrency), retries=1)
model = ModelEntry(name="loop", provider=provider, endpoint_model="loop-1", params={"temperature": 0})
samples = load_samples(ROOT / "datasets" / "test.jsonl")[: int(n)]
made = run_model(model, samples, Setting(desk, Plain(desk)), cache=Path(cache), path=Path(path))
print(len(made), sum(g.readable for g in made))
