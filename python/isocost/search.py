"""``isosearch run`` in one call."""

from __future__ import annotations

import os
from typing import Sequence

from . import programs
from .run import Run

__all__ = ["search"]


def search(
    space: str | os.PathLike[str],
    lut: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    evaluator: str,
    out: str | os.PathLike[str],
    *,
    epsilon: float | None = None,
    tau: float | None = None,
    delta: float | None = None,
    budget: int | None = None,
    workers: int = 1,
    seed: int = 1,
    args: Sequence[str] = (),
    talk: bool = True,
) -> Run:
    """Searches, and returns the run, also where the claim was not reached (:attr:`Run.reached`).

    Interrupted or killed, the same call goes on. evaluator: ``onnx``, ``table:FILE`` or ``exec:COMMAND``;
    epsilon is in its unit; tau, a fraction, is the half-width of the band; args are further flags of
    ``isosearch run``. Raises ProgramError.
    """
    tables = [lut] if isinstance(lut, (str, os.PathLike)) else list(lut)
    argv: list[str | os.PathLike[str]] = ["run", "--space", space, "--evaluator", evaluator, "-o", out, "--workers", str(workers), "--seed", str(seed)]
    for t in tables:
        argv += ["--lut", t]
    for flag, value in (("--epsilon", epsilon), ("--tau", tau), ("--delta", delta), ("--budget", budget)):
        if value is not None:
            argv += [flag, repr(value)]
    programs.run("isosearch", [*argv, *args], partial=True, talk=talk)
    return Run(out)
