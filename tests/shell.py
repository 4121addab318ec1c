"""`flowgen`: what it prints, where, and how it exits; in this process, where the imports are paid, or in one of its own."""

import contextlib
import io
import subprocess
import sys

from shared import ROOT

from flowgen_analysis.cli.main import main


def flowgen(*arguments: object, cwd=ROOT) -> subprocess.CompletedProcess[str]:
    """The command in this process."""
    words = [str(a) for a in arguments]
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def flowgen_process(*arguments: object, cwd=ROOT) -> subprocess.CompletedProcess[str]:
    """The command as a process, as a shell starts it."""
    return subprocess.run([f"{sys.prefix}/bin/flowgen", *map(str, arguments)], capture_output=True, text=True, cwd=cwd)
