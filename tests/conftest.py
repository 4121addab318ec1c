"""How the tests are run: with few examples or many, and on how many threads."""

import os

import pytest
import shared

# Two tests run at a time: threads of linear algebra would wait for each other in a loop, and burn what the other test needs.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_configure(config: pytest.Config) -> None:
    shared.LONG = config.option.markexpr != "not verify"
