"""The tagger and the rater without a browser: hostile text, several writers, crashes, the real dataset."""

import json
import multiprocessing
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import ROOT, examples
from tag_child import code_forever, tag_forever, write_many
from work import lines_run

from flowgen_analysis.analysis.agreement import load_ratings
from flowgen_analysis.features.journal import disagreements, load_journal, verdicts
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.features.tagbook import TagBook
from flowgen_analysis.flows.dataset import Run
from flowgen_analysis.flows.model import Flow, Generation, Input, Sample, Step, Trigger
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.scoring.scores import score_runs
from flowgen_analysis.widgets.rater import Rater, ratings_path
from flowgen_analysis.widgets.tagger.states import KEYS, TAKEN, assign_keys
from flowgen_analysis.widgets.tagger.tagger import Tagger

EVIL = "<img src=x onerror=alert(1)>\"'\u202e{{x}}%{y}\n" + "w" * 10_000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    init_project(tmp_path)
    return Project(tmp_path)


def samples(n: int) -> list[Sample]:
    flow = Flow(trigger=Trigger(type="daily"), components=[Step(name="FOREACH", step=1)])
    return [Sample(id=f"s{i}", requirement=f"requirement {i}", expected=[flow]) for i in range(n)]


def listening(widget: Tagger | Rater) -> list[dict]:
    """The answers that the page of a widget would get."""
    answers: list[dict] = []
    handle = widget.handle

    def heard(event: dict) -> list[dict]:
        found = handle(event)
        answers.extend(found)
        return found

    widget.handle = heard
    return answers


def test_keys_of_the_paper_features_are_their_own_and_never_a_command():
    registry = Registry.load(ROOT / "feature_matrices" / "features.toml")
    keys = assign_keys(registry.features)
    assert sorted(keys) == sorted(registry.names)
    assert len(set(keys.values())) == len(keys)
    assert set(keys.values()) <= set(KEYS) - set(TAKEN)
    assert keys["foreach"] == "f"


words = st.tuples(
    st.sampled_from(["ana", "ben"]), st.sampled_from(["s0", "s1"]), st.sampled_from(["foreach", "log"]),
    st.sampled_from([True, False, None, "undo", "note"]),
)  # fmt: skip


