"""The first page answers which model, on what it loses and what to do next; every figure of it is one of the study's."""

import re

import pytest

from flowgen_analysis import Workbench
from flowgen_analysis.analysis.compare import LEVEL
from flowgen_analysis.analysis.worth import worth_sentence
from flowgen_analysis.figures.style import percent, signed
from flowgen_analysis.flows.dataset import save_samples
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step
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


# --- every sentence, and where its numbers come from


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """`x` has every step and wrong values, `y` forgets loops, `z` is `y` a little worse, and lacks the last five samples; `w` knows
    loops alone, and where there is none it begins with an ELSE."""
    folder = tmp_path_factory.mktemp("uneven")
    init_project(folder)
    project = Project.open(folder)

    def with_values(flow_: Flow, value: str) -> Flow:
        steps = [s.model_copy(update={"inputs": [Input(name="table", value=value)]}) for s in flow_.components]
        return Flow(components=steps)

    asked = (LOOP, flow("create_record", "log"), flow("send_email", "log", "look_up_records"))
    samples = [
        Sample(id=f"s{i:02d}", requirement=f"Do {i}", expected=[with_values(asked[i % 3], "incident")])
        for i in range(60)
    ]
    save_samples(project.dataset_path("d"), samples)

    def made(model: str, i: int, sample: Sample) -> Flow:
        if model == "x":
            return with_values(sample.reference, "task" if i % 4 else "incident")
        if model == "w":
            return with_values(flow("ELSE", "log"), "incident") if i % 3 else sample.reference
        worse = i % 3 == 0 or (model == "z" and i % 10 == 1)
        return with_values(flow("log"), "incident") if worse else sample.reference

    for model in "wxyz":
        rows = [Generation(sample_id=s.id, model=model, generated=made(model, i, s)) for i, s in enumerate(samples)]
        project.save_run("d", model, rows[:55] if model == "z" else rows)
    return Workbench.open(folder, "d")


def ends(mean, say=percent) -> list[str]:
    return [] if mean.low is None else [say(mean.low), say(mean.high)]


def of_leading(study) -> list[str]:
    mean = study.standing().means[study.models[0]]
    return [percent(mean.mean), *ends(mean), f"{mean.n:,}"]


def of_lacking(study) -> list[str]:
    stand = study.standing()
    return [str(stand.n), *map(str, stand.lacking.values())]


def of_others(study) -> list[str]:
    """The differences of the leader to those it is told from, in the order in which the sentence groups them."""
    told = [r for group in ("higher", "fragile", "lower") for r in study.standing().told(group)]
    rows = {r["b"]: r for r in told}
    said = []
    for name in rows:
        r = rows[name]
        said.append(
            (name, [percent(abs(r["difference"])), *sorted((percent(abs(r[k])) for k in ("low", "high")), key=float)])
        )
    return [figure for _, own in said for figure in own]


def of_loss(study) -> list[str]:
    top = study.top_causes(study.models[0])
    sure = [f"{100 * top.sure:.0f}", "1,000"] if len(top.kinds) > 1 else []
    return [f for s in top.shares for f in (percent(s.mean), *ends(s))] + sure


def of_broken(field: str):
    def of(study) -> list[str]:
        means = {h.model: getattr(h, field) for h in study.headlines}
        order = sorted(means, key=lambda m: (-means[m].mean, m))[:4]
        return [f for m in order for f in (percent(means[m].mean), *ends(means[m]))]

    return of


def of_outlines(study) -> list[str]:
    outline = study.standing("outline")
    return [percent(outline.means[m].mean) for m in (outline.leader, study.models[0])]


def mended(study) -> list[dict]:
    rows = [r for r in study.worth(model=study.models[0]).to_dicts() if r["repair"] in KINDS and r["points"] > 0]
    return sorted(rows, key=lambda r: (-r["points"], r["repair"]))


def of_mending(study) -> list[str]:
    rows = [r for r in study.worth(model=study.models[0]).to_dicts() if r["repair"] in KINDS and r["points"] > 0][:2]
    return [f for r in rows for f in (signed(r["points"]), percent(r["low"]), percent(r["high"]))]


def of_action(study, line: str) -> list[str]:
    [row] = [r for r in mended(study) if f"“{KINDS[r['repair']].lower()}”" in line]
    return [signed(row[k]) for k in ("points", "low", "high")]


def slices(study) -> dict[str, str]:
    subsets = {s.name: " | ".join(s.features) for s in study.registry.subsets}
    return {"all samples": "", **subsets, **{study.registry.feature(f).title: f for f in study.matrix.names}}


