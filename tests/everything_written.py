"""Write everything that leaves the program on one project: `python everything_written.py PROJECT FOLDER DATE FORM...`."""

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from flowgen_analysis import Workbench
from flowgen_analysis.cli.main import main
from flowgen_analysis.reports.write import write_report

COMMANDS = {
    "score": ["score", "test", "--references", "best"],
    "causes": ["score", "test", "--explain"],
    "matrix": ["matrix", "test"],
    "slices": ["slices", "test", "-s", "foreach", "-s", "steps > 5"],
    "compare": ["compare", "test", "-s", "", "-s", "foreach"],
    "discover": ["discover", "test"],
}


def write_everything(project: Path, folder: Path, date: str, forms: Sequence[str]) -> None:
    """A report in these forms, every command's JSON and a kept finding, in a copy of the project at `folder`."""
    shutil.copytree(project, folder)
    os.chdir(folder)
    wb = Workbench.open(".", "test")
    wb.keep("comparison", "The two", models=["nearest", "rules"])
    wb.keep("cause", "Steps", slice="foreach", cause="missing_step")
    content, more = wb.report_content(date=date), {"scores": wb.scores.frame, "matrix": wb.table()}
    for form in forms:
        write_report(content, f"reports/report.{form}", more=more, project=Path("."), options={"date": date})
    changes = wb.changes("nearest", "rules").content
    for form in (f for f in forms if f not in ("zip", "ipynb", "pdf")):
        write_report(changes, f"reports/changes.{form}")
    for name, command in COMMANDS.items():
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert main([*command, "--json"]) == 0, name
        Path(f"reports/{name}.json").write_text(said.getvalue())
    wb.keep("slice", "Loops", "They lose most.", slice="foreach")


if __name__ == "__main__":
    write_everything(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
