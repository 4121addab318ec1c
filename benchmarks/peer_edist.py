"""edist 1.2 (GPL: a peer to measure against, in an environment of its own, never a dependency), fed through pipes.

Reads a line of JSON a batch: pairs of (labels, children) trees, and how often to run them. Answers with the distances, the
best seconds of a run over all pairs, and the megabytes that it took.
"""

import json
import sys
from time import perf_counter

from edist.ted import standard_ted


def memory(field: str) -> float:
    """Megabytes: `VmRSS` now, `VmHWM` at most; nan where there is no /proc."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))
    except OSError:
        return float("nan")


for line in sys.stdin:
    batch = json.loads(line)
    before, best = memory("VmRSS"), float("inf")
    for _ in range(batch["repeats"]):
        start = perf_counter()
        found = [int(standard_ted(*one, *two)) for one, two in batch["pairs"]]
        best = min(best, perf_counter() - start)
    print(json.dumps({"distances": found, "seconds": best, "mb": max(memory("VmHWM") - before, 0)}), flush=True)
