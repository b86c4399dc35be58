"""Writes docs/results/memory.md from what scripts/studies/memory.sh measured."""

import glob
import json
import math
import os
import re
import sys

folder = sys.argv[1]


def peak(path):
    """What the one network of a record file took, in bytes; None if it could not be counted."""
    for line in open(path):
        record = json.loads(line).get("record") or {}
        memory = record.get("memory") or {}
        if record.get("kind") == "e2e" and memory.get("source") == "requests":
            return memory["peak_activation_bytes"]
    return None


def total(path):
    """The plan's bytes alone: the table's calibration is of the space's networks."""
    try:
        return json.load(open(path))["known_bytes"]
    except (ValueError, KeyError):
        return None


def summary(errors):
    errors = [e for e in errors if e is not None]
    rms = math.sqrt(sum(e * e for e in errors) / len(errors))
    exact = sum(e == 0 for e in errors)
    worst = max(errors, key=abs)
    return f"{exact} of {len(errors)} | {100 * rms:.2f} % | {100 * worst:+.1f} %"


print("# Peak memory\n")
print("What ONNX Runtime asks for during an inference beyond weights, inputs and outputs, counted by request, and predicted by its plan of")
print("buffers (decision 0410). Bytes repeat exactly.\n")
print("**A space**, examples/mobile-cnn, fp32 and int8 mixed: unseen networks, from their operators alone:\n\n```text")
shown = False
for line in open(os.path.join(folder, "compile.txt")):
    if line.startswith(("calibration on", "audit on")):
        shown = True
    if "rank in band" in line:
        break
    if shown:
        print(line.rstrip())
print("```")

rows = []
for path in sorted(glob.glob(os.path.join(folder, "*.rec.jsonl"))):
    stem = path[: -len(".rec.jsonl")]
    took = peak(path)
    if took is None:
        continue
    by = [total(stem + s) for s in (".file.json", ".kernels.json")]
    rows.append((os.path.basename(stem), took, [b / took - 1 if b else None for b in by]))
if rows:
    kinds = {"fp32": lambda n: not re.search(r"\.(qdq|dyn)$", n), "int8": lambda n: re.search(r"\.(qdq|dyn)$", n)}
    print("\n**Exported networks** of torchvision and timm, by that table, from the model as exported and from its kernels (`agent lower`):\n")
    print("| | to the byte | RMSPE | worst |\n|---|---|---|---|")
    for what, i in (("as exported", 0), ("its kernels by agent lower", 1)):
        for kind, match in kinds.items():
            errors = [r[2][i] for r in rows if match(r[0])]
            if any(e is not None for e in errors):
                print(f"| {kind}, {what} | {summary(errors)} |")
    print("\n| network | bytes taken | as exported | by its kernels |\n|---|---|---|---|")
    for name, took, errors in rows:
        cells = ["–" if e is None else "exact" if e == 0 else f"{100 * e:+.2f} %" for e in errors]
        if cells != ["exact", "exact"]:
            print(f"| {name} | {took:,} | {cells[0]} | {cells[1]} |")
    print(f"\nThe other {sum(r[2] == [0, 0] for r in rows)} are exact both ways.")
