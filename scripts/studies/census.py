#!/usr/bin/env python3
"""The share of exported networks' measured time that is of kernels the catalogue can
plan, as Markdown:

    python3 scripts/studies/census.py MODELS_DIR | scripts/studies/results.sh census 'python3 scripts/studies/census.py MODELS_DIR'

Per network: ONNX Runtime (the Python package, one thread) profiles ten runs of
NAME.script.onnx; bin/agent lower says what each node of the optimised graph is, and
bin/costgen predict --emit-plan which of those kernels no plan can measure. A node
that none of them names counts as not planned. Wants onnxruntime and numpy.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

TABLE = "testdata/vectors/device.lut.json"  # any: only what it lacks matters


def lowered(path, tmp):
    """Names of the nodes in kernels a plan can measure, and of nodes that are part of them."""
    out = os.path.join(tmp, "k.json")
    subprocess.run(["bin/agent", "lower", path, "--dim", "N=1", "-o", out], check=True, stderr=subprocess.PIPE, text=True)
    said = subprocess.run(["bin/costgen", "predict", "--lut", TABLE, out, "--emit-plan", os.path.join(tmp, "p.jsonl")],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if said.returncode not in (0, 3):
        raise RuntimeError(said.stderr.strip())
    cannot = set(re.findall(r"cannot plan (\S+):", said.stderr))
    with open(out) as f:
        net = json.load(f)["network"]
    name = lambda node: node.split(" ", 1)[-1]
    good = {name(n) for k in net["kernels"] if k["key"] not in cannot for n in k["nodes"]}
    # Layout changes are part of the frames of the kernels beside them.
    good |= {f["name"] for f in net["free"] or [] if "name" in f}
    return good


def profile(path, tmp):
    o = ort.SessionOptions()
    o.intra_op_num_threads = 1
    o.enable_profiling = True
    o.profile_file_prefix = os.path.join(tmp, "profile")
    o.log_severity_level = 3
    o.add_free_dimension_override_by_name("N", 1)  # as bin/agent lower: what is fused depends on it
    s = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {i.name: rng.standard_normal([d if isinstance(d, int) else 1 for d in i.shape]).astype(np.float32) for i in s.get_inputs()}
    for _ in range(10):
        s.run(None, feed)
    times = collections.Counter()
    with open(s.end_profiling()) as f:
        for e in json.load(f):
            if e.get("cat") == "Node" and e["name"].endswith("_kernel_time"):
                times[e["name"].removesuffix("_kernel_time"), e["args"]["op_name"]] += e["dur"]
    return times


def main():
    rows, lacking = [], collections.Counter()
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.script.onnx"))):
        name = os.path.basename(path).removesuffix(".script.onnx")
        with tempfile.TemporaryDirectory() as tmp:
            try:
                good, times = lowered(path, tmp), profile(path, tmp)
            except (subprocess.CalledProcessError, RuntimeError) as e:
                rows.append((-1.0, name, str(getattr(e, "stderr", "") or e).strip().splitlines()[0]))
                continue
        total = sum(times.values())
        left = collections.Counter()
        for (node, op), us in times.items():
            if node not in good:
                left[op] += us / total
        lacking.update(left)
        rows.append((1 - sum(left.values()), name, ", ".join(f"{op} {v:.1%}" for op, v in left.most_common(3) if v >= 5e-4)))
    if not rows:
        sys.exit(f"census.py: no *.script.onnx in {sys.argv[1]}")
    rows.sort(reverse=True)
    enough = sum(r[0] >= 0.99 for r in rows)
    print("# Census of exported networks\n")
    print(f"Of {len(rows)} networks of torchvision and timm (fp32, torch's exporter), profiled by ONNX Runtime "
          f"{ort.__version__} on one thread,\n{enough} spend at least 99 % of their time in kernels the catalogue can plan.\n")
    print("| network | share | not planned |\n|---|---|---|")
    for share, name, rest in rows:
        print(f"| {name} | {'not read' if share < 0 else f'{share:.2%}'} | {rest} |".replace("%", " %"))


if __name__ == "__main__":
    main()