def of_lowest(study, line: str) -> list[str]:
    named = re.findall(r"(?:on|,|and) ([^,()]+?) \(mean", line)
    means = [study.mean(study.models[0], slice=slices(study)[n.strip()]) for n in named]
    assert means == sorted(means, key=lambda m: m.mean)
    return [f for m in means for f in (percent(m.mean), str(m.n))]


def of_behind(study, line: str) -> list[str]:
    found = []
    for name in re.findall(r"(?:on|,|and) ([^,()]+?) \(", line):
        means = [study.mean(m, slice=slices(study)[name.strip()]).mean for m in study.models]
        found.append(signed(means[0] - max(means)))
    return found


def of_why(study, line: str, title: str) -> list[str]:
    leader = study.models[0]
    kind = next(k for k, v in KINDS.items() if title.startswith(f"{v}:"))
    top = study.top_causes(leader)
    [part] = [s for k, s in zip(top.kinds, top.shares, strict=True) if k == kind]
    [row] = [r for r in study.causes(model=leader).to_dicts() if r["kind"] == kind]
    told = [percent(part.mean), *ends(part), str(row["met"]), str(row["n"])]
    worth = {r["repair"]: r for r in study.worth(model=leader).to_dicts()}.get(kind)
    told += [signed(worth[k]) for k in ("points", "low", "high")] if worth and worth["points"] > 0 else []
    if costs := re.search(r"It costs most on (.+): ", line):
        inside, outside = (
            next(r for r in study.causes(side, leader).to_dicts() if r["kind"] == kind)
            for side in (slices(study)[costs[1]], f"~({slices(study)[costs[1]]})")
        )
        told += [percent(inside["loss"]), str(inside["n"]), percent(outside["loss"])]
    return told


def alone(of):
    return lambda study, line, title: of(study)


def lined(of):
    return lambda study, line, title: of(study, line)


def nothing(study, line, title) -> list[str]:
    return []


SENTENCES = {
    "who leads": (r"has the highest mean FlowSim on", alone(of_leading)),
    "ranked on fewer": (r"^Models are ranked on the", alone(of_lacking)),
    "against the others": (r"^Paired on the samples that both have", alone(of_others)),
    "closer than FlowSim orders": (r"are closer than", lambda study, line, title: re.findall(r"\d+", worth_sentence())),
    "what it loses by": (r"loses most by", alone(of_loss)),
    "unreadable": (r"^Generations that cannot be read", alone(of_broken("unreadable"))),
    "structure errors": (r"^Readable flows with a structure error", alone(of_broken("structure_errors"))),
    "outlines alone": (r"^On outlines alone", alone(of_outlines)),
    "what to mend": (r"would gain most from", alone(of_mending)),
    "behind nowhere": (r"^On no row below is", lambda study, line, title: [str(LEVEL)]),
    "behind somewhere": (r"is behind the best on", lined(of_behind)),
    "lowest means": (r"^It loses most on", lined(of_lowest)),
    "why": (r"of its loss, met on", of_why),
    "an action": (r"^Mend “", lined(of_action)),
    "to fill up": (r"^Fill up:", lambda study, line, title: [str(h.missing) for h in study.headlines if h.missing]),
    "to make again": (r"^Make again:", nothing),  # in `test_a_stale_run_is_named_in_every_form`
    "what was tried": (r"^Undoing was tried", lambda study, line, title: re.findall(r"\d[\d,]*", study.tried())),
}


def figures_of(study, line: str) -> list[str]:
    """The numbers of a sentence; names of samples, models and features are none."""
    plain = re.sub(r"\bs\d\d\b|\b" + "|".join(map(re.escape, study.models)) + r"\b(?=[ ,.])", " ", line)
    return re.findall(r"[+−]?\d[\d,]*\d(?:\.\d+)?|[+−]?\d(?:\.\d+)?", plain)


def test_every_sentence_of_the_first_page_has_its_numbers_from_the_study(workbench, uneven):
    met = set()
    for wb in (workbench, uneven):
        study, content = wb.study, wb.report_content(samples=0)
        _, first = content.parts()[0]
        lines = [(line, "") for line in content.summary]
        lines += [(line, s.title) for top in first for s in (top, *top.inside) for line in s.said]
        for line, title in lines:
            [(kind, of)] = [(k, of) for k, (pattern, of) in SENTENCES.items() if re.search(pattern, line)]
            met.add(kind)
            assert figures_of(study, line) == of(study, line, title), (kind, line)
    assert met >= SENTENCES.keys() - {"to make again", "what was tried"}, SENTENCES.keys() - met
