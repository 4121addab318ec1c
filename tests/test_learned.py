"""The learned generator: the same every time, safe to open, whole flows, and blind to the answers."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowgen_analysis.flows.conditions import QUERY_INPUTS, parse_query
from flowgen_analysis.flows.dataset import check_expected
from flowgen_analysis.flows.files import InputError
from flowgen_analysis.flows.model import Flow, Sample, Step
from flowgen_analysis.flows.structure import structure_errors
from flowgen_analysis.generation.baselines.generator import generate_run, is_stale, question
from flowgen_analysis.generation.baselines.nearest import Nearest
from flowgen_analysis.generation.learned.learned import Learned
from flowgen_analysis.generation.learned.linear import Linear
from flowgen_analysis.scoring.flowsim import score_pairs
from flowgen_analysis.synthesis.datasets import make_dataset

ROOT = Path(__file__).parents[1]
SAID = (
    "When an incident is created , if it is a P1 otherwise email the caller saying that it is down for each of them until"
    " look up the tasks close it in parallel try if that fails every Monday at 7 wait 2 hours #ops \" ' {{x}} ^ = ‹0› \n - 1. ;"
)


@pytest.fixture(scope="module")
def internal() -> list[Sample]:
    return make_dataset("internal", 0, ROOT)


@pytest.fixture(scope="module")
def slice_(internal) -> list[Sample]:
    return internal[:150]


@pytest.fixture(scope="module")
def model(slice_) -> Learned:
    return Learned.train(slice_, ROOT)


@pytest.fixture(scope="module")
def asked(internal) -> list[Sample]:
    return internal[1000:1040] + make_dataset("ood", 0, ROOT)[:40]


@pytest.fixture(scope="module")
def stored(model, tmp_path_factory) -> Path:
    return model.save(tmp_path_factory.mktemp("learned") / "m.npz")


def test_training_twice_makes_the_same_file(model, slice_, stored, tmp_path):
    again = Learned.train(slice_[::-1], ROOT)
    assert again.save(tmp_path / "again.npz").read_bytes() == stored.read_bytes(), (
        "and the order of the samples changes nothing"
    )


def test_what_is_loaded_says_what_was_saved(model, slice_, stored, asked):
    loaded = Learned.load(stored, slice_, ROOT)
    assert [loaded.generate(question(s)) for s in asked] == [model.generate(question(s)) for s in asked]
    assert loaded.key() == model.key()
    assert [s.id for s in loaded.pool] == [s.id for s in model.pool]


def test_a_model_of_other_data_or_environment_is_refused(slice_, stored, tmp_path):
    with pytest.raises(InputError, match="made from other samples"):
        Learned.load(stored, slice_[1:], ROOT)
    (tmp_path / "environments").mkdir()
    base = (ROOT / "environments" / "base.json").read_text()
    (tmp_path / "environments" / "base.json").write_text(base.replace("Incident", "Outage"))
    with pytest.raises(InputError, match="made from other samples"):
        Learned.load(stored, slice_, tmp_path)


class Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "boom")


def test_opening_a_file_runs_no_code(slice_, stored, tmp_path):
    marker = tmp_path / "ran"
    with np.load(stored, allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files}
    assert all(a.dtype.kind in "fu" for a in arrays.values()), "numbers only"
    bad = tmp_path / "bad.npz"
    for name in ("tagger.weights", "tagger.features", "facts.json"):
        np.savez(bad, **(arrays | {name: np.array([Bomb(marker)], object)}))
        with pytest.raises(InputError, match="is no model"):
            Learned.load(bad, slice_, ROOT)
    bad.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(InputError, match="is no model"):
        Learned.load(bad, slice_, ROOT)
    assert not marker.exists()


def test_a_broken_file_is_one_line(slice_, stored, tmp_path):
    whole = stored.read_bytes()
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for content in (b"", b"no zip", whole[: len(whole) // 2], empty.getvalue()):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(InputError) as e:
            Learned.load(tmp_path / "b.npz", slice_, ROOT)
        assert "\n" not in str(e.value)
    with pytest.raises(InputError, match="no such file"):
        Learned.load(tmp_path / "none.npz", slice_, ROOT)
    with pytest.raises(InputError, match="nothing to learn from"):
        Learned.train([Sample(id="a", requirement="x")], ROOT)
    arrays = Linear.train([["a"], ["b"]] * 2, ["x", "y"] * 2).arrays()
    with pytest.raises(InputError, match="shape"):
        Linear.from_arrays(arrays | {"weights": np.zeros((1, 1))})


def test_what_is_expected_of_a_sample_is_never_seen(model, asked):
    secret = [Flow(components=[Step(name="secret", step=1)])]
    for s in asked[::4]:
        marked = Sample.model_validate({**s.model_dump(), "expected": secret, "domain": "secret", "answer": "secret"})
        assert model.generate(marked) == model.generate(question(s))
        assert "secret" not in model.generate(marked).model_dump_json()


def test_a_sample_it_was_trained_on_is_refused(model, slice_):
    with pytest.raises(InputError, match="trained on"):
        model.generate(question(slice_[0]))
    double = Sample(id="new", requirement=f"  {slice_[0].requirement.upper()} ")
    assert "trained on" in generate_run(model, [double])[0].error


def test_flows_hold_together(model, asked):
    run = generate_run(model, asked)
    assert [g.error for g in run if g.error] == []
    for g in run:
        check_expected(g.generated, g.sample_id)
        assert structure_errors(g.generated) == [], g.sample_id
        for _, piece in g.generated.pieces():
            for i in piece.inputs:
                assert i.value, g.sample_id
                assert i.name not in QUERY_INPUTS or parse_query(i.value) is not None, (g.sample_id, i)


def test_names_are_those_of_the_environment(model, asked):
    for s in asked:
        environment = model.environment(s.environment)
        for step in model.generate(question(s)).components:
            assert step.is_logic or environment.step(step.name), (s.id, step.name)
            table = step.value("table", "table_name", "task_table")
            assert not table or environment.has_table(table), (s.id, table)
    assert model.environment("../base").name == model.environment("no_such").name == "base"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(SAID.split(" ")) | st.text(max_size=6), max_size=40),
    st.sampled_from([None, "incident", "nonsense", 7]),
)
def test_anything_can_be_asked(model, words, table):
    flow = model.generate(Sample(id="q", requirement=" ".join(words), metadata={"table": table} if table else {}))
    check_expected(flow, "q")
    assert structure_errors(flow) == []


def test_a_slice_already_beats_copying(model, slice_, internal):
    held = internal[1100:1180]
    pairs = [[(s.reference, g.generate(question(s))) for s in held] for g in (model, Nearest(slice_))]
    learned, nearest = (score_pairs(p).inputs.mean() for p in pairs)
    assert learned > nearest + 0.1


def test_a_run_of_it_knows_when_it_is_stale(model, slice_, asked):
    run = generate_run(model, asked[:2])
    assert not is_stale(run, model, asked[:2])
    assert is_stale(run, Learned(model.parts, slice_[1:], ROOT), asked[:2])
    assert run[0].model_extra["made"]["note"] == "small model trained on INTERNAL + SYNTHETIC"


def test_ready_trains_once(slice_, tmp_path):
    (tmp_path / "environments").symlink_to(ROOT / "environments")
    few = slice_[:30]
    first = Learned.ready(few, tmp_path)
    [path] = (tmp_path / ".flowgen" / "learned").glob("*.npz")
    before = path.stat().st_mtime_ns
    second = Learned.ready(few, tmp_path)
    assert path.stat().st_mtime_ns == before
    assert path.stem == second.key() == first.key()
    path.write_bytes(b"broken")
    assert Learned.ready(few, tmp_path).key() == path.stem
    assert path.stat().st_size > 1000
