"""Error analysis of models that turn requirements into low-code workflows.

    from flowgen_analysis import Workbench, flowsim, read_flow, FeatureMatrix, Slice

A name is imported when it is first used, so that `flowsim` alone does not load Jupyter widgets.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowgen_analysis.analysis.slices import Slice
    from flowgen_analysis.app import App
    from flowgen_analysis.features.matrix import FeatureMatrix
    from flowgen_analysis.flows.reading import read_flow
    from flowgen_analysis.scoring.flowsim import flowsim
    from flowgen_analysis.scoring.functions import score
    from flowgen_analysis.workbench import Workbench

__version__ = "0.1.0"

__all__ = ["App", "FeatureMatrix", "Slice", "Workbench", "flowsim", "read_flow", "score"]

_HOMES = {
    "App": "app",
    "FeatureMatrix": "features.matrix",
    "Slice": "analysis.slices",
    "Workbench": "workbench",
    "flowsim": "scoring.flowsim",
    "read_flow": "flows.reading",
    "score": "scoring.functions",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
