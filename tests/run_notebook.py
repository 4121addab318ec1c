"""Runs a notebook as `nbdev-test` does, in a process forked from one that has imported what notebooks import."""

import os
import sys
from multiprocessing import get_context
from pkgutil import walk_packages

import flowgen_analysis

# To import, and no more: what calls polars before the fork leaves its threads behind, and waits for them.
OURS = [module.name for module in walk_packages(flowgen_analysis.__path__, "flowgen_analysis.")]
SLOW = ["nbdev.test", "numba", "numpy", "openai", "plotly.graph_objects", "pydantic", "scipy.stats", "sklearn.linear_model", "sklearn.feature_extraction.text", "typer", "rich.table"]  # fmt: skip


def run_notebook(notebook: str, output: str) -> int:
    """Run it, and return how it ended. output: the file that takes what it says."""
    context = get_context("forkserver")
    context.set_forkserver_preload([*SLOW, *OURS])
    process = context.Process(target=_run, args=(notebook, output))
    process.start()
    process.join()
    return process.exitcode or 0


def _run(notebook: str, output: str) -> None:
    from nbdev.test import nbdev_test

    with open(output, "w") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    sys.argv = ["nbdev-test", notebook]
    nbdev_test(notebook)
    sys.stdout.flush()
