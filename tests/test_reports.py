"""Reports: every form from one content, the same bytes for the same inputs, safe whatever is in the data, and comparable."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import polars as pl
import pytest
from everything_written import write_everything
from markdown_it import MarkdownIt
from shared import ROOT
from shell import flowgen

from flowgen_analysis import Workbench
from flowgen_analysis.analysis.compare import NULL
from flowgen_analysis.flows.dataset import load_samples, save_samples
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.reports.build import summary
from flowgen_analysis.reports.carried import load_report
from flowgen_analysis.reports.content import PARTS, number
from flowgen_analysis.reports.differences import compare_reports
from flowgen_analysis.reports.forms.html import page_html, sample_flows
from flowgen_analysis.reports.forms.notebook import cells as notebook_cells
from flowgen_analysis.reports.write import FORMS, write_report

DATE = "2026-11-20"
MEGABYTE = 1_000_000
TEXTS = ("html", "md", "tex", "json")
HOSTILE = [
    "<script>alert(1)</script>", r"\input{/etc/passwd} \end{table} \write18{ls}", "100% & a_b #c $x$ ~ ^ {", '=HYPERLINK("x")', "+1+1",
    "-2+3", "@SUM(A1)", "\t=1", "\r=1", "| a | b |\n| - |", "```\n</details>", "🙂 日本 \u202e \x07", "W" * 3000, "[x](javascript:a)",
]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The bundled project, with the runs of the offline baselines."""
    folder = tmp_path_factory.mktemp("reports") / "project"
    init_project(folder, demo=True)
    Workbench.open(folder, "test")
    return folder


@pytest.fixture(scope="module")
def workbench(project):
    wb = Workbench.open(project, "test")
    assert len(wb.scores.frame) == 216
    return wb


def content_of(wb, known={}):  # noqa: B006
    """What its report says, made once for all tests; none of them changes it."""
    made = known.get(id(wb))
    return made or known.setdefault(id(wb), wb.report_content(date=DATE, samples=2))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A workbench in which every text would break out of its place if it could."""
    folder = tmp_path_factory.mktemp("hostile")
    init_project(folder)

    def flow(text):
        step = Step(name=text, annotation=text, step=1, inputs=[Input(name=text, value=text)])
        return Flow(trigger=Trigger(type=text, inputs=[Input(name="condition", value=text)]), components=[step])

    samples = [Sample(id=f"{text}{i}", requirement=text, expected=[flow(text)]) for i, text in enumerate(HOSTILE * 2)]
    project = Project.open(folder)
    save_samples(project.dataset_path("bad"), samples)
    for model in ("=m & <b>_", r"\n{o}"):
        made = {"note": HOSTILE[1], HOSTILE[0]: HOSTILE[2]}
        rows = [
            Generation(
                sample_id=s.id, model=model, generated=flow("x") if i % 2 else None, error=s.requirement, made=made
            )
            for i, s in enumerate(samples)
        ]
        project.save_run("bad", model, rows)
    wb = Workbench.open(folder, "bad")
    wb.keep("slice", HOSTILE[1], "\n\n".join(HOSTILE))
    return wb


def test_a_bundled_report_is_small(workbench, tmp_path):
    path = workbench.report(tmp_path / "r.html", date=DATE)
    assert path.stat().st_size < 6 * MEGABYTE


def test_sections_without_data_are_left_out_with_a_reason(workbench):
    content = content_of(workbench)
    left = dict(content.left_out)
    assert {"Tokens (Table 2)", "Retrieval or model (Table 3)", "Human agreement (Table 6)"} <= set(left)
    assert all(left.values())
    shown = {s.name for s in content.every_section()}
    assert {
        "where",
        "why",
        "next",
        "compared",
        "headline",
        "structure",
        "validated",
        "matrix",
        "subsets",
        "features",
        "causes",
        "behind",
    } <= shown
    assert "no slice stands out from chance" in left["What each model fails at"]


def everything_written(project, folder, seed, *forms):
    """The bytes of all that a process with this hash seed, and another number of threads, writes on the project."""
    threads = str((1, 2, 3, 4, 7, 8)[seed % 6])
    several = {f"{name}_THREADS": threads for name in ("POLARS_MAX", "OMP_NUM", "OPENBLAS_NUM", "NUMBA_NUM")}
    command = [sys.executable, ROOT / "tests/everything_written.py", project, folder / str(seed), DATE, *forms]
    made = os.environ | several | {"PYTHONHASHSEED": str(seed)}
    subprocess.run(command, check=True, capture_output=True, env=made)
    return files_of(folder / str(seed))


def files_of(folder):
    """What stands in its reports, by name."""
    reports = folder / "reports"
    return {str(f.relative_to(reports)): f.read_bytes() for f in sorted(reports.rglob("*")) if f.is_file()}


def test_the_same_inputs_give_the_same_bytes(project, tmp_path):
    """Here, and in a process with another hash seed and another number of threads: reports, what commands print, a finding."""
    forms = (*TEXTS, "zip")
    with contextlib.chdir(tmp_path):
        write_everything(project, tmp_path / "here", DATE, forms)
    first, other = files_of(tmp_path / "here"), everything_written(project, tmp_path, 1, *forms)
    assert {f"report.{form}" for form in forms} < first.keys()
    assert sum(name.endswith(".svg") for name in first) > 3
    assert first.keys() == other.keys()
    assert [name for name in first if first[name] != other[name]] == []


@pytest.mark.verify
def test_thirty_processes_write_the_same_bytes(project, tmp_path):
    """In every form there is, findings and a comparison with them."""
    first, *rest = (everything_written(project, tmp_path, seed, *sorted(f[1:] for f in FORMS)) for seed in range(30))
    assert {f"report{form}" for form in FORMS} < first.keys()
    for seed, other in enumerate(rest, 1):
        assert [name for name in first if first[name] != other[name]] == [], seed


_GROUPED = """
import hashlib, numpy as np, polars as pl
from flowgen_analysis.scoring.grouping import group_means
rng = np.random.default_rng(0)
frame = pl.DataFrame({"model": rng.integers(0, 6, 300_000), "score": rng.random(300_000)})
own = frame.group_by("model", maintain_order=True).agg(pl.col("score").mean())
for found in (own, group_means(frame, ["model"], "score")):
    print(hashlib.sha256(repr(found.rows()).encode()).hexdigest())
