"""The table of faults in the docs is what the tests say now."""

import sys
from pathlib import Path

import pytest
from shared import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import make_robustness as robustness


def test_page_is_what_the_tests_say():
    assert robustness.PAGE.read_text(encoding="utf-8") == robustness.make(), "run `make docs`"
    assert len(robustness.faults()) > 0


def write(folder: Path, text: str) -> list[robustness.Fault]:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_x.py").write_text(text)
    return robustness.faults(folder / "tests")


def test_a_mark_is_read_from_the_test(tmp_path):
    text = """
import pytest
BAD = {"a": 1 + x, "b": 2}
@pytest.mark.verify
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("n", range(3))
@pytest.mark.fault("Bad files: TOML", "one line")
def test_one(name, n): ...
@pytest.mark.fault("Kills", "nothing lost", tries=40)
async def test_two(): ...
def test_three(): ...
"""
    assert write(tmp_path, text) == [
        robustness.Fault("Bad files", "TOML", "one line", 6, True, "tests/test_x.py::test_one"),
        robustness.Fault("Kills", "Kills", "nothing lost", 40, False, "tests/test_x.py::test_two"),
    ]


def test_cases_that_cannot_be_counted_are_asked_for(tmp_path):
    text = '@pytest.mark.parametrize("x", made())\n@pytest.mark.fault("a", "b")\ndef test_one(x): ...\n'
    with pytest.raises(SystemExit, match="say tries= in its fault"):
        write(tmp_path, text)
