"""What a network costs by a table."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from . import programs
from .frames import frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True)
class Prediction:
    """What ``costgen predict`` says of one model. Costs are in ``unit``."""

    model: str
    unit: str
    total: float | None  #: None where a kernel is missing from the table: never counted as nothing
    lo: float | None  #: 95 % interval
    hi: float | None
    known: float  #: the sum of the kernels that the table has
    kernels: tuple[dict[str, Any], ...]  #: name, key, cost, lo, hi
    missing: tuple[dict[str, Any], ...]  #: name, key and why
    warnings: tuple[str, ...]
    table: str  #: SHA-256 of the table

    def frame(self) -> "pd.DataFrame":
        """The kernels as a frame, most expensive first: name, key, cost, lo, hi."""
        return frame(sorted(self.kernels, key=lambda k: -float(k["cost"])), ["name", "key", "cost", "lo", "hi"])

    def __float__(self) -> float:
        if self.total is None:
            raise ValueError(f"{self.model}: {len(self.missing)} kernels are missing from the table")
        return self.total


def predict(
    model: str | os.PathLike[str],
    table: str | os.PathLike[str],
    *,
    dims: Mapping[str, int] | None = None,
    extrapolate: bool = False,
) -> Prediction:
    """What an ONNX or ``.tflite`` model costs on the table's device, by ``costgen predict``.

    dims: values of the model's free dimensions, such as ``{"N": 1}``.
    extrapolate: also outside the measured range, marked in the kernels.
    Raises ProgramError for a model or table that cannot be read.
    """
    args: list[str | os.PathLike[str]] = ["predict", "--lut", table, model, "--json"]
    for name, value in (dims or {}).items():
        args += ["--dim", f"{name}={value}"]
    if extrapolate:
        args.append("--extrapolate")
    data = json.loads(programs.run("costgen", args, partial=True))
    unit = next(k for k in data if k.startswith("known_")).removeprefix("known_")
    kernels = []
    for k in data["kernels"]:
        own = {"name": k["name"], "key": k["key"], "cost": k[unit], "lo": k[f"lo_{unit}"], "hi": k[f"hi_{unit}"]}
        if k.get("extrapolated"):
            own["extrapolated"] = True
        kernels.append(own)
    return Prediction(
        data["model"], unit, data[f"total_{unit}"], data[f"lo_{unit}"], data[f"hi_{unit}"], data[f"known_{unit}"],
        tuple(kernels), tuple(data["missing"] or ()), tuple(data["warnings"] or ()), data["table"],
    )