"""


def test_sums_of_groups_do_not_depend_on_the_threads():
    """polars' own do."""
    said = []
    for threads in "147":
        command, several = [sys.executable, "-c", _GROUPED], os.environ | {"POLARS_MAX_THREADS": threads}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=several)
        said.append(done.stdout.split())
    polars_own, ours = (set(column) for column in zip(*said, strict=True))
    assert len(ours) == 1 < len(polars_own)


def test_a_pdf_is_the_same_every_time(workbench, tmp_path):
    content = content_of(workbench)
    made = [write_report(content, tmp_path / f"{i}.pdf").read_bytes() for i in range(2)]
    assert made[0].startswith(b"%PDF")
    assert made[0] == made[1]


def test_without_a_browser_a_pdf_says_what_to_install(workbench, tmp_path, monkeypatch):
    for name in ("FLOWGEN_CHROMIUM", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match="apt-get install chromium"):
        workbench.report(tmp_path / "r.pdf")
    assert not (tmp_path / "r.pdf").exists()


def test_the_notebook_rebuilds_the_report(project, workbench):
    nbformat = pytest.importorskip("nbformat")
    path = workbench.report(project / "reports" / "r.ipynb", date=DATE, samples=2)
    book = nbformat.read(path, 4)
    nbformat.validate(book)
    code = [c for c in book.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in code)
    assert not [o for c in code for o in c.outputs if o.output_type == "error"]
    assert str(project) not in path.read_text()
    assert sum("text/html" in o.get("data", {}) for c in code for o in c.outputs) >= 8


def check_latex(text):
    """Braces, environments and cells of rows come out even, as pdflatex would want them."""
    plain = re.sub(r"\\[\\{}$&#%_]", "", text)
    assert plain.count("{") == plain.count("}")
    assert "$" not in plain.split(r"\begin{document}")[1]
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", plain):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []


@pytest.mark.parametrize("which", ["workbench", "hostile"])
def test_latex_is_well_formed(which, request, tmp_path):
    text = write_report(content_of(request.getfixturevalue(which)), tmp_path / "r.tex").read_text()
    check_latex(text)
    assert r"\input" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not on this machine")
