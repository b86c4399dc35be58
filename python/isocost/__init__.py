"""Architecture search at equal measured cost, from Python.

A face of the programs ``agent``, ``costgen`` and ``isosearch``, which do the work: what is measured
on which device, what a network costs, which architecture is better at that cost. Tutorial:
docs/python.md.
"""

from typing import TYPE_CHECKING, Any

from .arch import Arch, Layer
from .compose import compose
from .errors import IsocostError, ProgramError
from .evaluator import Evaluator, evaluator
from .predict import Prediction, predict
from .records import Records
from .run import Run
from .search import search
from .serve import serve
from .space import Part, Space
from .table import Table
from .tabular import tabular
from .tensor import Tensor, price_tensor

if TYPE_CHECKING:
    from .expected import ExpectedCost

__version__ = "0.1.0"

__all__ = [
    "Arch", "Evaluator", "ExpectedCost", "IsocostError", "Layer", "Part", "Prediction", "ProgramError", "Records", "Run", "Space", "Table", "Tensor",
    "compose", "evaluator", "predict", "price_tensor", "search", "serve", "tabular",
]


def __getattr__(name: str) -> Any:
    """ExpectedCost is a module of torch, which the rest does without."""
    if name == "ExpectedCost":
        from .expected import ExpectedCost

        return ExpectedCost
    raise AttributeError(f"module 'isocost' has no attribute {name!r}")
