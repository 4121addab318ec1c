"""What stands behind standard output may be full, or gone."""

import subprocess
import sys

import pytest
from bad_files import small_project


@pytest.mark.fault("Disk: full behind standard output", "one line, exit 2", tries=2)
def test_standard_output_is_full(tmp_path):
    root = small_project(tmp_path / "project")
    for command in (["matrix", "test"], ["matrix", "test", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [f"{sys.prefix}/bin/flowgen", *command], stdout=full, stderr=subprocess.PIPE, text=True, cwd=root
            )
        assert done.returncode == 2
        assert done.stderr.startswith("flowgen: output: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.fault("Disk: who reads standard output is gone", "no traceback")
def test_standard_output_is_closed(tmp_path):
    root = small_project(tmp_path / "project")
    child = subprocess.Popen(
        [f"{sys.prefix}/bin/flowgen", "matrix", "test", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    )
    child.stdout.close()
    assert b"Traceback" not in child.stderr.read()
    assert child.wait() in (0, 1, 120)
    child.stderr.close()
