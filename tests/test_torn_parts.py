"""What a large scoring was killed in the middle of is made again; and no more processes are started than there is work."""

import pytest
from test_batch import damaged_pairs

from flowgen_analysis.flows.files import InputError
from flowgen_analysis.scoring.large import batch
from flowgen_analysis.scoring.large.batch import score_large


class Torn(Exception):
    pass


@pytest.fixture
def killed(tmp_path):
    """A scoring that ended with three parts of four, and what is left of it."""

    def dies():
        yield from damaged_pairs(60)
        raise Torn

    with pytest.raises(Torn):
        score_large([], dies(), tmp_path / "x.parquet", part=20)
    return tmp_path / ".x.parquet.parts"


DAMAGE = {
    "a part of no bytes": ("0*.parquet", lambda raw: b"", 40),
    "half a part": ("0*.parquet", lambda raw: raw[: len(raw) // 2], 40),
    "a part that is text": ("0*.parquet", lambda raw: b"x" * len(raw), 40),
    "a budget of no bytes": ("budget-*.json", lambda raw: b"", 0),
    "half a budget": ("budget-*.json", lambda raw: raw[: len(raw) // 2], 0),
    "a budget of lists": ("budget-*.json", lambda raw: b"[]", 0),
    "a budget of text": ("budget-*.json", lambda raw: b'{"budget_s": 5.0, "cells": "x", "slower": 1}', 0),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.fault("Kills: a torn part or budget file of `score -j`", "made again, the rest is kept")
def test_a_torn_file_is_made_again(killed, tmp_path, name):
    pattern, damaged, resumed = DAMAGE[name]
    path = sorted(killed.glob(pattern))[0]
    path.write_bytes(damaged(path.read_bytes()))
    done = score_large([], damaged_pairs(60), tmp_path / "x.parquet", part=20)
    assert done.generations == 60
    assert done.resumed >= resumed
    assert not killed.exists()


@pytest.mark.fault("Kills: a part of `score -j` with damaged pages", "one line; the same call scores it again")
def test_damage_inside_a_part_is_said(killed, tmp_path):
    path = sorted(killed.glob("0*.parquet"))[0]
    raw = bytearray(path.read_bytes())
    raw[4 : len(raw) // 2] = b"\xff" * (len(raw) // 2 - 4)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"was damaged, and is thrown away; the same call scores it again"):
        score_large([], damaged_pairs(60), tmp_path / "x.parquet", part=20)
    assert score_large([], damaged_pairs(60), tmp_path / "x.parquet", part=20).generations == 60


@pytest.mark.fault("Too large: more processes asked for than there is work", "as many as there are parts")
def test_no_more_workers_than_parts():
    assert [batch._workers(j, 216, 500) for j in (None, 1, 2, 40)] == [None, 1, 1, 1]
    assert [batch._workers(j, 2_000, 500) for j in (3, 40)] == [3, 4]
    assert batch._workers(40, 0, 500) == 40, "nobody can know how much there is"
