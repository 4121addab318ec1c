"""How fast a large run is scored, and in how much memory: one line a size, one run, about two minutes on two free cores.

    python benchmarks/large.py [--sizes 1000 10000 100000] [--jobs N ...] [--json]

The pairs are TEST-sized: TEST's expected flows, each against one that was damaged on purpose; once so that each of them is new
and goes through the kernel, and once so that every other one is the one before it once more, which is answered without. They
come as a stream of rows of a run, as a run file would, so that no list of them is in memory. Every line is a process of its
own, whose workers (one a core, or --jobs) are up when the clock starts. Memory is the most that it and its workers hold
together (resident, so that what they share counts for each), and what that is above the same before the clock started.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import psutil  # noqa: E402
from damage import DAMAGES, counted, spaced  # noqa: E402

from flowgen_analysis.flows.dataset import load_samples  # noqa: E402
from flowgen_analysis.flows.reading import flow_to_dict  # noqa: E402
from flowgen_analysis.scoring.large.batch import score_large  # noqa: E402

SAMPLES = [s for s in load_samples(ROOT / "datasets" / "test.jsonl") if s.reference]
DISTINCT = 2_000  # damaged flows; each is made anew by a number in one of its values


@cache
def damaged_flows() -> list[tuple[str, dict]]:
    """Damaged flows with the ids of their samples."""
    rng, names = random.Random(0), list(DAMAGES)
    made: list[tuple[str, dict]] = []
    while len(made) < DISTINCT:
        sample = rng.choice(SAMPLES)
        flow = spaced(sample.reference)
        if DAMAGES[names[len(made) % len(names)]](rng, flow):
            made.append((sample.id, flow_to_dict(counted(flow))))
    return made


def rows(count: int, repeats: bool = False):
    """Rows of a run, made as they are asked for; with `repeats` every other one is the one before it once more."""
    damaged = damaged_flows()
    for n in range(count):
        number = n - n % 2 if repeats else n
        sample_id, flow = damaged[number % DISTINCT]
        trigger = flow["trigger"] or {"type": "daily", "inputs": []}
        inputs = [*trigger.get("inputs", ()), {"name": "number", "value": str(number)}]
        flow = flow | {"trigger": trigger | {"inputs": inputs}}
        yield {"id": sample_id, "model": "m", "repeat": n, "generated": flow}


class Memory(threading.Thread):
    """The most that this process and its workers hold, in MB, looked at twenty times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = 0.0, threading.Event()

    def held(self) -> float:
        me, found = psutil.Process(), 0
        for process in [me, *me.children(recursive=True)]:
            try:
                found += process.memory_info().rss
            except psutil.Error:
                continue
        return found / 2**20

    def run(self):
        while not self.done.wait(0.05):
            self.peak = max(self.peak, self.held())


def measure(pairs: int, jobs: int) -> dict:
    """Score `pairs` rows, all of them new and then with repeats; pairs a second, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        score_large(SAMPLES, rows(jobs * 500 * 2), Path(folder) / "warm.parquet", jobs=jobs)  # workers are up
        memory = Memory()
        before = memory.held()
        memory.start()
        speed, took = {}, 0.0
        for name, repeats in (("new", False), ("repeats", True)):
            start = perf_counter()
            batch = score_large(SAMPLES, rows(pairs, repeats), Path(folder) / f"{name}.parquet", jobs=jobs)
            seconds = perf_counter() - start
            took += seconds
            speed[f"{name}_a_second"] = round(pairs / seconds)
            assert (batch.generations, batch.bounded) == (pairs, 0)
        memory.done.set()
        memory.join()
        megabytes = batch.path.stat().st_size / 2**20
    found = {"pairs": pairs, "jobs": jobs, "seconds": round(took, 1)} | speed
    return found | {
        "peak_mb": round(memory.peak),
        "grown_mb": round(memory.peak - before),
        "file_mb": round(megabytes, 1),
    }


HEAD = ["pairs", "processes", "seconds", "new pairs a second", "with every other a repeat", "peak memory, MB"]
HEAD += ["above the start, MB", "file, MB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--jobs", type=int, nargs="+", default=[os.cpu_count() or 1])
    parser.add_argument("--json", action="store_true", help="a JSON object a row instead of the table")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.sizes[0], options.jobs[0])))
        return
    if not options.json:
        print(f"Large runs, TEST-sized pairs from rows of a run to a Parquet file, {os.cpu_count()} cores\n")
        print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for jobs in options.jobs:
        for pairs in options.sizes:
            command = [sys.executable, __file__, "--one", "--sizes", str(pairs), "--jobs", str(jobs)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = " | ".join(f"{v:,}" for v in found.values())
            print(json.dumps(found) if options.json else f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
