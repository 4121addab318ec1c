"""The whole way from files to answers, in seconds of processor and as times the kernel alone needs: one run, a process a round.

    python benchmarks/whole.py [PROJECT DATASET] [--rounds 3]

Without a project, TEST's expected flows are scored against damaged ones, six models of them. What is compiled is compiled before
the clock starts. The kernel is one call for all pairs, both scores, on trees that are there.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

STAGES = ("import the workbench", "read samples", "read runs", "kernel", "scores", "losses", "losses and repairs")


def made_project(folder: Path) -> tuple[Path, list[Path]]:
    """A file of samples and six files of runs: TEST, each sample damaged once more a model."""
    from damage import DAMAGES, counted, spaced

    from flowgen_analysis.flows.dataset import load_samples, save_run
    from flowgen_analysis.flows.model import Generation

    samples, rng, names = load_samples(ROOT / "datasets" / "test.jsonl"), random.Random(0), list(DAMAGES)
    paths = []
    for model in range(1, 7):
        made = []
        for repeat in range(10):
            for sample in samples:
                flow = spaced(sample.reference) if sample.reference else None
                for name in rng.sample(names, model) if flow else ():
                    before = flow.model_copy(deep=True)
                    try:
                        DAMAGES[name](rng, flow)
                    except ValueError:  # one damage can leave no place for the next
                        flow = before
                generated = counted(flow) if flow else None
                made.append(Generation(sample_id=sample.id, model=f"m{model}", repeat=repeat, generated=generated))
        paths.append(save_run(folder / f"m{model}.jsonl", made))
    return ROOT / "datasets" / "test.jsonl", paths


def measure(samples_path: Path, run_paths: list[Path]) -> dict[str, float]:
    """Seconds of processor of each stage, and the megabytes held at most."""
    times, start = {}, process_time()

    def took(stage: str) -> None:
        nonlocal start
        times[stage] = process_time() - start
        start = process_time()

    from flowgen_analysis import Workbench  # noqa: F401
    from flowgen_analysis.flows.dataset import Run, load_runs, load_samples
    from flowgen_analysis.scoring.distance import tree_distances
    from flowgen_analysis.scoring.loss import explained
    from flowgen_analysis.scoring.scores import score_runs
    from flowgen_analysis.scoring.tree import Encoder

    took(STAGES[0])
    samples = load_samples(samples_path)
    took(STAGES[1])
    runs = load_runs(run_paths, samples)
    took(STAGES[2])
    some = [Run(r.model, [g for g in r.generations if g.generated][:2]) for r in runs]
    score_runs(samples, some)
    explained(samples, some)
    by_id, encoder = {s.id: s for s in samples}, Encoder()
    pairs = [(by_id[g.sample_id].reference, g.generated) for r in runs for g in r.generations]
    trees = [encoder.tree(flow) for pair in pairs if all(pair) for flow in pair]
    start = process_time()
    for outline in (True, False):
        tree_distances(trees, [(n, n + 1) for n in range(0, len(trees), 2)], outline=outline)
    took("kernel")
    score_runs(samples, runs)
    took("scores")
    explained(samples, runs, repairs={})
    took("losses")
    explained(samples, runs)
    took("losses and repairs")
    return times | {"pairs": len(trees) / 2, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, nargs="?")
    parser.add_argument("dataset", nargs="?", default="test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], options.one[1:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.project:
            samples = options.project / "datasets" / f"{options.dataset}.jsonl"
            runs = sorted((options.project / "runs" / options.dataset).glob("*.jsonl"))
        else:
            samples, runs = made_project(Path(folder))
        command = [sys.executable, __file__, "--one", str(samples), *map(str, runs)]
        rounds = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            for _ in range(options.rounds)
        ]
    best = {key: min(r[key] for r in rounds) for key in rounds[0]}
    print(f"{len(runs)} models, {best['pairs']:,.0f} pairs, {best['mb']:,.0f} MB, best of {len(rounds)}\n")
    print("| stage | s of processor | µs a pair | times the kernel |\n|---|---|---|---|")
    for stage in STAGES:
        seconds = best[stage]
        print(f"| {stage} | {seconds:.2f} | {seconds / best['pairs'] * 1e6:,.0f} | {seconds / best['kernel']:.1f} |")


if __name__ == "__main__":
    main()
