"""Cost tables of ``costgen compile``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .frames import frame
from .jsonfile import read_json
from .predict import Prediction, predict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table"]


class Table:
    """A cost table: ``isocost.Table("device.lut.json")``. Costs are in :attr:`unit`: us, mj or bytes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._data = read_json(self.path, "isocost/lut/v1")

    @property
    def metric(self) -> str:
        """latency, energy or memory."""
        return str(self._data["metric"])

    @property
    def unit(self) -> str:
        """us, mj or bytes."""
        return str(self._data["unit"])

    @property
    def device(self) -> dict[str, Any]:
        """The device the table is of."""
        return dict(self._data["device"])

    @property
    def runtime(self) -> dict[str, Any]:
        """The runtime, provider and number of threads the table is of."""
        return dict(self._data["runtime"])

    @property
    def audit(self) -> dict[str, Any] | None:
        """The errors on networks that no fit saw, None where none was made."""
        return self._data.get("audit")

    @property
    def eta(self) -> float | None:
        """The audit's bound on the relative error, a fraction; None where there is none."""
        return (self.audit or {}).get("eta")

    def frame(self) -> "pd.DataFrame":
        """One row per knot: family, raw and corrected cost, 95 % interval lo hi of the raw one, n samples, reason, and a column per axis."""
        rows = []
        for f in self._data["families"]:
            for k in f["knots"]:
                rows.append({"family": f["family"], **{c: k.get(c) for c in ("raw", "corrected", "lo", "hi", "n", "reason")}, **dict(zip(f["axes"], k["at"]))})
        return frame(rows, ["family", "raw", "corrected", "lo", "hi", "n", "reason"])

    def predict(self, model: str | os.PathLike[str], **options: Any) -> Prediction:
        """What a model costs by this table: see :func:`isocost.predict`."""
        return predict(model, self.path, **options)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"isocost.Table({str(self.path)!r})"
