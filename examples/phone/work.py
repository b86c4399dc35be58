#!/usr/bin/env python3
"""An evaluator for examples/phone/space.yaml that trains nothing: the utility is the logarithm to base 2 of the
multiply-adds in the blocks. At equal time, a network that computes more uses the device better; whether it is
more accurate, training says (docs/formats/exec.md is what these lines are)."""

import json
import math
import re
import sys

RATIOS = [0.5, 0.75, 1, 1.25, 1.5]
LAYERS = []  # side of the input, channels in, channels out, stride
side, cin = 112, 32
for cout in (24, 40, 80, 160):
    for stride in (2, 1):
        LAYERS.append((side, cin, cout, stride))
        side, cin = side // stride, cout

for line in sys.stdin:
    request = json.loads(line)
    macs = 1
    for (side, cin, cout, stride), layer in zip(LAYERS, request["layers"]):
        block = re.fullmatch(r"mb_k(\d)_e(\d)", layer["choice"])
        if block:  # else skip, which computes nothing
            k, e = map(int, block.groups())
            mid = max(8, 8 * math.floor(RATIOS[layer["width"]] * e * cin / 8 + 0.5))
            out = (side // stride) ** 2
            macs += side * side * cin * mid + out * mid * (k * k + cout)
    print(json.dumps({"id": request["id"], "utility": math.log2(macs)}), flush=True)
