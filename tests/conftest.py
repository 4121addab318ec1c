"""How the tests are run: with few examples or many, and which of them stay together."""

import os

import pytest
import shared

# Two tests run at a time: threads of linear algebra would wait for each other in a loop, and burn what the other test needs.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "xdist_group: tests that stay together on one worker")
    shared.LONG = config.option.markexpr != "not verify"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run two at a time, those of a file stay together, for what they share is slow to make; notebooks share nothing."""
    for item in items:
        if item.path.name != "test_notebooks.py":
            item.add_marker(pytest.mark.xdist_group(item.path.name))
