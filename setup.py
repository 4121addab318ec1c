"""The wheel's own copy of the project that this repository is, in `flowgen_analysis/bundled/`. All else is said in pyproject.toml."""

from itertools import chain
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
BUNDLED = (
    "models.toml",
    "datasets/test.jsonl",
    "datasets/test-2.jsonl",
    "datasets/validation.jsonl",
    "environments/*.json",
    "feature_matrices/features.toml",
    "feature_matrices/*.csv",
    "feature_matrices/*.journal.jsonl",
    "feature_matrices/packs/*.toml",
    "nbs/own.ipynb",
    "nbs/workbench.ipynb",
    "nbs/tutorials/*.ipynb",
    "scenarios/*.toml",
)


class BuildWithProject(build_py):
    """Builds the package and copies the project into it; an editable install reads the checkout."""

    def _copies(self) -> dict[str, str]:
        """What is copied: from where to where."""
        inside = Path(self.build_lib) / "flowgen_analysis" / "bundled"
        found = sorted(chain.from_iterable(HERE.glob(pattern) for pattern in BUNDLED))
        return {str(path): str(inside / path.relative_to(HERE)) for path in found}

    def run(self) -> None:
        super().run()
        for source, target in {} if self.editable_mode else self._copies().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *({} if self.editable_mode else self._copies().values())]


setup(cmdclass={"build_py": BuildWithProject})
