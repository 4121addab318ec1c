"""The first page answers which model, on what it loses and what to do next; every figure of it is one of the study's."""

import re

import pytest

from flowgen_analysis import Workbench
from flowgen_analysis.figures.style import percent, signed
from flowgen_analysis.flows.dataset import save_samples
from flowgen_analysis.flows.model import Flow, Generation, Sample, Step
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.reports.content import number
from flowgen_analysis.reports.forms.html import page_html
from flowgen_analysis.reports.forms.latex import page_latex
from flowgen_analysis.reports.forms.markdown import page_markdown
from flowgen_analysis.scoring.kinds import KINDS


def flow(*names: str) -> Flow:
    return Flow(components=[Step(name=n, step=i + 1) for i, n in enumerate(names)])


LOOP = Flow(components=[Step(name="FOREACH", step=1), Step(name="log", step=2, block=1)])


@pytest.fixture(scope="module")
def workbench(tmp_path_factory):
    """`a` forgets loops, `b` forgets mails and is unreadable now and then, `c` forgets half of everything."""
    folder = tmp_path_factory.mktemp("page")
    init_project(folder)
    project = Project.open(folder)
    asked = (LOOP, flow("create_record", "log"), flow("send_email", "log", "look_up_records"))
    samples = [Sample(id=f"s{i:02d}", requirement=f"Do {i}", expected=[asked[i % 3]]) for i in range(72)]
    save_samples(project.dataset_path("d"), samples)

    def made(model: str, i: int, sample: Sample) -> Flow | None:
        expected = sample.expected[0]
        if (model, i % 3) in {("a", 0), ("b", 2)} or (model == "c" and i % 2):
            return flow("log")
        return None if model == "b" and i % 11 == 0 else expected

    for model in "abc":
        rows = [Generation(sample_id=s.id, model=model, generated=made(model, i, s)) for i, s in enumerate(samples)]
        project.save_run("d", model, rows)
    return Workbench.open(folder, "d")


@pytest.fixture(scope="module")
def content(workbench):
    return workbench.report_content(samples=0, title="T", author="Ada", date="2026-11-21")


def of_the_study(study) -> set[str]:
    """Every figure that the first page may print, as it prints it, computed here from the study's own tables."""
    values: list[float | None] = []
    for metric in ("inputs", "outline"):
        for m in study.models:
            values += study.mean(m, metric)[1:4]
    for h in study.headlines:
        values += [v for mean in (h.unreadable, h.structure_errors) for v in mean[1:4]]
    for name in study.matrix.names:
        for slice_ in (name, f"~{name}"):
            values += [v for m in study.models for v in study.mean(m, slice=slice_)[1:4]]
            values += [r[k] for r in study.causes(slice_).to_dicts() for k in ("loss", "low", "high")]
    for subset in study.registry.subsets:
        values += [study.mean(m, slice=" | ".join(subset.features)).mean for m in study.models]
    values += [r[k] for r in study.pairs().to_dicts() for k in ("difference", "low", "high")]
    values += [r[k] for r in study.worth().to_dicts() for k in ("points", "low", "high")]
    for m in study.models:
        values += [v for share in study.top_causes(m).shares for v in share[1:4]]
    shown = {f(v) for v in values if v is not None for f in (percent, signed, lambda x: percent(abs(x)))}
    return {v.lstrip("+−") for v in shown}


def test_every_figure_of_the_first_page_is_the_studys(workbench, content):
    study = workbench.study
    known = of_the_study(study)
    _, first = content.parts()[0]
    said = [*content.summary, *(line for s in first for one in (s, *s.inside) for line in one.said)]
    assert len(said) > 8
    for line in said:
        for figure in re.findall(r"(?<![\w.<])[+−]?(\d+\.\d)(?!\d)", line):
            assert figure in known, (figure, line)


def test_it_answers_three_readers(workbench, content):
    study = workbench.study
    leader = study.models[0]
    where, why, todo = (content.section(n) for n in ("where", "why", "next"))
    assert content.summary[0].startswith(f"{leader} has the highest mean FlowSim")
    rows = {number(r[0]): r for r in where.tables[0].rows}
    for i, m in enumerate(study.models, 2):
        own, best = rows["FOREACH"][i], max(study.mean(x, slice="foreach").mean for x in study.models)
        behind = study.mean(m, slice="foreach").mean - best
        assert own.value == pytest.approx(best if own.mark == "best" else behind)
    assert {c.mark for r in where.tables[0].rows for c in r[2:]} <= {"best", "shown", "hollow"}
    kinds = study.top_causes(leader).kinds
    assert [s.name for s in why.inside] == [
        f"why-{k}" for k, share in zip(kinds, study.top_causes(leader).shares, strict=True) if share.mean
    ]
    for section in why.inside:
        [read] = section.samples
        lost = study.losses().by_sample()
        kind = section.name.removeprefix("why-")
        assert read.sample.id in lost.filter((lost["model"] == leader) & (lost["kind"] == kind))["sample_id"].to_list()
    best = max((r for r in study.worth(model=leader).to_dicts() if r["repair"] in KINDS), key=lambda r: r["points"])
    assert todo.said[0].startswith(
        f"Mend “{KINDS[best['repair']].lower()}” in {leader}: {signed(best['points'])} points"
    )


def test_a_cell_is_filled_only_where_a_test_shows_it(workbench, content):
    study = workbench.study
    rows = {number(r[0]): r for r in content.section("where").tables[0].rows}
    shown = [c for r in rows.values() for c in r[2:] if c.mark == "shown"]
    hollow = [c for r in rows.values() for c in r[2:] if c.mark == "hollow"]
    assert shown
    assert all(c.value < 0 for c in shown)
    asked = study.compare(slices=("foreach",)).to_dicts()
    assert {frozenset((r["a"], r["b"])) for r in asked} == {frozenset("ab"), frozenset("ac"), frozenset("bc")}
    assert 'class="cell-shown"' in page_html(content)
    assert not hollow or 'class="cell-hollow"' in page_html(content)


def test_title_author_and_date_stand_in_every_form(content):
    for told in (page_html(content), page_markdown(content), page_latex(content)):
        assert all(text in told for text in ("Ada", "2026")), told[:200]
    assert "@page" in page_html(content)
    assert "counter(pages)" in page_html(content)


def test_only_the_bundled_test_stands_beside_the_paper(content):
    assert content.section("paper") is None
    assert not any(t.place for t in content.tables())
    assert "the paper's" not in page_html(content).split("<footer>")[0]


def test_charts_are_pictures_beside_markdown(workbench, tmp_path):
    path = workbench.report(tmp_path / "r.md", samples=0)
    named = re.findall(r"\]\((r_charts/[\w-]+\.svg)\)", path.read_text())
    assert len(named) >= 3
    assert all((tmp_path / name).read_text().startswith("<svg") for name in named)
