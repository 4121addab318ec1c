"""How fast FlowSim is scored, beside zss, apted, edist and a loop in C: one table, one run, under five minutes.

edist is measured where `.setup/bench` has it (`make bench` tries), the C loop where there is a compiler, the oracle pairs
where the shared data folder is beside this repository; a line says what is left out. Every engine runs in a process of its
own for each size, on one thread; memory is what the process grows by at most. zss and apted stop growing with the size when
a pair would take them more than a few seconds.
"""

import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

os.environ |= {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import apted
import numpy as np
import zss

from flowgen_analysis.flows.model import Flow
from flowgen_analysis.flows.reading import read_flow
from flowgen_analysis.scoring import distance
from flowgen_analysis.scoring.distance import Forest, lay_out
from flowgen_analysis.scoring.flowsim import score_pairs
from flowgen_analysis.scoring.loss import explain
from flowgen_analysis.scoring.tree import Encoder, Kind, Tree

HERE = Path(__file__).resolve().parent
ORACLE = HERE.parents[1] / "shared/data/oracle/flowsim_pairs.jsonl"
PEER = HERE.parent / ".setup/bench/bin/python"
SIZES = (8, 16, 32, 64, 125, 250, 500, 1000)
PATIENCE = 4.0  # seconds a pair may take zss or apted
ZSS_SECONDS = 60.0  # for the oracle pairs

# --- flows and trees of a size ---

STEPS = ["look_up_records", "update_record", "send_email", "log", "create_task", "ask_for_approval", "FOREACH", "IF"]
QUERIES = ["active=true^priority=1", "stateIN1,2^assigned_toISEMPTY", "short_descriptionLIKEprinter", "a=1^ORb=2^c>3"]


def a_flow(rng: random.Random, nodes: int) -> Flow:
    """A flow whose tree has about so many nodes."""
    steps, blocks, size = [], [None], 5
    while size < nodes:
        name = rng.choice(STEPS[: 6 if size + 12 > nodes else 8])
        inputs = [{"name": "table", "value": rng.choice(["incident", "problem", "change_request"])}]
        size += 3
        if size + 8 <= nodes and rng.random() < 0.5:
            inputs.append({"name": "conditions", "value": rng.choice(QUERIES)})
            size += 7
        elif size + 1 <= nodes and rng.random() < 0.7:
            inputs.append({"name": "message", "value": f"about number {rng.randrange(9)}"})
            size += 1
        number = len(steps) + 1
        steps.append({"name": name, "step": number, "block": rng.choice(blocks[-3:]), "inputs": inputs})
        if name in ("FOREACH", "IF"):
            blocks.append(number)
    return read_flow({"trigger": {"type": rng.choice(["daily", "record_update"])}, "components": steps})


def some_pairs(nodes: int, count: int) -> list[tuple[Flow, Flow]]:
    rng = random.Random(nodes)
    return [(a_flow(rng, nodes), a_flow(rng, nodes)) for _ in range(count)]


def encoded(pairs: Sequence[tuple[Flow, Flow]], outline: bool = False) -> list[Tree]:
    """The trees of pairs, end to end."""
    encoder = Encoder()
    trees = [encoder.tree(f) for pair in pairs for f in pair]
    return [outline_of(t) for t in trees] if outline else trees


def outline_of(tree: Tree) -> Tree:
    kept = [(c, d) for c, d in zip(tree.codes, tree.depths, strict=True) if c & 3 in (Kind.FRAME, Kind.STEP)]
    return Tree([c for c, _ in kept], [d for _, d in kept], 0)


def lists(tree: Tree) -> tuple[list[int], list[list[int]]]:
    """A tree as edist takes it: labels, and the children of each node."""
    children: list[list[int]] = [[] for _ in tree.codes]
    path: list[int] = []
    for i, depth in enumerate(tree.depths):
        del path[depth:]
        if path:
            children[path[-1]].append(i)
        path.append(i)
    return tree.codes, children


class Node:
    """A node as zss and apted take it."""

    def __init__(self, name: int):
        self.name, self.children = name, []


def node_tree(tree: Tree) -> Node:
    path: list[Node] = []
    for code, depth in zip(tree.codes, tree.depths, strict=True):
        node = Node(code)
        del path[depth:]
        if path:
            path[-1].children.append(node)
        path.append(node)
    return path[0]


# --- engines ---


def zss_unit(one: Node, two: Node) -> float:
    return zss.distance(one, two, lambda n: n.children, lambda n: 1, lambda n: 1, lambda a, b: int(a.name != b.name))


def zss_flowsim(one: Node, two: Node) -> float:
    cost = lambda n: int(n.name & 3 >= Kind.VALUE)  # noqa: E731
    return zss.distance(one, two, lambda n: n.children, cost, cost, renamed)


def renamed(a: Node, b: Node) -> int:
    return 0 if a.name == b.name else 2 if Kind.STEP in (a.name & 3, b.name & 3) else 1


class FlowSimCosts(apted.Config):
    """FlowSim's costs, for apted."""

    def delete(self, node):
        return int(node.name & 3 >= Kind.VALUE)

    insert = delete

    def rename(self, node1, node2):
        return renamed(node1, node2)


class UnitCosts(apted.Config):
    """Costs of one, for apted."""

    def rename(self, node1, node2):
        return int(node1.name != node2.name)


def apted_unit(one: Node, two: Node) -> float:
    return apted.APTED(one, two, UnitCosts()).compute_edit_distance()


def apted_flowsim(one: Node, two: Node) -> float:
    return apted.APTED(one, two, FlowSimCosts()).compute_edit_distance()


PYTHON = {"zss": (zss_unit, zss_flowsim), "apted": (apted_unit, apted_flowsim)}


def unit(forest: Forest) -> Forest:
    return forest._replace(cost=np.ones_like(forest.cost), rename=np.ones_like(forest.rename))


def indices(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(0, 2 * count, 2), np.arange(1, 2 * count, 2)


def kernel(forest: Forest, count: int) -> np.ndarray:
    return distance._distances(*forest[:-1], *indices(count))


def in_c(library: str) -> Callable[[Forest, int], np.ndarray]:
    """The C loop as a function like `kernel`."""
    distances = ctypes.CDLL(library).distances

    def run(forest: Forest, count: int) -> np.ndarray:
        size = int(np.diff(forest.starts.astype(np.int64)).max())
        work = np.empty(size * size, np.int32), np.empty((size + 1) ** 2, np.int32), np.empty(count, np.int64)
        arrays = (*forest[:-1], *indices(count))
        address = [a.ctypes.data_as(ctypes.c_void_p) for a in arrays]
        out = [a.ctypes.data_as(ctypes.c_void_p) for a in work]
        distances(*address, ctypes.c_int64(count), *out)
        return work[2]

    return run


def compiled_c() -> str | None:
    """The C loop compiled on the spot, or None where no compiler is."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return None
    target = Path(tempfile.mkdtemp()) / "kernel.so"
    command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", str(target), str(HERE / "kernel.c")]
    return str(target) if subprocess.run(command, capture_output=True).returncode == 0 else None


# --- measuring ---


def memory(field: str) -> float:
    """Megabytes: `VmRSS` now, `VmHWM` at most; nan where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def best_of(repeats: int, *calls: Callable) -> list[float]:
    """The best seconds of each call, the calls taken in turns so that a busy moment hits all of them."""
    best = [float("inf")] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            start = perf_counter()
            call()
            best[i] = min(best[i], perf_counter() - start)
    return best


def measure_this(nodes: int, library: str | None) -> dict:
    """Microseconds a pair: kernel alone beside C, and from flows to both scores."""
    score_pairs(some_pairs(8, 1))
    count = max(2, min(200, 40000 // nodes))
    pairs = some_pairs(nodes, count)
    forest = unit(lay_out(encoded(pairs)))
    before = memory("VmRSS")
    found = kernel(forest, count)
    score_pairs(pairs)
    grown = memory("VmHWM") - before
    repeats = 25 if nodes <= 250 else 5
    calls = [lambda: kernel(forest, count)]
    if library:
        c = in_c(library)
        assert (c(forest, count) == found).all()
        calls.append(lambda: c(forest, count))
    times = best_of(repeats, *calls)
    [flows] = best_of(min(repeats, 5), lambda: score_pairs(pairs))
    per = 1e6 / count
    sizes = np.diff(forest.starts.astype(np.int64))
    result = {"nodes": float(sizes.mean()), "kernel": times[0] * per, "flows": flows * per, "mb": grown}
    return result | ({"c": times[1] * per} if library else {}) | {"found": found[:1].tolist()}


def measure_python(engine: str, nodes: int) -> dict:
    """The same for zss or apted, over as many pairs as fit into a few seconds."""
    by_unit, by_flowsim = PYTHON[engine]
    sys.setrecursionlimit(10**5)
    pairs = some_pairs(nodes, max(2, min(200, 40000 // nodes)))
    trees = encoded(pairs)
    before = memory("VmRSS")
    seconds, flows, done = 0.0, 0.0, 0
    first = None
    while done < len(pairs) and (not done or seconds + flows < PATIENCE / 2):
        one, two = (node_tree(t) for t in trees[2 * done : 2 * done + 2])
        start = perf_counter()
        found = by_unit(one, two)
        seconds += perf_counter() - start
        first = found if first is None else first
        start = perf_counter()
        score_by(by_flowsim, pairs[done])
        flows += perf_counter() - start
        done += 1
    return {
        "kernel": seconds / done * 1e6, "flows": flows / done * 1e6, "mb": memory("VmHWM") - before, "pairs": done,
        "found": [int(first)],
    }  # fmt: skip


def score_by(by: Callable, pair: tuple[Flow, Flow]) -> list[float]:
    """Both scores of a pair, from the flows, by an engine that takes nodes."""
    scores = []
    for outline in (True, False):
        trees = encoded([pair], outline)
        size = sum(c & 3 >= Kind.VALUE for t in trees for c in t.codes)
        scores.append(1 - by(*map(node_tree, trees)) / size if size else 1.0)
    return scores


def in_a_process(*arguments: object) -> dict:
    """What `measure_…` says, in a process of its own."""
    command = [sys.executable, __file__, "measure", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1:]}


def by_edist(pairs: Sequence[tuple[Flow, Flow]], repeats: int) -> dict:
    """edist under unit costs: its kernel on the trees with inputs, and both scores from the flows (its fast path has no
    other costs, and no step that costs 2)."""
    sent: dict[bool, list] = {}

    def encode() -> None:
        for outline in (False, True):
            trees = [lists(t) for t in encoded(pairs, outline)]
            sent[outline] = list(zip(trees[::2], trees[1::2], strict=True))

    [encoding] = best_of(3, encode)
    text = "".join(json.dumps({"pairs": sent[outline], "repeats": repeats}) + "\n" for outline in (False, True))
    done = subprocess.run(
        [str(PEER), str(HERE / "peer_edist.py")], input=text, capture_output=True, text=True, check=True
    )
    inputs, outline = map(json.loads, done.stdout.splitlines())
    per = 1e6 / len(pairs)
    flows = (encoding + inputs["seconds"] + outline["seconds"]) * per
    return {"kernel": inputs["seconds"] * per, "flows": flows, "mb": inputs["mb"], "found": inputs["distances"][:1]}


# --- the table ---


def shown(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * w for w in widths], *rows):
        print("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)), flush=True)


def figure(found: dict[str, dict], name: str, what: str) -> float | None:
    return found.get(name, {}).get(what)


def by_size(library: str | None, edist: bool) -> list[str]:
    """The table by size; returns the verdicts."""
    head = [
        "nodes",
        "this",
        "C",
        "edist",
        "apted",
        "zss",
        "this/C",
        "edist/this",
        "this",
        "edist",
        "apted",
        "zss",
        "zss/this",
    ]
    head += [f"MB {name}" for name in ("this", "edist", "apted", "zss")]
    rows, ratios, leads, growth = [], [], [], dict.fromkeys(PYTHON, 0.0)
    for nodes in SIZES:
        found: dict[str, dict] = {"this": in_a_process("this", nodes, library or "-")}
        if edist:
            pairs = some_pairs(nodes, max(2, min(200, 40000 // nodes)))
            found["edist"] = by_edist(pairs if nodes < 250 else pairs[:4], 3 if nodes < 250 else 1)
        for engine in PYTHON:
            if growth[engine] < PATIENCE * 1e6:
                result = found[engine] = in_a_process(engine, nodes)
                growth[engine] = 11 * result["flows"] if "flows" in result else float("inf")
        for name, result in found.items():
            assert "failed" in result or result["found"] == found["this"]["found"], (name, nodes, result)
        get = partial(figure, found)
        this, c, e = found["this"], found["this"].get("c"), get("edist", "kernel")
        ratios += [this["kernel"] / c] if c else []
        leads += [e / this["kernel"]] if e else []
        z = get("zss", "flows")
        rows.append(
            [shown(this["nodes"]), shown(this["kernel"], 1), shown(c, 1), shown(e, 1)]
            + [shown(get(n, "kernel")) for n in PYTHON][::-1]
            + [shown(this["kernel"] / c if c else None, 2), shown(e / this["kernel"] if e else None, 1)]
            + [shown(this["flows"]), shown(get("edist", "flows"))]
            + [shown(get(n, "flows")) for n in PYTHON][::-1]
            + [shown(z / this["flows"] if z else None)]
            + [shown(get(n, "mb"), 1) for n in ("this", "edist", "apted", "zss")]
        )
    print("\nMicroseconds a pair. Columns 2 to 8: kernel alone, costs of one. Then: from parsed flows to both scores.")
    print_table(head, rows)
    verdicts = []
    if ratios:
        verdicts.append(f"kernel alone within 1.3 times C: worst {max(ratios):.2f} [{verdict(max(ratios) <= 1.3)}]")
    if leads:
        verdicts.append(
            f"kernel alone ahead of edist at every size: {min(leads):.1f} to {max(leads):.1f} times [{verdict(min(leads) > 1)}]"
        )
    return verdicts


def verdict(fine: bool) -> str:
    return "ok" if fine else "MISSED"


def oracle(edist: bool) -> list[str]:
    """The oracle pairs, each once and none remembered, from parsed flows to both scores; returns the verdicts."""
    rows = [json.loads(line) for line in ORACLE.read_text().splitlines()]
    pairs = [(read_flow(r["expected"]), read_flow(r["generated"])) for r in rows]
    score_pairs(some_pairs(8, 1))
    subset, theirs = [], 0.0
    order = random.Random(0).sample(range(len(pairs)), len(pairs))
    for i in order:
        start = perf_counter()
        zss_scores = score_by(zss_flowsim, pairs[i])
        theirs += perf_counter() - start
        scores = score_pairs([pairs[i]])
        assert np.allclose([scores.outline[0], scores.inputs[0]], zss_scores)
        subset.append(i)
        if theirs > ZSS_SECONDS:
            break
    start = perf_counter()
    for i in subset:
        score_pairs([pairs[i]])
    ours = perf_counter() - start
    together, each = best_of(5, lambda: score_pairs(pairs), lambda: [score_pairs([p]) for p in pairs])
    [batch] = best_of(5, lambda: score_pairs([pairs[i] for i in subset]))
    n = len(pairs)
    explain(*pairs[0])
    [explaining] = best_of(1, lambda: [explain(*p) for p in pairs])
    peer = by_edist(pairs, 3) if edist else {}
    k = len(subset)
    print(
        f"\nOracle pairs ({n}, {2 * n} flows), each once, none remembered, one thread, from parsed flows to both scores"
    )
    head = ["", "pairs", "µs a pair", "times this"]
    table = [
        ["this, one call for all", str(n), shown(together / n * 1e6), "1"],
        ["this, a call a pair", str(n), shown(each / n * 1e6), shown(each / together, 1)],
        ["this with edits and causes", str(n), shown(explaining / n * 1e6), shown(explaining / together, 1)],
        ["this, on the pairs of zss", str(k), shown(batch / k * 1e6), "1"],
        ["zss", str(k), shown(theirs / k * 1e6), shown(theirs / batch)],
    ]
    if peer:
        table.insert(
            3, ["edist (costs of one)", str(n), shown(peer["flows"]), shown(peer["flows"] / (together / n * 1e6), 1)]
        )
    print_table(head, table)
    print(
        f"zss: {k} pairs drawn with a fixed seed, as many as fit into {ZSS_SECONDS:.0f} s, and the same pairs by this."
    )
    ratio, single = theirs / batch, theirs / ours
    found = [
        f"oracle pairs, each once, from parsed flows, score at least 500 times faster than with zss, measured in one run: "
        f"{ratio:,.0f} times (a call a pair, timed once: {single:,.0f}) [{verdict(min(ratio, single) >= 500)}]",
        f"… at least 1,000 times: {ratio:,.0f} (a call a pair, timed once: {single:,.0f}) [{verdict(min(ratio, single) >= 1000)}]",
    ]
    if peer:
        lead = peer["flows"] / (each / n * 1e6)
        found.append(f"from parsed flows ahead of edist, a call a pair: {lead:.1f} times [{verdict(lead > 1)}]")
    return found


def main() -> None:
    start = perf_counter()
    library, edist = compiled_c(), PEER.exists()
    print(
        "edist: in .setup/bench"
        if edist
        else "edist: left out, .setup/bench has none (`make bench` installs it where it can)"
    )
    print("C loop: compiled with -O3 -march=native" if library else "C loop: left out, no C compiler found")
    verdicts = by_size(library, edist)
    if ORACLE.exists():
        verdicts = oracle(edist) + verdicts
    else:
        print("oracle pairs: left out, the shared data folder is not beside this repository")
    print("\n" + "\n".join(verdicts))
    print(f"{perf_counter() - start:.0f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        engine, nodes, *rest = sys.argv[2:]
        found = (
            measure_this(int(nodes), None if rest == ["-"] else rest[0])
            if engine == "this"
            else measure_python(engine, int(nodes))
        )
        print(json.dumps(found))
    else:
        main()
