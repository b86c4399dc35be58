"""Run directories of ``isosearch run``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import programs
from .arch import Arch
from .errors import IsocostError
from .frames import frame
from .jsonfile import read_json, read_lines

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]

JOURNALS = ("isocost/journal/v3", "isocost/journal/v2", "isocost/journal/v1")
CERTIFICATES = ("isocost/certificate/v3", "isocost/certificate/v2", "isocost/certificate/v1")


class Run:
    """A run directory: ``isocost.Run("run/")``.

    Utilities are in the evaluator's unit, costs in that of each table, deviations fractions of the
    anchor's cost. What is not known is None or NaN, never 0. Nothing is checked against the
    journal here: :meth:`verify` has ``isosearch`` do it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / "journal.jsonl").is_file():
            raise IsocostError(f"{self.path}: no run directory: it has no journal.jsonl", "isosearch run -o writes one; several anchors have one per folder inside")

    @property
    def header(self) -> dict[str, Any]:
        """The journal's header: settings, space, tables, evaluator, anchor."""
        return read_lines(self.path / "journal.jsonl", *JOURNALS)[0]

    @property
    def certificate(self) -> dict[str, Any]:
        """The certificate, as docs/formats/run.md has it. Raises IsocostError before the search has ended."""
        path = self.path / "certificate.json"
        if not path.is_file():
            raise IsocostError(f"{self.path}: no certificate: the search has not ended", "the same isosearch run goes on")
        return read_json(path, *CERTIFICATES)

    @property
    def reached(self) -> bool:
        """Whether the claim was reached."""
        return bool(self.certificate["claim"]["reached"])

    @property
    def claim(self) -> str:
        """What is claimed, in words."""
        return str(self.certificate["claim"]["text"])

    @property
    def epsilon_hat(self) -> float | None:
        """What a single change can still gain at most, in utility; None where not bounded."""
        value = self.certificate["claim"].get("epsilon_hat")
        return None if value is None else float(value)

    @property
    def anchor(self) -> Arch:
        """The architecture whose cost is the budget."""
        return Arch.parse(self.header["anchor"])

    @property
    def best(self) -> Arch:
        """The architecture the search ended at."""
        return Arch.read(self.path / "best.json")

    def evaluations(self) -> "pd.DataFrame":
        """One row per sample, in the order they came: arch, stream, index, seed, fidelity, utility (NaN where it failed), seconds, error; parts in columns of their own."""
        _, entries = read_lines(self.path / "journal.jsonl", *JOURNALS)
        rows = []
        for e in entries:
            if e["kind"] in ("eval", "fail"):
                row = {k: e.get(k) for k in ("arch", "stream", "index", "seed", "utility", "seconds")}
                row["fidelity"] = e.get("fidelity", 1.0)
                row["error"] = e.get("note") if e["kind"] == "fail" else None
                row.update(e.get("parts") or {})
                rows.append(row)
        return frame(rows, ["arch", "stream", "index", "seed", "fidelity", "utility", "seconds", "error"])

    def neighbours(self) -> "pd.DataFrame":
        """The final's neighbours in the certificate: layer, choice, arch, n, mean, d (difference to the final), w (its half-width), retired, cost and deviation per table."""
        cert = self.certificate
        return frame((self._costs(cert, n) for n in cert["neighbours"]), ["layer", "choice", "arch", "n", "mean", "d", "w", "upper", "retired"])

    def moves(self) -> "pd.DataFrame":
        """The moves of the incumbent: layer, from, to, d (the lead), lower, samples."""
        return frame(self.certificate.get("moves") or [], ["layer", "from", "to", "d", "lower", "samples"])

    def measured(self) -> "pd.DataFrame":
        """Costs that were measured again: table, arch, value, lo, hi, unit, deviation, inside, error of the prediction."""
        rows = [{"table": d["table"], **a} for d in self.certificate.get("measured") or [] for a in d["archs"]]
        return frame(rows, ["table", "arch", "value", "lo", "hi", "unit", "deviation", "inside", "error"])

    def verify(self) -> str:
        """Has ``isosearch`` recompute every number from the journal; what it prints. Raises ProgramError where one is wrong."""
        return programs.run("isosearch", ["verify", self.path])

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page of this run to path, by ``isosearch report``."""
        programs.run("isosearch", ["report", self.path, "-o", path])
        return Path(path)

    @staticmethod
    def _costs(cert: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
        """The entry with one column of cost and one of deviation per table."""
        row = {k: v for k, v in of.items() if k not in ("costs", "deviation")}
        for i, table in enumerate(cert["run"]["tables"]):
            row[f"cost {table['name']}"] = of["costs"][i]["value"]
            row[f"deviation {table['name']}"] = of["deviation"][i]
        return row

    def __repr__(self) -> str:
        return f"isocost.Run({str(self.path)!r})"
