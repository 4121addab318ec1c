"""Write to the files of one project beside somebody else: `python writers.py FOLDER WHO COUNT KIND...`."""

import sys
from pathlib import Path

from flowgen_analysis.analysis.saved import SavedSlice, change_slices, with_slice
from flowgen_analysis.features.journal import Tag, append_tags
from flowgen_analysis.features.registry import Feature, add_feature
from flowgen_analysis.reports.findings import Findings, finding


def slices(root: Path, who: str, n: int) -> None:
    new = SavedSlice(f"{who} {n}", "", "foreach")
    change_slices(root / "slices.toml", lambda there: with_slice(there, new))


def findings(root: Path, who: str, n: int) -> None:
    Findings(root / "findings").add(finding("note", "Loops", f"{who} {n}"))


def features(root: Path, who: str, n: int) -> None:
    add_feature(root / "features.toml", Feature(f"{who}_{n}", "t", "Blocks", "d", False))


def tags(root: Path, who: str, n: int) -> None:
    append_tags(root / "j.jsonl", [Tag(by=who, sample_id=str(n), feature="foreach", value=True)])


def order(root: Path, who: str, n: int) -> None:
    Findings(root / "order").reorder([2, 3, 1])


if __name__ == "__main__":
    folder, name, count, *kinds = sys.argv[1:]
    for i in range(int(count)):
        for kind in kinds:
            globals()[kind](Path(folder), name, i)
