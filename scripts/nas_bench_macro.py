#!/usr/bin/env python3
"""Turns NAS-Bench-Macro's JSON into a table isocost reads (isocost/table/v1).

    python3 scripts/nas_bench_macro.py nas-bench-macro_cifar10.json > nas-bench-macro.jsonl

The source is data/nas-bench-macro_cifar10.json of github.com/xiusu/NAS-Bench-Macro
(Apache-2.0). Utilities are the three test accuracies in per cent; costs are the
published FLOPs and parameters.
"""

import json
import sys


def main(path):
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    out = sys.stdout
    header = {"format": "isocost/table/v1", "name": "nas-bench-macro"}
    out.write(json.dumps(header, separators=(",", ":")) + "\n")
    for arch in sorted(data):
        row = data[arch]
        out.write(json.dumps({
            "arch": "|".join(arch),
            "utility": row["test_acc"],
            "cost": {"flops": row["flops"], "params": row["params"]},
        }, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