@settings(max_examples=examples(20, 60), deadline=None)
@given(said=st.lists(words, max_size=25))
def test_books_of_two_people_say_what_the_journal_says(said, tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "j.jsonl"
    books = {by: TagBook(path, by) for by in ("ana", "ben")}
    for by, sample, feature, value in said:
        if value == "undo":
            before = len(books[by].lines)
            assert len(books[by].undo()) <= max(1, len(books[by].lines) - before)
        elif value == "note":
            books[by].note(sample, feature)
        else:
            books[by].say([(sample, feature, value, None)])
    tags = load_journal(path).tags
    for book in books.values():
        book.refresh()
        assert book.tags == tags
        assert book.disagreements() == disagreements(tags)
        cells = verdicts(tags)
        for sample in ("s0", "s1"):
            for feature in ("foreach", "log"):
                assert book.cell(sample, feature) == cells.get((sample, feature))


@given(said=st.lists(st.tuples(st.sampled_from(["foreach", "log"]), st.sampled_from([True, False, None])), max_size=12))
@settings(max_examples=examples(15, 40), deadline=None)
def test_undoing_everything_leaves_no_word(said, tmp_path_factory):
    book = TagBook(tmp_path_factory.mktemp("book") / "j.jsonl", "ana")
    for feature, value in said:
        book.say([("s0", feature, value, None)])
    for _ in said:
        assert book.undo()
    assert book.undo() == []
    assert verdicts(book.tags) == {}
    assert len(book.lines) == 2 * len(said)


def processes():
    """A server that has imported what a tagger needs and starts processes of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tag_child"])
    return context


def test_two_processes_that_tag_at_once_lose_nothing(tmp_path):
    path, context = tmp_path / "j.jsonl", processes()
    writers = [context.Process(target=write_many, args=(path, by, 100)) for by in ("ana", "ben", "cy")]
    for w in writers:
        w.start()
    for w in writers:
        w.join(60)
    assert [w.exitcode for w in writers] == [0, 0, 0]
    tags = load_journal(path).tags
    assert sorted((t.by, t.sample_id) for t in tags) == sorted(
        (by, f"s{i}") for by in ("ana", "ben", "cy") for i in range(100)
    )
    assert [line.number for line in TagBook(path, "ana").lines] == list(range(1, 301))


@pytest.mark.parametrize("after", [0.05, 0.2])
def test_a_killed_process_takes_nothing_that_was_done(tmp_path, after):
    path, shown = tmp_path / "j.jsonl", tmp_path / "shown"
    process = processes().Process(target=tag_forever, args=(path, shown))
    process.start()
    while not shown.exists() or not shown.stat().st_size:
        time.sleep(0.01)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    done = [int(x) for x in shown.read_text().split("\n")[:-1]]
    lines = [line.number for line in TagBook(path, "ana").lines]
    assert done
    assert set(done) <= set(lines)


def test_two_people_who_code_at_once_lose_nothing_and_see_where_they_differ(tmp_path):
    path, context = tmp_path / "j.jsonl", processes()
    people = [context.Process(target=code_forever, args=(path, tmp_path / by, by, "gpt")) for by in ("ana", "ben")]
    for p in people:
        p.start()
    for p in people:
        p.join(60)
    assert [p.exitcode for p in people] == [0, 0]
    book = TagBook(path, "cy")
    assert len(book.lines) == 202
    assert [len(book.codes.words((f"s{i}", "gpt", 0), "short")) for i in range(100)] == [2] * 100
    assert set((tmp_path / "ana").read_text().split()) <= {str(line.number) for line in book.lines}
    TagBook(path, "ben").code(("s0", "gpt", 0), [("short", False)])
    book.refresh()
    assert book.codes.verdict(("s0", "gpt", 0), "short") is None


def test_a_large_journal_loses_a_bad_line_and_half_of_the_last_and_names_them(tmp_path):
    path = tmp_path / "j.jsonl"
    line = '{"at": "2026-01-31T09:30:00Z", "by": "ana", "sample_id": "t-%03d", "feature": "f%d", "value": true, "was": null, "note": ""}'
    lines = [line % (i % 108, i // 108 % 24) for i in range(200_000)]
    lines[99_999] = '{"at": "2026'
    path.write_text("\n".join(lines) + '\n{"at": "20')
    book = TagBook(path, "ben")
    assert len(book.lines) == 199_999
    assert [p.split(" ")[0] for p in book.problems] == [f"{path}:100000:"]
    assert "half a line of 10 bytes" in load_journal(path, strict=False).torn
    assert book.say([("t-001", "f1", False, None)])[0].number == 200_001


def test_people_who_add_features_at_once_both_get_theirs(project):
    both = [Tagger(project, "test", samples(2), Registry.load(project.registry_path), by) for by in ("ana", "ben")]
    answers = [listening(t) for t in both]
    for i, tagger in enumerate(both):
        for name in ("one", "two"):
            tagger.handle({"type": "feature", "name": f"{name}_{i}", "title": name, "theme": "New", "description": "d"})
    assert [a["error"] for said in answers for a in said] == [""] * 4
    for tagger in both:
        tagger.handle({"type": "refresh"})
        assert tagger.registry.names[-4:] == ["one_0", "two_0", "one_1", "two_1"] == tagger.matrix().names[-4:]


def test_messages_that_come_in_several_threads_are_all_done(project):
    """Lab hands the messages of a page to threads of the kernel, two at a time if it likes."""
    tagger = Tagger(project, "test", samples(4), Registry.load(project.registry_path), "ana")
    answers = listening(tagger)
    events = [
        [{"type": "tag", "seq": f"{s}{n}", "sample": f"s{s}", "words": [[n, True]]} for n in tagger.registry.names]
        for s in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda some: tagger.handle({"type": "several", "events": some}), events))
    assert not any(a["error"] for a in answers)
    assert sorted(n for a in answers for n in a["lines"]) == list(range(1, 97))
    assert load_journal(project.journal_path("test")).tags == tagger.tags


def test_a_journal_that_cannot_be_written_is_said_and_nothing_is_done(project):
    tagger = Tagger(project, "test", samples(1), Registry.load(project.registry_path), "ana")
    answers = listening(tagger)
    project.journal_path("test").mkdir()
    tagger.handle({"type": "tag", "seq": "a", "sample": "s0", "words": [["foreach", True]]})
    assert re.search("is a folder", answers[-1]["error"])
    assert answers[-1]["lines"] == []
    row = next(r for t in tagger._panel.state["themes"] for r in t["rows"] if r["name"] == "foreach")
    assert row["mine"] is None


def test_hostile_text_is_text(project):
    step = Step(name=EVIL, annotation=EVIL, step=1, inputs=[Input(name=EVIL, value=EVIL)])
    flow = Flow(trigger=Trigger(type=EVIL, annotation=EVIL), components=[step])
    sample = Sample(id=EVIL, requirement=EVIL, expected=[flow])
    tagger = Tagger(project, "test", [sample], Registry.load(project.registry_path), EVIL)
    answers = listening(tagger)
    tagger.handle({"type": "feature", "name": "evil", "title": EVIL, "theme": EVIL, "description": EVIL})
    tagger.handle({"type": "tag", "sample": EVIL, "words": [["evil", True]]})
    tagger.handle({"type": "note", "sample": EVIL, "text": EVIL})
    assert [a["error"] for a in answers] == [""] * 3
    assert load_journal(project.journal_path("test")).tags[-1].note == EVIL.strip()
    runs = [Run(EVIL, [Generation(sample_id=EVIL, model=EVIL, generated=flow)])]
    rater = Rater(project, "test", [sample], runs, score_runs([sample], runs), EVIL)
    for html in (tagger._panel.sample["html"], rater._panel.sample["html"]):
        assert "<img" not in html
        assert "&lt;img" in html


def test_ratings_are_blind_and_feed_the_agreement(project):
    some = samples(6)
    runs = [
        Run(m, [Generation(sample_id=s.id, model=m, generated=s.reference) for s in some]) for m in ("zeus", "hera")
    ]
    scores = score_runs(some, runs)
    raters = [Rater(project, "test", some, runs, scores, by, n=10) for by in ("ana", "ben")]
    for rater in raters:
        answers = listening(rater)
        for score in range(10):
            told = json.dumps([rater._panel.state, rater._panel.sample, answers])
            assert not re.search("zeus|hera|FlowSim", told)
            rater.handle({"type": "rate", "item": rater._at, "score": score})
        assert rater.rated == 10
    frame = load_ratings(ratings_path(project, "test"))
    assert len(frame) == 20
    assert frame.group_by("by").len()["len"].to_list() == [10, 10]
    by_model = frame.filter(frame["by"] == "ana")["model"].value_counts()["count"].to_list()
    assert by_model == [5, 5]


def test_a_tag_is_little_work_on_the_whole_dataset(project):
    """2,592 judged cells in the journal, and a key is some 230,000 lines of Python: well within what a hand notices."""
    data = Project(ROOT)
    project.journal_path("test").write_bytes(data.journal_path("test").read_bytes())
    tagger = Tagger(project, "test", data.samples("test"), data.registry(), "ana")
    answers = listening(tagger)

    def press(i: int, name: str) -> None:
        tagger.handle({"type": "tag", "seq": i, "sample": tagger.selected, "words": [[name, True]]})

    first, *rest = data.registry().names
    press(0, first)  # what is done once is done here
    for i, name in enumerate(rest, 1):
        assert lines_run(partial(press, i, name)) < 500_000
    assert not any(a["error"] for a in answers)
