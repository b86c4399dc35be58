"""Architecture search at equal measured cost, from Python.

A face of the programs ``agent``, ``costgen`` and ``isosearch``, which do the work: what is measured
on which device, what a network costs, which architecture is better at that cost. Tutorial:
docs/python.md.
"""

from .arch import Arch, Layer
from .errors import IsocostError, ProgramError
from .evaluator import Evaluator, evaluator
from .predict import Prediction, predict
from .records import Records
from .run import Run
from .search import search
from .serve import serve
from .table import Table
from .tabular import tabular

__version__ = "0.1.0"

__all__ = [
    "Arch", "Evaluator", "IsocostError", "Layer", "Prediction", "ProgramError", "Records", "Run", "Table",
    "evaluator", "predict", "search", "serve", "tabular",
]
