"""What a page sends is a kind of input too: an event that is none ends in one line, and in no error of the program."""

import inspect
import logging
import random
import re

import pytest
from bad_files import VALUES, small_project

from flowgen_analysis import Workbench

VALUES = [
    *VALUES,
    "foreach",
    "steps > 3",
    "steps",
    "a",
    5,
    0.5,
    ["a"],
    [["foreach", True]],
    [[1, 2, 3]],
    "nearest",
    "inputs",
]


@pytest.fixture(scope="module")
def screens(tmp_path_factory):
    wb = Workbench.open(small_project(tmp_path_factory.mktemp("events") / "project"), "test")
    return [
        wb.explorer(), wb.tagger("ann"), wb.rater("ann"), wb.reader("ann"), wb.code_board("ann"), wb.adjudicator("ann"),
    ]  # fmt: skip


def an_event(rng: random.Random, screen) -> dict:
    """An event with the fields that its handler reads, of any value, some left out; now and then several, or none."""
    name = rng.choice([*screen.events, *VALUES]) if rng.random() < 0.1 else rng.choice(screen.events)
    handler = getattr(screen, f"on_{name}", None)
    read = re.findall(r'event(?:\.get\(|\[)"(\w+)"', inspect.getsource(handler)) if handler else []
    event = {"type": name, "seq": "x"} | {key: rng.choice(VALUES) for key in read if rng.random() < 0.9}
    several = rng.choice([[event, event], event, None, [None], [1], "x", {}])
    return event if rng.random() < 0.9 else {"type": "several", "events": several}


def bare_errors(screens, count: int, seed: int) -> list[str]:
    """What went wrong that nobody had foreseen, of so many events."""
    logging.disable(logging.CRITICAL)
    rng, found = random.Random(seed), []
    try:
        for _ in range(count):
            screen = rng.choice(screens)
            event = an_event(rng, screen)
            found += [f"{event}: {a['details']}" for a in screen.handle(event) if a["details"]]
    finally:
        logging.disable(logging.NOTSET)
    return found


@pytest.mark.fault(
    "Hostile text: events of a page with fields of any kind, or none",
    "one line that names the event and the field",
    tries=300,
)
def test_events(screens):
    assert bare_errors(screens, 300, 1) == []


@pytest.mark.verify
@pytest.mark.fault(
    "Hostile text: events of a page with fields of any kind, or none",
    "one line that names the event and the field",
    tries=10_000,
)
def test_many_events(screens):
    assert bare_errors(screens, 10_000, 2) == []


def test_every_event_has_a_handler(screens):
    for screen in screens:
        assert [e for e in screen.events if not callable(getattr(screen, f"on_{e}", None))] == []
        assert set(screen.fields) <= set(screen.events)
