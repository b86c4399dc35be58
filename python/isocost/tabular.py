"""Tabular benchmarks out of frames."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

from . import programs
from .errors import IsocostError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tabular"]


def tabular(
    rows: "pd.DataFrame | Iterable[Mapping[str, Any]]",
    path: str | os.PathLike[str],
    *,
    arch: str = "arch",
    layers: Sequence[str] | None = None,
    utility: str | Sequence[str] = "utility",
    cost: Sequence[str] = (),
    name: str = "",
    source: str = "",
) -> Path:
    """Writes a tabular benchmark (``isocost/table/v1``) out of a frame, and has ``isosearch`` read it.

    rows: a pandas frame, or mappings. Rows of one architecture are its independent trainings.
    arch: the column of the key, such as ``0|2|1``; or layers: the columns that hold one choice each.
    utility: a column of numbers or of lists of them, or several columns: trainings; larger is better.
    cost: columns of costs, positive, the same in all rows of an architecture; NaN where not measured.
    Returns path: ``isosearch run --space PATH --lut space:COST --evaluator table:PATH``.
    Raises IsocostError that names row and column; nothing is written then.
    """
    listed: Iterable[Mapping[str, Any]]
    listed = rows.to_dict("records") if hasattr(rows, "to_dict") else rows
    columns = [utility] if isinstance(utility, str) else list(utility)
    table: dict[str, dict[str, Any]] = {}
    for n, row in enumerate(listed):
        where = f"row {n}"
        key = "|".join(_choice(_get(row, c, where), where, c) for c in layers) if layers is not None else str(_get(row, arch, where))
        own = table.setdefault(key, {"arch": key, "utility": [], "cost": {}})
        for c in columns:
            value = _get(row, c, where)
            values = value if isinstance(value, (list, tuple)) or hasattr(value, "__len__") and not isinstance(value, str) else [value]
            own["utility"] += [_number(v, where, c) for v in values]
        for c in cost:
            value = _get(row, c, where)
            if value is None or value != value:
                continue
            v = _number(value, where, c)
            if own["cost"].setdefault(c, v) != v:
                raise IsocostError(f"{where}, column {c!r}: {v:g}, but {key} cost {own['cost'][c]:g} before", "an architecture has one cost per metric: take the mean first")
    if not table:
        raise IsocostError("no rows: nothing to write")
    header = {"format": "isocost/table/v1", **({"name": name} if name else {}), **({"source": source} if source else {})}
    lines = [header, *({k: v for k, v in row.items() if v} for row in table.values())]
    text = "".join(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n" for line in lines)
    target = Path(path)
    if target.suffix != ".jsonl":
        raise IsocostError(f"{target}: the name of a table ends in .jsonl")
    # Read before it is named: a table that isosearch refuses is never there.
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=".", suffix=".jsonl", delete=False, encoding="utf-8") as f:
        f.write(text)
    try:
        if cost:
            programs.run("isosearch", ["price", "--space", f.name, "--lut", ",".join(f"space:{c}" for c in cost)])
        os.chmod(f.name, 0o644)
        os.replace(f.name, target)
    finally:
        Path(f.name).unlink(missing_ok=True)
    return target


def _get(row: Mapping[str, Any], column: str, where: str) -> Any:
    if column not in row:
        raise IsocostError(f"{where} has no column {column!r}", f"its columns are {', '.join(map(str, row))}")
    return row[column]


def _choice(value: Any, where: str, column: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what pandas makes of whole numbers beside an absent one
    text = str(value)
    if not text or any(c in text for c in "|: \t\n"):
        raise IsocostError(f"{where}, column {column!r}: {text!r} is not a name of a choice", "letters, digits and . _ -")
    return text


def _number(value: Any, where: str, column: str) -> float:
    try:
        v = float(value)
    except (TypeError, ValueError):
        raise IsocostError(f"{where}, column {column!r}: {value!r} is not a number") from None
    if not math.isfinite(v):
        raise IsocostError(f"{where}, column {column!r}: {v} is not a number", "leave out trainings that came to nothing")
    return v
