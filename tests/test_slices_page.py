"""`docs/slices.md` says what is true: every slice on it is read, and holds as many samples as the page says."""

import re
import shutil
from collections.abc import Iterator

import pytest
from shared import ROOT

from flowgen_analysis.analysis.slices import Slice
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.study import Study
from flowgen_analysis.workbench import Workbench

PAGE = ROOT / "docs" / "slices.md"


def rows(*heads: str) -> Iterator[list[str]]:
    """The cells of all tables whose last columns are headed so, backticks off."""
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if cells and tuple(cells[-len(heads) :]) == heads:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set("".join(cells)) <= set("-: "):
            yield [re.sub(r"^`(.*)`$", r"\1", c) for c in cells]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The bundled dataset in a project of its own, with the offline baselines."""
    root = tmp_path_factory.mktemp("page")
    for folder in ("datasets", "environments", "feature_matrices"):
        shutil.copytree(ROOT / folder, root / folder)
    return Workbench.open(root, "test").study


def test_the_page_counts_as_the_index_does(study):
    shown = [(text, int(n)) for *_, text, n in rows("Slice", "n")]
    assert len(shown) >= 40
    assert shown == [(text, study.explain(text).n) for text, _ in shown]
    assert all(str(Slice(text)) == text for text, _ in shown)


def test_the_page_answers_as_the_field_does(study):
    def answer(text: str) -> str:
        try:
            return "; ".join(map(str, study.explain(text).notes))
        except InputError as e:
            return str(e)

    shown = list(rows("Typed", "Answer"))
    assert len(shown) >= 6
    assert [(text, told) for text, told in shown if told not in answer(text)] == []
