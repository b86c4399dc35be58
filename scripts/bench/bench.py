#!/usr/bin/env python3
"""make bench: isocost beside what a user would otherwise take, one point after another.

    scripts/bench/bench.py [--check] [--quick] [POINT…]

Writes what it finds into docs/performance.json, points that are not named as they were, and the page docs/performance.md from that.
With --check it writes nothing: it measures again, compares with the file what is comparable between machines – ratios, exponents,
bytes – and fails where one is worse beyond the spread of both and a tenth more.
"""

import argparse
import dataclasses
import datetime
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile

from figures import PORTABLE, Figure, table
from sides import Side

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FILE, PAGE = ROOT / "docs" / "performance.json", ROOT / "docs" / "performance.md"
POINTS = ("harness", "campaign", "compile", "lookups", "predict", "search", "explore", "weight")


class Bench:
    """What points are measured with."""

    def __init__(self, scratch, quick):
        self.here, self.bin, self.python, self.scratch, self.quick = HERE, ROOT / "bin", sys.executable, scratch, quick
        self._sides = {}
        subprocess.run(["go", "build", "-o", scratch / "ours", "./scripts/bench/ours"], cwd=ROOT, check=True)

    def rounds(self, n):
        return 2 if self.quick else n

    def ours(self):
        """The process of scripts/bench/ours, kept for the point."""
        return self._side("ours", [self.scratch / "ours"])

    def theirs(self):
        return self._side("theirs", [self.python, HERE / "theirs" / "main.py"])

    def _side(self, name, command):
        if name not in self._sides:
            self._sides[name] = Side(command)
        return self._sides[name]

    def fresh_ours(self, *words):
        """The answer of a process of its own, which holds no memory of anything before."""
        side = Side([self.scratch / "ours"])
        try:
            return side.ask(*words)
        finally:
            side.close()

    def program(self, *command):
        """What a program takes, its start included: seconds of processor time ("s") and of the clock ("wall_s"), and the most bytes it held."""
        return self.fresh_ours("program", *command)

    def run(self, *command):
        """Runs a program of ours; a partial result, exit code 3, is one."""
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{command}: exit {done.returncode}: {done.stderr[-800:]}")
        return done.stdout

    def simulated_table(self, *nets):
        """A table of the simulated device that knows the kernels of the model files."""
        plan, records, lut = (self.scratch / n for n in ("plan.jsonl", "rec.jsonl", "device.lut.json"))
        for f in (plan, records, lut):
            f.unlink(missing_ok=True)
        self.run(self.bin / "agent", "plan", *(w for n in nets for w in ("--model", n)), "-o", plan)
        self.run(self.bin / "agent", "bench", "--plan", plan, "--backend", "sim", "--sim-device", ROOT / "examples" / "sim-device.yaml", "-o", records)
        self.run(self.bin / "costgen", "compile", records, "--accept", "noisy", "-o", lut)
        return lut

    def close(self):
        for side in self._sides.values():
            side.close()
        self._sides = {}


def machine():
    """The machine in words, as the studies' pages say it."""
    text = subprocess.run(["scripts/studies/results.sh", "machine"], cwd=ROOT, capture_output=True, text=True, check=True)
    return text.stdout.strip()


def versions():
    import importlib.metadata as packages

    names = ("numpy", "onnx", "onnxruntime", "optuna", "osqp", "pandas", "quadprog", "scikit-learn", "smac")
    go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{go}, Python {sys.version.split()[0]}, " + ", ".join(f"{n} {packages.version(n)}" for n in names)


def page(found):
    """The page of what was found."""
    text = ["# Fast, beside what one would otherwise take", "",
            "Written by `make bench` (`scripts/bench/bench.py`) from `docs/performance.json`. Both sides of a ratio are asked in turn, round by",
            "round, in one run; times are of the processor unless a line says “by the clock”. `make bench-check` measures again and fails where a",
            "ratio, an exponent or a size has become worse beyond the noise. What stands still in continuous integration are the orders of growth:",
            "`go test ./scripts/bench/ours`.", ""]
    said = ""
    for name in POINTS:
        if name not in found:
            continue
        point, at = importlib.import_module(f"points.{name}"), found[name]
        where = f"{at['day']}, on {at['machine']}; {at['versions']}."
        text += [f"## {point.TITLE}", "", f"`make bench POINTS={name}`, " + ("as above." if where == said else where), "", point.TEXT, "",
                 table([Figure(**f) for f in at["figures"]]), ""]
        said = where
    text += [(HERE / "profiles.md").read_text().strip(), ""]
    return "\n".join(text)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--check", action="store_true")
    parse.add_argument("--quick", action="store_true", help="two rounds of each, to try the code")
    parse.add_argument("--page", action="store_true", help="write the page from the file, and measure nothing")
    parse.add_argument("points", nargs="*", metavar="POINT", help=", ".join(POINTS))
    args = parse.parse_args()
    for name in args.points:
        if name not in POINTS:
            parse.error(f"{name} is none of {', '.join(POINTS)}")
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    if args.page:
        PAGE.write_text(page(found))
        return
    worse = []
    for name in args.points or POINTS:
        with tempfile.TemporaryDirectory(prefix="isocost-bench-") as scratch:
            bench = Bench(pathlib.Path(scratch), args.quick)
            try:
                figures = importlib.import_module(f"points.{name}").measure(bench)
            finally:
                bench.close()
        print(f"\n{name}\n{table(figures)}", flush=True)
        if args.check:
            old = {f["name"] + f["beside"]: Figure(**f) for f in found.get(name, {}).get("figures", [])}
            worse += [(name, f, old[f.name + f.beside]) for f in figures
                      if f.unit in PORTABLE and f.name + f.beside in old and f.worse_than(old[f.name + f.beside])]
            continue
        found[name] = {"day": datetime.date.today().isoformat(), "machine": machine(), "versions": versions(),
                       "figures": [dataclasses.asdict(f) for f in figures]}
        if not args.quick:
            FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            PAGE.write_text(page(found))
    for name, f, old in worse:
        print(f"bench-check: {name}: {f.name}: {f.value:.4g} {f.unit} [{f.lo:.4g}, {f.hi:.4g}], was {old.value:.4g} [{old.lo:.4g}, {old.hi:.4g}]", file=sys.stderr)
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
