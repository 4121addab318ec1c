"""Compile what scores and explains flows, once: else every worker of the tests compiles the same code, side by side."""

from flowgen_analysis.flows.dataset import Run, load_samples
from flowgen_analysis.flows.model import Generation
from flowgen_analysis.project import bundled
from flowgen_analysis.scoring.loss import explained
from flowgen_analysis.scoring.scores import score_runs

if __name__ == "__main__":
    samples = load_samples(bundled("datasets", "test.jsonl"))[:20]
    made = [Generation(sample_id=s.id, model="m", generated=samples[i - 1].reference) for i, s in enumerate(samples)]
    score_runs(samples, [Run("m", made)])
    explained(samples, [Run("m", made)])
