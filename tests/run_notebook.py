"""Runs a notebook as `nbdev-test` does, in a process forked from one that has imported the slow parts already."""

import os
import sys
from multiprocessing import get_context

SLOW = ["nbdev.test", "numba", "numpy", "openai", "plotly.graph_objects", "pydantic", "scipy.stats", "sklearn.linear_model", "sklearn.feature_extraction.text", "typer", "rich.table"]  # fmt: skip


def run_notebook(notebook: str, output: str) -> int:
    """Run it, and return how it ended. output: the file that takes what it says."""
    context = get_context("forkserver")
    context.set_forkserver_preload(SLOW)
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
