"""Judgements in a process of its own, so that a test can kill it: URL CACHE N."""

import sys
from pathlib import Path

from judging import asked_of

from flowgen_analysis.generation.models.catalogue import ModelEntry, Provider
from flowgen_analysis.generation.models.judging import Judge, judge_all

url, cache, n = sys.argv[1:]
provider = Provider(name="loopback", base_url=url, max_concurrency=16, retries=1, timeout_s=5, deadline_s=30)
model = ModelEntry(name="loop", provider=provider, endpoint_model="loop-1", params={"temperature": 0})
found = judge_all(model, Judge("useful", "Worth? <flow>$generated</flow>"), asked_of(int(n)), cache=Path(cache))
print(len(found.scores), len(found.failed))
