"""The command ``isocost``: ``isocost check evaluator.py --space space.yaml``."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from . import __version__, programs
from .errors import IsocostError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is that of the program it calls: 0, 1, 2, 3 or 130."""
    parser = argparse.ArgumentParser(prog="isocost", description="Architecture search at equal measured cost, from Python.")
    parser.add_argument("--version", action="version", version=f"isocost {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="try an evaluator: protocol, determinism, spread, time, what a search would cost",
        description="Runs an evaluator as a search would, by isosearch check, whose flags follow the file: --space, --epsilon, --lut …",
        epilog="example: isocost check evaluator.py --space space.yaml --epsilon 0.005",
    )
    check.add_argument("file", type=Path, help="the evaluator, a Python file that ends in isocost.serve(train)")
    args, rest = parser.parse_known_args(argv)
    try:
        if not args.file.is_file():
            raise IsocostError(f"{args.file}: no such file")
        command = f"exec:{shlex.quote(sys.executable)} {shlex.quote(str(args.file))}"
        return subprocess.run([str(programs.find("isosearch")), "check", "--evaluator", command, *rest]).returncode
    except IsocostError as err:
        print(f"isocost: error: {err.args[0]}", file=sys.stderr)
        if err.hint:
            print(f"isocost: hint: {err.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
