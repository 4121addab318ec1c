"""What is written is there whole or not at all: on a full disk, in a folder nobody may write, through a link, after a kill, and by two at once."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bad_files import FINDING, small_project
from shared import ROOT
from shell import flowgen
from work import ends

from flowgen_analysis.analysis.saved import load_slices
from flowgen_analysis.features.journal import load_journal
from flowgen_analysis.features.registry import Registry
from flowgen_analysis.flows.files import InputError, locked, write_text
from flowgen_analysis.reports.build import build
from flowgen_analysis.reports.findings import Findings
from flowgen_analysis.reports.forms.tables import write_tables
from flowgen_analysis.study import open_study

N8N = ROOT / "tests" / "fixtures" / "importers"


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow past `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write below `folder`, and whoever runs the tests is nobody."""
    paths = [folder, *folder.rglob("*")]
    modes = {p: p.stat().st_mode for p in paths}
    for p in paths:
        p.chmod(0o555 if p.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for p, mode in modes.items():
            p.chmod(mode)


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A project in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        root = small_project(Path(name) / "project")
        for folder in ("environments", "scenarios"):
            shutil.copytree(ROOT / folder, root / folder, dirs_exist_ok=True)
        yield root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


WRITES = {
    "score -o .csv": ["score", "test", "-o", "out/s.csv"],
    "score -o .parquet": ["score", "test", "-o", "out/s.parquet"],
    "score -j": ["score", "test", "-j", "1", "-o", "out/large.parquet"],
    "matrix": ["matrix", "test", "-o", "out/m.csv"],
    "report .md": ["report", "test", "-o", "out/r.md"],
    "report .html": ["report", "test", "-o", "out/r.html"],
    "report .json": ["report", "test", "-o", "out/r.json"],
    "report .tex": ["report", "test", "-o", "out/r.tex"],
    "report .zip": ["report", "test", "-o", "out/r.zip"],
    "report, tables": ["report", "test", "-o", "out/tables"],
    "generate": ["generate", "test", "-m", "rules"],
    "datasets make": ["datasets", "make", "synthetic"],
    "training-set": ["training-set", "test", "-o", "out/set", "--allow-held-out"],
    "init": ["init", "out/new"],
}


def failed(done: subprocess.CompletedProcess, name: str) -> None:
    assert done.returncode == 2, (name, done.stdout)
    assert done.stderr.count("\n") == 1, (name, done.stderr)
    assert "None" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.fault(
    "Disk: full, in each command that writes", "old files whole, nothing beside them, one line, exit 2", tries=42
)
def test_full_disk(project, name):
    done = flowgen(*WRITES[name], cwd=project)
    assert done.returncode == 0, done.stderr
    if name == "generate":
        (project / "runs" / "test" / "rules.jsonl").write_text("")
    if name == "init":
        shutil.rmtree(project / "out" / "new")
    before = contents(project)
    for room in (300,) if name == "datasets make" else (0, 300):
        with full_disk(room):
            done = flowgen(*WRITES[name], cwd=project)
        failed(done, name)
        after = contents(project)
        if name in ("score -j", "init"):  # parts that are done are kept; so are files that were made
            after = {k: v for k, v in after.items() if k in before}
        assert {k: v for k, v in after.items() if v != before.get(k)} == {}
        assert set(before) - set(after) == set()


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.fault(
    "Disk: a folder that may only be read, in each command that writes", "old files whole, one line, exit 2"
)
def test_read_only_folder(project, name):
    done = flowgen(*WRITES[name], cwd=project)
    assert done.returncode == 0, done.stderr
    if name == "generate":
        (project / "runs" / "test" / "rules.jsonl").write_text("")
    if name == "init":
        shutil.rmtree(project / "out" / "new")
    before = contents(project)
    with read_only(project):
        done = flowgen(*WRITES[name], cwd=project)
    failed(done, name)
    assert contents(project) == before


@pytest.mark.fault("Disk: full, a folder of tables that was not there", "no folder, or a whole one", tries=20)
def test_half_a_folder_is_none(project):
    content, folder = build(open_study("test", root=project)), project / "fresh"
    for room in range(100, 60_000, 3_000):
        shutil.rmtree(folder, ignore_errors=True)
        with full_disk(room), contextlib.suppress(InputError):
            write_tables(content, folder)
        assert not folder.exists() or (folder / "report.json").exists()
        assert not list(project.glob(".fresh*"))
    assert folder.exists(), "the last had room enough"
    shutil.rmtree(folder)


def other_places(folder: Path) -> dict[str, Path]:
    """What a name to write to can lead to that is no file."""
    os.mkfifo(folder / "pipe.csv")
    (folder / "null.csv").symlink_to("/dev/null")
    (folder / "to_pipe.csv").symlink_to(folder / "pipe.csv")
    (folder / "folder.csv").mkdir()
    return {n: folder / f"{n}.csv" for n in ("pipe", "null", "to_pipe", "folder")}


@pytest.mark.fault(
    "Links: -o names a device, a pipe, a folder or a link to one", "it stays what it is, one line, exit 2", tries=8
)
def test_what_is_no_file_is_not_replaced(project, tmp_path):
    for path in other_places(tmp_path).values():
        before = path.stat()
        for command in (["matrix", "test", "-o", path], ["score", "test", "-o", path]):
            failed(flowgen(*command, cwd=project), str(path))
            assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.fault("Links: -o names a link to a file", "the file is written, the link stays")
def test_a_link_is_written_through(project, tmp_path):
    (tmp_path / "deep").mkdir()
    link, target = tmp_path / "m.csv", tmp_path / "deep" / "real.csv"
    link.symlink_to(target)
    assert flowgen("matrix", "test", "-o", link, cwd=project).returncode == 0
    assert link.is_symlink()
    assert target.read_text().startswith("sample_id,")
    assert [p.name for p in tmp_path.iterdir()] == ["deep", "m.csv"] or len(list(tmp_path.iterdir())) == 2


KILLED = """
import sys, time
from flowgen_analysis.flows.files import write_bytes
def slow(f):
    f.write(b"half"); f.flush(); print("half", flush=True); time.sleep(60)
write_bytes(sys.argv[1], slow)
"""


@pytest.mark.fault(
    "Kills: in the middle of a write", "the old file whole; the next write clears what was left", tries=3
)
def test_a_killed_write_leaves_the_old_file(tmp_path):
    path = write_text(tmp_path / "a [x].txt", "old")
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) > 1
    write_text(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a [x].txt"]
    assert path.read_text() == "new"


def start_two(root: Path, count: int, *kinds: str) -> list[subprocess.Popen]:
    command = [sys.executable, str(ROOT / "tests" / "writers.py"), str(root)]
    return [subprocess.Popen([*command, who, str(count), *kinds]) for who in ("ann", "bob")]


def two_write(root: Path, count: int) -> dict[str, int]:
    """How many of what two processes wrote at once are there."""
    shutil.copy(ROOT / "feature_matrices" / "features.toml", root)
    assert [w.wait() for w in start_two(root, count, "slices", "findings", "features", "tags")] == [0, 0]
    assert not list(root.rglob("*.lock"))
    assert not list(root.rglob("*.part*"))
    return {
        "slices": len(load_slices(root / "slices.toml")),
        "findings": len({f.note for f in Findings(root / "findings").list()}),
        "features": len(Registry.load(root / "features.toml").names) - 24,
        "tags": len({(t.by, t.sample_id) for t in load_journal(root / "j.jsonl").tags}),
    }


@pytest.mark.fault("Two writers: of slices, findings of one title, features, tags", "nothing is lost", tries=240)
def test_two_writers(tmp_path):
    assert set(two_write(tmp_path, 30).values()) == {60}


@pytest.mark.verify
@pytest.mark.fault("Two writers: of slices, findings of one title, features, tags", "nothing is lost", tries=4_000)
def test_two_writers_of_five_hundred_each(tmp_path):
    assert set(two_write(tmp_path, 500).values()) == {1000}


@pytest.mark.fault(
    "Two writers: both put findings into another order, a third reads them", "all are there, read whole", tries=60
)
def test_findings_are_put_in_order_by_two(tmp_path):
    for n in range(3):
        Findings(tmp_path / "order").add(FINDING._replace(title=f"{n}"))
    writers = start_two(tmp_path, 30, "order")
    while any(w.poll() is None for w in writers):
        assert sorted(f.title for f in Findings(tmp_path / "order").list()) == ["0", "1", "2"]
    assert [w.returncode for w in writers] == [0, 0]
    assert [f.title for f in Findings(tmp_path / "order").list()] == ["0", "1", "2"], (
        "60 turns by one are 20 whole ones"
    )


@pytest.mark.fault("Two writers: one holds a file and does not let go", "after a time one line, exit 2")
def test_a_lock_is_not_waited_for_without_end(tmp_path):
    errors = []

    def other() -> None:
        try:
            with locked(tmp_path / "x", wait_s=0.1):
                pass
        except InputError as e:
            errors.append(str(e))

    with locked(tmp_path / "x"):
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join()
    assert errors == [f"{tmp_path / 'x'}: is being written by another process; wait for it"]


@pytest.mark.fault("Kills: of a process that holds a lock", "the next one gets it")
def test_a_killed_holder_holds_nobody_up(tmp_path):
    hold = "import sys, time\nfrom flowgen_analysis.flows.files import locked\nwith locked(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path / "x")], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with ends():
        write_text(tmp_path / "x", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