@pytest.mark.parametrize("which", ["workbench", "hostile"])
def test_latex_compiles(which, request, tmp_path):
    path = write_report(content_of(request.getfixturevalue(which)), tmp_path / "r.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


@pytest.mark.parametrize("which", ["workbench", "hostile"])
def test_markdown_renders(which, request, tmp_path):
    content = content_of(request.getfixturevalue(which))
    page = MarkdownIt("commonmark").enable("table").render(write_report(content, tmp_path / "r.md").read_text())
    assert page.count("<table>") >= len(content.tables())
    named = [s for s in content.sections if s.title != PARTS[s.part]]  # the others stand below the head of their part
    below = sum(len(s.inside) for s in content.sections if s not in named)
    assert page.count("<h2>") == len(named) + below + bool(content.samples) + bool(content.left_out) + 1
    outside_notes = re.sub(r"<blockquote>.*?</blockquote>", "", page, flags=re.DOTALL)
    assert "<script" not in outside_notes
    assert "href=" not in outside_notes
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        assert row.count("<td") <= 12


def test_no_cell_of_an_exported_table_is_a_formula(hostile, tmp_path):
    path = hostile.report(tmp_path / "tables.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        tables = {n: list(csv.reader(io.StringIO(archive.read(n).decode()))) for n in names if n.endswith(".csv")}
        frames = {n: pl.read_parquet(io.BytesIO(archive.read(n))) for n in names if n.endswith(".parquet")}
    assert len(tables) == len(frames) > 10
    for rows in tables.values():
        for cell in (c for row in rows for c in row):
            number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
            assert number or not cell.lstrip().startswith(("=", "+", "-", "@")), cell
    assert any(cell.startswith("'=HYPERLINK") for rows in tables.values() for row in rows for cell in row)
    assert sorted(n.rsplit(".", 1)[0] for n in tables) == sorted(n.rsplit(".", 1)[0] for n in frames)


def test_a_hundred_samples_stay_small(workbench, tmp_path):
    content = workbench.report_content(samples=100)
    path = write_report(content, tmp_path / "r.html")
    assert path.stat().st_size < 10 * MEGABYTE
    assert len(content.samples) > 50
    assert sum(f is not None for f in sample_flows(content.samples, content.models, 100_000)) < 10


@pytest.mark.verify
def test_ten_thousand_samples_stay_small(tmp_path):
    init_project(tmp_path)
    project = Project.open(tmp_path)
    bundled = load_samples(ROOT / "datasets" / "test.jsonl")
    samples = [s.model_copy(update={"id": f"{s.id}-{i}"}) for i in range(93) for s in bundled][:10_000]
    save_samples(project.dataset_path("large"), samples)
    for k, model in enumerate("ab"):
        rows = [
            Generation(sample_id=s.id, model=model, generated=samples[(i + k + 1) % 10_000].reference)
            for i, s in enumerate(samples)
        ]
        project.save_run("large", model, rows)
    path = Workbench.open(tmp_path, "large").report(tmp_path / "r.html", date=DATE)
    assert path.stat().st_size < 10 * MEGABYTE
    assert len(load_report(path)["samples"]) == 10_000


def test_findings_are_remade_and_say_what_changed(tmp_path):
    init_project(tmp_path)
    project = Project.open(tmp_path)
    log, loop = (
        Flow(components=[Step(name="log", step=1)]),
        Flow(components=[Step(name="FOREACH", step=1), Step(name="log", step=2, block=1)]),
    )
    samples = [Sample(id=f"s{i:02d}", requirement="r", expected=[loop if i < 14 else log]) for i in range(30)]
    save_samples(project.dataset_path("d"), samples)

    def run(flow):
        project.save_run("d", "m", [Generation(sample_id=s.id, model="m", generated=flow) for s in samples])
        return Workbench.open(tmp_path, "d")

    wb = run(log)
    shown = {
        "kind": "slice",
        "title": "Loops",
        "slice": "foreach",
        "metric": "inputs",
        "models": ["m"],
        "state": "a text",
    }
    assert wb.keep(shown, note="Look **here**.") == "kept in reports/findings/01-loops.md"
    wb.keep("slice", "Logs", slice="~foreach")
    wb.findings.reorder([2, 1])
    assert [f.title for f in wb.findings.list()] == ["Logs", "Loops"]
    wb = run(loop)
    page = wb.report(tmp_path / "r.md").read_text()
    assert page.index("## Logs") < page.index("## Loops")
    assert "means moved: m +33.3" in page
    assert "> Look **here**." in page
    shutil.rmtree(project.run_path("d", "m").with_suffix(""))  # the version before
    project.run_path("d", "m").rename(project.run_path("d", "m").with_name("n.jsonl"))
    text = project.run_path("d", "n").read_text().replace('"model": "m"', '"model": "n"')
    project.run_path("d", "n").write_text(text)
    left = dict(Workbench.open(tmp_path, "d").report_content().left_out)
    assert left["Finding: Loops"] == "models: m has no run"


def test_a_bad_finding_ends_in_one_line(project, tmp_path):
    folder = project / "reports" / "findings"
    folder.mkdir(parents=True, exist_ok=True)
    bad = folder / "09-bad.md"
    bad.write_text("---\ntitle: x\nkind: slice\nslice: foreach &\n---\n")
    try:
        done = flowgen("report", "test", "-C", project, "-o", tmp_path / "r.html")
    finally:
        bad.unlink()
    assert (done.returncode, done.stdout) == (2, "")
    assert "09-bad.md:4 slice: is 'foreach &'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_two_reports_are_compared(workbench, tmp_path):
    old = write_report(content_of(workbench), tmp_path / "old.html")
    new = workbench.report(tmp_path / "new.json")
    done = flowgen("report", "--compare", old, new, "-o", tmp_path / "d.html", "--json")
    told = json.loads(done.stdout)
    assert told["summary"][0].startswith("Nothing changed: all 216 generations of ")
    assert told["rows"] == []
    assert (tmp_path / "d.html").stat().st_size < MEGABYTE


def test_writers_share_one_content(workbench, tmp_path):
    content = content_of(workbench)
    best = content.section("headline").tables[0].rows[0]
    shown = f"{100 * best[4].value:.1f}"
    for form in ("html", "md", "tex"):
        assert shown in write_report(content, tmp_path / f"r.{form}").read_text()


# -- one question, one answer: the first page, the sections, the screens


def cells(row):
    return [number(cell) for cell in row]


def table_of(content, name):
    return next(t for t in content.tables() if t.name == name)


def with_runs(project, folder, changed):
    """A copy of the project in which `changed` says for each model which of its generations are kept."""
    shutil.copytree(project, folder)
    copy = Project.open(folder)
    for run in Workbench.open(folder, "test").runs:
        if run.model in changed:
            copy.save_run("test", run.model, changed[run.model](run.generations))
    return Workbench.open(folder, "test")


@pytest.fixture(scope="module")
def flattered(project, workbench, tmp_path_factory):
    """`rules` made only the 24 samples on which it is best."""
    column = workbench.study.index().column("rules")
    best = {workbench.study.index().samples[i] for i in sorted(range(len(column)), key=lambda i: -column[i])[:24]}
    kept = {"rules": lambda rows: [g for g in rows if g.sample_id in best]}
    return with_runs(project, tmp_path_factory.mktemp("flattered") / "p", kept)


@pytest.fixture(scope="module")
def lacking(project, tmp_path_factory):
    """`rules` lacks ten samples: few enough to be ranked on those that both have."""
    return with_runs(project, tmp_path_factory.mktemp("lacking") / "p", {"rules": lambda rows: rows[10:]})


@pytest.fixture(scope="module")
def deployed(workbench, tmp_path_factory):
    """The bundled samples in six deployments, and three models: one of them leaves every ninth answer unreadable."""
    folder = tmp_path_factory.mktemp("deployed")
    init_project(folder)
    made = Project.open(folder)
    samples = [s.model_copy(update={"environment": f"e{i % 6}"}) for i, s in enumerate(workbench.samples)]
    save_samples(made.dataset_path("six"), samples)
    answers = {run.model: {g.sample_id: g.generated for g in run.generations} for run in workbench.runs}
    answers["torn"] = {i: None if k % 9 == 0 else f for k, (i, f) in enumerate(answers["nearest"].items())}
    for model, flows in answers.items():
        made.save_run(
            "six", f"{model}-6", [Generation(sample_id=i, model=f"{model}-6", generated=f) for i, f in flows.items()]
        )
    wb = Workbench.open(folder, "six")
    wb.keep("slice", "Loops", slice="foreach")
    wb.keep("comparison", "Two", models=["nearest-6", "rules-6"])
    return wb


_MEAN = r"([\d.]+)(?: \[([\d.]+), ([\d.]+)\])?"
_GROUPS = {
    "is ahead of": {"higher", "fragile"},
    "is behind": {"lower", "fragile"},
    "cannot be told apart from": {"no difference shown"},
    "differs from": {"too few to tell"},
}


def near(said, cell):
    """Whether a sentence and a cell have the same figures; a half may be rounded either way by the check itself."""
    own = [None if v is None else abs(100 * v) for v in (cell.value, cell.low, cell.high)]
    told = [None if v is None else float(v) for v in said]
    ends = sorted(v for v in own[1:] if v is not None)
    pairs = [(own[0], told[0]), *zip(ends, [v for v in told[1:] if v is not None], strict=False)]
    return all(abs(a - b) <= 0.0501 for a, b in pairs)


def check_leader(content):
    """The first sentence against the headline table."""
    found = re.match(
        rf"(.+?) (?:has|have) the highest mean FlowSim on (\S+): {_MEAN} over ([\d,]+) samples", content.summary[0]
    )
    assert found, content.summary[0]
    table = table_of(content, "headline")
    first = next(r for r in table.rows if number(r[0]) == found[2])
    assert number(first[1]) in found[1], "the first row is the leader's"
    assert near(found.groups()[2:5], first[-1])
    assert found[6] == f"{first[-1].n:,}"
    return number(first[1])


def check_pairs(content, leader):
    """The sentence on the others against the paired tables, and those against each other."""
    [said] = [s for s in content.summary if s.startswith("Paired on")]
    parts = dict.fromkeys(_GROUPS, "")
    for part in re.split(rf"(?:, | and |{re.escape(leader)} )(?={'|'.join(_GROUPS)})", said)[1:]:
        group = next(g for g in _GROUPS if part.startswith(g))
        parts[group] += part
    rows = {number(r[0]): r for r in table_of(content, "paired").rows}
    assert set(rows) == set(content.models) - {leader}
    for other, row in rows.items():
        [group] = [g for g, text in parts.items() if re.search(rf"(?<![\w-]){re.escape(other)}(?![\w-])", text)]
        assert number(row[7]) in _GROUPS[group], (other, said)
        if by := re.search(rf"{re.escape(other)} by {_MEAN}", said):
            assert near(by.groups(), row[2])
            assert (row[2].value > 0) == (group == "is ahead of")
            assert row[4].value < 0.05
    against = content.section("behind")
    other = against.title.removeprefix("Against ")
    [whole] = [r for r in table_of(content, "behind").rows if number(r[0]) == "all samples"]
    assert cells(whole)[1:8] == cells(rows[other])[1:8], "one question has one q"


def check_causes(content, leader):
    """By what the leader loses: the same sentence, and the figures of the table."""
    [said] = [s for s in content.summary if s.startswith(f"{leader} loses most by")]
    assert said in content.section("causes").said
    rows = {number(r[1]).lower(): r for r in table_of(content, "causes").rows if number(r[0]) == leader}
    named = re.findall(r"(?:by|,|and) ([a-z ]+?) \(([\d.]+)%(?: \[([\d.]+), ([\d.]+)\])? of its loss\)", said)
    assert len(named) == min(3, len([r for r in rows.values() if r[4].value]))
    for cause, *share in named:
        assert near([v or None for v in share], rows[cause][4]), cause


def check_broken(content):
    """Shares of what is broken against the table of structure errors."""
    rows = {number(r[0]): r for r in table_of(content, "structure").rows}
    for start, column in (("Generations that cannot be read: ", 3), ("Readable flows with a structure error: ", 2)):
        said = next((s for s in content.summary if s.startswith(start)), "")
        for model, row in rows.items():
            found = re.search(rf"(?<![\w-]){re.escape(model)} ([\d.]+)%(?: \[([\d.]+), ([\d.]+)\])?", said)
            assert found or not row[column].value, (model, said)
            assert not found or near(found.groups(), row[column])


@pytest.mark.parametrize("which", ["workbench", "flattered", "lacking", "deployed"])
def test_no_later_page_contradicts_the_first(which, request):
    content = content_of(request.getfixturevalue(which))
    leader = check_leader(content)
    check_pairs(content, leader)
    check_causes(content, leader)
    check_broken(content)
    assert content.models[0] == leader


def test_a_model_that_made_what_suits_it_does_not_lead(flattered):
    content = content_of(flattered)
    assert re.match(rf"nearest has the highest mean FlowSim on test: {_MEAN} over 108 samples", content.summary[0])
    assert content.summary[1] == "Not ranked, for scores on too few samples: rules (24)."
    assert "nearest is behind rules by" in content.summary[2], "on the 24 samples that both have, it is"
    assert not any("cannot be told apart from rules" in s for s in content.summary)
    assert content.models == ("nearest", "rules")
    note = next(cells(r)[-1] for r in table_of(content, "runs").rows if number(r[0]) == "rules")
    assert note.startswith("nothing for 84 samples; baseline")


@pytest.mark.parametrize("which", ["workbench", "flattered", "lacking"])
def test_means_over_different_samples_are_not_marked(which, request, tmp_path):
    wb = request.getfixturevalue(which)
    content = content_of(wb)
    marks = [c.mark for t in content.tables() for row in t.rows for c in row if c.mark in ("best", "second")]
    lacks = {
        "workbench": "",
        "flattered": "rules has scores on 24 of 108 samples",
        "lacking": "rules has scores on 98 of 108 samples",
    }
    assert bool(marks) == (which == "workbench")
    assert lacks[which] in table_of(content, "headline").note
    assert ("different samples" in table_of(content, "subsets").note) == (which != "workbench")
    assert ("<b>Best</b>" in wb.subsets()) == (which == "workbench")
    page = write_report(content, tmp_path / "r.md").read_text()
    assert bool(re.search(r"\| \*\*[\d.]+\*\*", page)) == (which == "workbench")


def test_a_stale_run_is_named_in_every_form(project, tmp_path):
    shutil.copytree(project, tmp_path / "p")
    copy = Project.open(tmp_path / "p")
    first, *rest = copy.samples("test")
    save_samples(copy.dataset_path("test"), [first.model_copy(update={"requirement": "Do nothing at all."}), *rest])
    wb = Workbench(copy, "test")
    assert all("stale" in wb.notes[m] for m in ("nearest", "rules"))
    content = wb.report_content(samples=0)
    assert [s for s in content.summary if "is stale" in s] == [
        f"The run of {m} is stale: {wb.study.stale[m]}." for m in wb.study.stale
    ]
    assert all("stale" in cells(row)[-1] for row in table_of(content, "runs").rows)
    assert set(wb.study.stale) == {"nearest", "rules"}
    texts = {form: write_report(content, tmp_path / f"r.{form}").read_text() for form in ("html", "md", "tex", "json")}
    texts |= {"pdf": page_html(content, 0), "app": "\n".join(summary(wb.study))}
    with zipfile.ZipFile(write_report(content, tmp_path / "r.zip")) as archive:
        texts |= {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith(("runs.csv", "report.json"))
        }
    texts["folder"] = next(write_report(content, tmp_path / "tables").glob("*runs.csv")).read_text()
    texts["compared"] = "\n".join(compare_reports(content.data, content.data).summary)
    assert len(texts) == 10
    for form, text in texts.items():
        for model, why in wb.study.stale.items():
            assert re.search(rf"{model}[^\n]*stale: {why[:20]}|stale: {why[:20]}", text), (form, model)
    printed = [source for kind, source in notebook_cells(content, "..", {}) if kind == "code"]
    assert any("report.summary" in source for source in printed), "a notebook prints the first page"


def test_deployments_are_named_where_they_are_the_draws(deployed, workbench):
    content, plain = content_of(deployed), content_of(workbench)
    named = {t.name for t in content.tables() if "Intervals and tests by deployment (6 of them)." in t.note}
    assert {
        "headline",
        "paired",
        "structure",
        "subsets",
        "causes",
        "perfect",
        "behind",
        "finding_1",
        "finding_2",
    } <= named
    assert ("Independent", "6 deployments") in content.facts
    assert "the interval by deployment" in content.summary[0]
    assert not any("deployment" in t.note for t in plain.tables())
    assert not any("deployment" in s for s in plain.summary)


def test_the_figures_of_a_finding_are_those_of_its_slice(deployed):
    study, content = deployed.study, content_of(deployed)
    rows = {number(r[0]): r for r in table_of(content, "finding_1").rows}
    for one in study.profile("foreach").models:
        cell = rows[one.model][2]
        assert (cell.value, cell.low, cell.high, cell.n) == (
            one.inside.mean,
            one.inside.low,
            one.inside.high,
            one.inside.n,
        )
    [told] = table_of(content, "finding_2").rows
    row = study.compare(("nearest-6",), "rules-6").to_dicts()[0]
    assert (told[2].value, told[2].low, told[2].high) == (row["difference"], row["low"], row["high"])


def test_what_p_means_is_said_once(workbench, deployed):
    for wb in (workbench, deployed):
        content = content_of(wb)
        said = [s for section in content.every_section() for s in (*section.said, *(t.note for t in section.tables))]
        assert sum(NULL in s for s in said) == 1
        assert NULL in content.section("headline").said[-1]
