"""Finds and runs the programs agent, costgen and isosearch.

This package computes nothing that they compute: it calls them, so its numbers are theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Sequence

from .errors import IsocostError, ProgramError

__all__ = ["PROGRAMS", "find", "run"]

PROGRAMS = ("agent", "costgen", "isosearch")

#: Finished, but some cases failed or the claim was not reached: there is an answer all the same.
PARTIAL = 3


def find(name: str) -> Path:
    """The path of a program: in ``$ISOCOST_BIN``, in ``bin/`` of the checkout that holds this package, in the path.

    Raises IsocostError that says how to build it.
    """
    if name not in PROGRAMS:
        raise ValueError(f"{name!r} is none of {', '.join(PROGRAMS)}")
    for folder in _folders():
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    named = os.environ.get("ISOCOST_BIN")
    if named:
        raise IsocostError(f"ISOCOST_BIN names {named}, which has no program {name}", "build it there: make build")
    found = shutil.which(name)
    if found is None:
        raise IsocostError(
            f"no program {name} in bin/ of the checkout or in the path",
            "build it in the checkout of isocost, make build, or name the folder with ISOCOST_BIN",
        )
    return Path(found)


def _folders() -> Iterator[Path]:
    named = os.environ.get("ISOCOST_BIN")
    if named:  # nothing else is meant then
        yield Path(named)
        return
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "go.mod").is_file():
        yield checkout / "bin"


def run(name: str, args: Sequence[str | os.PathLike[str]], *, partial: bool = False, talk: bool = False) -> str:
    """What a program prints on standard output.

    partial: exit code 3 – finished, but some cases failed – is not an error.
    talk: what the program says of its progress goes to standard error.
    Raises ProgramError with the program's own error and hint.
    """
    argv = [str(find(name)), *(os.fspath(a) for a in args)]
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        if talk:
            out, err = _follow(p)
        else:
            out, err = p.communicate()
    except BaseException:
        p.terminate()  # stops cleanly, as by Ctrl-C
        p.wait()
        raise
    if p.returncode == 0 or partial and p.returncode == PARTIAL:
        return out
    what, hint = _said(name, err)
    raise ProgramError(what or f"{name} {args[0]} ended with {p.returncode}", hint, p.returncode, err)


def _follow(p: "subprocess.Popen[str]") -> tuple[str, str]:
    """Standard output and error of a program, the latter passed on line by line."""
    import threading

    assert p.stdout is not None and p.stderr is not None
    said: list[str] = []
    stream = p.stderr

    def pass_on() -> None:
        for line in stream:
            said.append(line)
            sys.stderr.write(line)

    t = threading.Thread(target=pass_on, daemon=True)
    t.start()
    out = p.stdout.read()
    p.wait()
    t.join()
    return out, "".join(said)


def _said(name: str, stderr: str) -> tuple[str, str]:
    """The last error and hint that a program printed."""
    what, hint = "", ""
    for line in stderr.splitlines():
        if line.startswith(f"{name}: error: "):
            what, hint = line.removeprefix(f"{name}: error: "), ""
        elif line.startswith(f"{name}: hint: "):
            hint = line.removeprefix(f"{name}: hint: ")
    return what, hint
