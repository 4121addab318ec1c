"""How the tests are run: with few examples or many, and on how many threads."""

import os

import pytest
import shared

# Two tests run at a time: threads of linear algebra would wait for each other in a loop, and burn what the other test needs.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_configure(config: pytest.Config) -> None:
    shared.LONG = config.option.markexpr != "not verify"


# The files that take longest come first, so that none is left with a long one at the end; those that want JupyterLab
# follow each other, so that while one worker runs the notebooks the other starts it once.
_LONG = ("test_notebooks", "test_tagger", "test_workbench", "test_flow_diff_page", "test_serving", "test_app", "test_report",
         "test_reports", "test_batch", "test_model_runs", "test_models", "test_writing", "test_changes", "test_bad_files",
         "test_board", "test_network", "test_causes", "test_one_answer", "test_learned", "test_discovery")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: i for i, name in enumerate(_LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(_LONG)))
