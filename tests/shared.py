"""Where the tests find the repository and, beside it, the shared data; and how to do without the latter."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

LONG = False  # whether the long tests run too; `conftest.py` sets it before the tests are read

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not beside this repository")


def examples(few: int, many: int) -> int:
    """On how many examples a property is tried: few by `make test`, many by `make verify`."""
    return many if LONG else few


def json_lines(path: Path) -> list[dict]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
