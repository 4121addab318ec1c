"""`make matrix`: the wheel, in an environment of its own on each Python and at the lowest versions it asks for, tried by `tests/smoke.py`.

`uv` makes the environments where it is installed, else venv and pip, which cannot resolve to lowest versions. What cannot be had
here is said, and is no failure; a smoke test that fails is. Arguments choose: `python tests/matrix.py 3.12 lowest`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
LOWEST = "lowest"  # of each dependency, on the oldest Python
TOOLS = ("hypothesis>=6.100", "pytest>=8", "setuptools>=77", "starlette>=0.40", "uvicorn>=0.30")


def done(*command: str | Path, **options) -> subprocess.CompletedProcess:
    """A finished command with what it said."""
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def find_python(version: str) -> str | None:
    """An interpreter of that version: on the path, by uv or in pyenv's folders; None where there is none."""
    places = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for place in filter(None, [sys.executable, *map(str, filter(None, places))]):
        said = done(place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        if said.returncode == 0 and said.stdout.strip() == version:
            return place
    return None


def find_uv() -> str | None:
    """uv, on the path or beside this Python."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def wheel(folder: Path) -> Path:
    """The wheel of this checkout, made of its source archive."""
    built = done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    if built.returncode:
        sys.exit(built.stdout[-2000:] + built.stderr[-2000:])
    return next(folder.glob("*.whl"))


def installed(name: str, package: Path, folder: Path) -> tuple[Path | None, str]:
    """The Python of a fresh environment with the wheel, and why there is none."""
    version = PYTHONS[0] if name == LOWEST else name
    base, uv = find_python(version), find_uv()
    if base is None:
        return None, f"Python {version} is not on this machine"
    if name == LOWEST and uv is None:
        return None, "lowest versions want uv: pip install uv"
    done(base, "-m", "venv", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = [f"{package}[lab]", *TOOLS]
    lowest = ["--resolution", "lowest-direct"] if name == LOWEST else []
    how = [uv, "pip", "install", "--python", python, *lowest] if uv else [python, "-m", "pip", "install"]
    made = done(*how, "--quiet", *wanted)
    return (python, "") if made.returncode == 0 else (None, made.stderr.strip()[-1500:])


def main(arguments: Sequence[str] | None = None) -> int:
    """How many environments failed; 0 for none."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("names", nargs="*", default=[*PYTHONS, LOWEST], help=f"of {', '.join([*PYTHONS, LOWEST])}")
    names, failed = asked.parse_args(arguments).names, 0
    with tempfile.TemporaryDirectory() as made:
        package = wheel(Path(made) / "wheel")
        for name in names:
            start = time.perf_counter()
            python, obstacle = installed(name, package, Path(made) / name)
            if python is None:
                missing = obstacle.startswith(("Python ", "lowest versions"))
                failed += not missing
                print(f"{name}: {'left out' if missing else 'cannot be installed'}: {obstacle}", flush=True)
                continue
            tests = Path(made) / f"tests-{name}"  # beside nothing of the checkout: the wheel is what is imported
            shutil.copytree(
                ROOT / "tests", tests / "tests", ignore=shutil.ignore_patterns("__pycache__", "conftest.py")
            )
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            smoke = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/smoke.py"]
            said = done(*smoke, cwd=tests, env=environment)
            failed += said.returncode != 0
            lines = said.stdout.strip().splitlines()
            print(
                f"{name}: {lines[-1] if lines else said.stderr[-500:]} ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
            if said.returncode:
                print(said.stdout[-6000:], flush=True)
            shutil.rmtree(Path(made) / name, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
