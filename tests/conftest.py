"""How the tests are run: with few examples or many, and on how many threads."""

import os

import pytest
import shared

# Two tests run at a time: threads of linear algebra would wait for each other in a loop, and burn what the other test needs.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_configure(config: pytest.Config) -> None:
    shared.LONG = config.option.markexpr != "not verify"


# The files that take longest, longest first: whoever is done takes the next, so that none is left with a long one at the end.
_LONG = ("test_notebooks", "test_tagger", "test_reports", "test_batch", "test_workbench", "test_model_runs", "test_flow_diff_page",
         "test_app", "test_report", "test_discovery", "test_models", "test_one_answer")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: i for i, name in enumerate(_LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(_LONG)))
