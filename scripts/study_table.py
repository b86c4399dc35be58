#!/usr/bin/env python3
"""Writes the made-up benchmark of examples/study: 4 layers of 4 operators, all 256
networks, three noisy utilities each and costs on two made-up devices that disagree
about the operators, so that searches can be compared in seconds.

    python3 scripts/study_table.py > examples/study/toy.jsonl
"""

import itertools
import json
import random

OPS = ["k3", "k5", "wide", "skip"]
WORTH = {"k3": 1.0, "k5": 1.5, "wide": 1.7, "skip": 0.0}
CPU = {"k3": 100, "k5": 140, "wide": 135, "skip": 20}  # microseconds a layer
DSP = {"k3": 30, "k5": 62, "wide": 36, "skip": 8}
PARAMS = {"k3": 9, "k5": 10, "wide": 16, "skip": 0}  # thousands
FLOPS = {"k3": 9, "k5": 14, "wide": 15, "skip": 0}  # millions


def main():
    rng = random.Random(20)
    pair = {(l, a, b): rng.uniform(-0.4, 0.4) for l in range(4) for a in OPS for b in OPS}
    place = {(l, a): rng.uniform(0.75, 1.25) for l in range(4) for a in OPS}
    print(json.dumps({"format": "isocost/table/v1", "name": "toy", "source": "made up by scripts/study_table.py"}, separators=(",", ":")))
    for arch in itertools.product(OPS, repeat=4):
        u = 90 + sum(WORTH[a] * (0.7 + 0.2 * l) for l, a in enumerate(arch))
        u += sum(pair[l, a, b] for l, (a, b) in enumerate(zip(arch, arch[1:])))
        row = {
            "arch": "|".join(arch),
            "utility": [round(u + rng.gauss(0, 0.15), 2) for _ in range(3)],
            "cost": {
                "cpu_us": round(80 + sum(CPU[a] * place[l, a] for l, a in enumerate(arch)), 1),
                "dsp_us": round(25 + sum(DSP[a] * (2 - place[l, a]) for l, a in enumerate(arch)), 1),
                "params": 20 + sum(PARAMS[a] for a in arch),
                "flops": 12 + sum(FLOPS[a] for a in arch),
            },
        }
        print(json.dumps(row, separators=(",", ":")))


if __name__ == "__main__":
    main()
