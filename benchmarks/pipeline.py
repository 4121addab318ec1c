"""TEST through the two-stage pipeline against a server that takes 200 ms a call: how close to the ideal schedule?

    python benchmarks/pipeline.py [--latency 0.2] [--concurrency 32] [--runs 3]

The ideal is the larger of all calls over the concurrency and the longest chain of calls that wait for each other, times
the latency. The server is a process of its own and knows every answer by heart. What the time above the ideal goes into
is measured in the same run, by clocks around the parts.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from loopback import Plain  # noqa: E402

from flowgen_analysis.flows.dataset import load_samples  # noqa: E402
from flowgen_analysis.flows.environment import load_environment  # noqa: E402
from flowgen_analysis.generation.models import client as client_module  # noqa: E402
from flowgen_analysis.generation.models import pipeline  # noqa: E402
from flowgen_analysis.generation.models.background import run_model  # noqa: E402
from flowgen_analysis.generation.models.cache import ReplyCache  # noqa: E402
from flowgen_analysis.generation.models.catalogue import ModelEntry, Provider  # noqa: E402
from flowgen_analysis.generation.models.pipeline import Setting  # noqa: E402
from flowgen_analysis.generation.models.scope import chains, plan_calls  # noqa: E402

PARTS = {
    "prompts (with retrieval)": [(pipeline, "create_flow_prompt"), (pipeline, "populate_inputs_prompt")],
    "request and its key": [(pipeline, "make_request"), (pipeline, "request_key")],
    "cache: look and commit": [(ReplyCache, "get"), (ReplyCache, "put")],
    "reading and checking replies": [
        (pipeline, "read_reply"), (pipeline, "read_inputs"), (pipeline, "obeys"), (client_module, "read_body"),
    ],
    "the generation's row": [(pipeline._Flow, "generation")],
}  # fmt: skip


def clocks() -> dict[str, float]:
    """Put a clock around every part; seconds by part."""
    spent: dict[str, float] = defaultdict(float)
    for part, places in PARTS.items():
        for owner, name in places:
            work = getattr(owner, name)

            def timed(*args, _work=work, _part=part, **kwargs):
                start = time.perf_counter()
                try:
                    return _work(*args, **kwargs)
                finally:
                    spent[_part] += time.perf_counter() - start

            setattr(owner, name, timed)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dataset", type=Path, default=ROOT / "datasets" / "test.jsonl")
    options = parser.parse_args()
    samples = load_samples(options.dataset)
    desk = load_environment(ROOT / "environments" / "base.json")
    plans = [plan_calls(s.reference, desk) for s in samples]
    calls = sum(1 + len(p) for p in plans)
    chain = max(1 + max(chains(p), default=0) for p in plans)
    spread = calls / options.concurrency
    ideal = max(spread, chain) * options.latency
    print(f"{len(samples)} samples, {calls} calls, longest chain {chain}")
    print(f"ideal: max({calls}/{options.concurrency} = {spread:.1f}, {chain}) x {options.latency:g} s = {ideal:.2f} s")
    command = [
        sys.executable,
        str(ROOT / "tests" / "loopback.py"),
        str(options.dataset),
        "--latency",
        str(options.latency),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    spent = clocks()
    try:
        for n in range(options.runs):
            spent.clear()
            provider = Provider(name=f"loopback{n}", base_url=url, max_concurrency=options.concurrency)
            model = ModelEntry(name="loop", provider=provider, endpoint_model="loop-1", params={"temperature": 0})
            with tempfile.TemporaryDirectory() as folder:
                start, cpu = time.perf_counter(), time.process_time()
                path = Path(folder)
                made = run_model(
                    model, samples, Setting(desk, Plain(desk)), cache=path / "replies.sqlite", path=path / "run.jsonl",
                    every_s=0.02,
                )  # fmt: skip
                took, cpu = time.perf_counter() - start, time.process_time() - cpu
            assert all(g.readable and g.generated == s.reference for g, s in zip(made, samples, strict=True))
            print(
                f"\nrun {n + 1}: {took:.2f} s, {took / ideal:.2f} x ideal; {cpu:.2f} s of processor, {1000 * cpu / calls:.2f} ms a call"
            )
            for part, seconds in sorted(spent.items(), key=lambda item: -item[1]):
                print(f"  {part:30} {seconds:6.3f} s {1000 * seconds / calls:7.3f} ms a call")
            rest = cpu - sum(spent.values())
            print(f"  {'openai, HTTP, event loop, start':30} {rest:6.3f} s {1000 * rest / calls:7.3f} ms a call")
    finally:
        server.kill()


if __name__ == "__main__":
    main()
