"""Measurement logs of ``agent bench``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .frames import frame
from .jsonfile import read_lines

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Records"]

FORMATS = ("isocost/records/v2", "isocost/records/v1")


class Records:
    """A log of one campaign: ``isocost.Records("rec.jsonl")``. Times are in microseconds."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.header = read_lines(self.path, *FORMATS)[0]  #: device, runtime, protocol, agent of the campaign

    @property
    def device(self) -> dict[str, Any]:
        """The device that was measured."""
        return dict(self.header["device"])

    @property
    def runtime(self) -> dict[str, Any]:
        """The library that ran the models: backend, version, provider, threads."""
        return dict(self.header["runtime"])

    def frame(self) -> "pd.DataFrame":
        """One row per case: kind, case, name, key, validity (codes joined by a blank; ``ok``), estimate_us with its 95 % interval lo_us hi_us, n samples, median_us, mad_us, rounds, stop. A failed case has no estimate: NaN."""
        rows = []
        for line in read_lines(self.path, *FORMATS)[1]:
            r = line.get("record")
            if r is None:
                continue
            lo, hi = r.get("ci95_us") or (None, None)
            rows.append({"kind": r["kind"], "case": r["case"], "name": r.get("name"), "key": r.get("key"), "validity": " ".join(r["validity"]),
                         "estimate_us": r.get("estimate_us"), "lo_us": lo, "hi_us": hi, "n": r["n"], "median_us": r.get("median_us"),
                         "mad_us": r.get("mad_us"), "rounds": r["rounds"], "stop": r.get("stop"), "detail": r.get("detail")})
        return frame(rows, ["kind", "case", "name", "key", "validity", "estimate_us", "lo_us", "hi_us", "n", "median_us", "mad_us", "rounds", "stop", "detail"])

    def samples(self) -> "pd.DataFrame":
        """One row per raw sample: group, round, seq (the visit within the round), model, at_s (seconds since the campaign began), us per run, preempted (the sample was marked and left out)."""
        rows = []
        for line in read_lines(self.path, *FORMATS)[1]:
            v = line.get("visit")
            if v is None:
                continue
            marked = set(v.get("preempted") or [])
            for i, us in enumerate(v["us"]):
                rows.append({"group": v["group"], "round": v["round"], "seq": v["seq"], "model": v["model"], "at_s": v["at_s"], "us": us, "preempted": i in marked})
        return frame(rows, ["group", "round", "seq", "model", "at_s", "us", "preempted"])

    def __repr__(self) -> str:
        return f"isocost.Records({str(self.path)!r})"
