#!/usr/bin/env python3
"""NAS-Bench-Macro's 6,561 networks at measured costs.

    nas_bench_macro_measured.py rows nas-bench-macro_cifar10.json > measured.jsonl
    nas_bench_macro_measured.py isolated FOLDER > isolated.json
    nas_bench_macro_measured.py general device.lut.json > general.json
    nas_bench_macro_measured.py conclusions | tables

rows prices every network by the tables of examples/nas-bench-macro/measured
(bin/isosearch price) and writes a table isocost reads (isocost/table/v1): published
accuracies, FLOPs and parameters, and a column of costs per table. Two further columns per
target are what a table would say without its calibration (-sum) and by operators timed alone
(-isolated). isolated takes the latter out of the records in FOLDER. tables prints what the
audits say of the tables, and how they agree.
"""

import itertools
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/nas-bench-macro"
MEASURED = EXAMPLE / "measured"
TARGETS = ["ort-fp32-1", "litert-fp32-1", "ort-int8-1", "ort-fp32-2"]
OTHERS = ["memory", "sim-latency", "sim-energy"]
TAU = 0.05
# What a layer sees: stages of two, three and three layers, the first with the stride.
LAYERS = [(32, 64), (64, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
ARCHS = ["|".join(a) for a in itertools.product("012", repeat=8)]
ANCHORS = range(100, len(ARCHS), 211)  # whose bands are compared


def table(name):
    with open(MEASURED / f"{name}.lut.json", encoding="utf-8") as f:
        return json.load(f)


def precision(name):
    return "int8" if "int8" in name else "fp32"


def priced(names, space, keys):
    """The networks' costs by each table, as isosearch prints them."""
    luts = ",".join(str(MEASURED / f"{n}.lut.json") for n in names)
    out = subprocess.run([ROOT / "bin/isosearch", "price", "--space", space, "--lut", luts, "--json", *keys],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    archs = [a for a in json.loads(out)["architectures"] if a["name"] != "x0"]
    return {n: [a["costs"][i]["predicted"]["value"] for a in archs] for i, n in enumerate(names)}


def sums(cells, overhead):
    """The networks' costs as sums of cells: {key: us}."""
    def cost(kind, cin, cout, k):
        found = [v for key, v in cells.items() if re.match(rf"{kind}\[.*\bk={k}\b", key)
                 and re.search(rf"@.*\bcin={cin},cout={cout},", key)]
        if len(found) != 1:
            raise SystemExit(f"{kind} {cin}→{cout}, k={k}: {len(found)} cells")
        return found[0]
    layers = [{"0": cost("conv", i, o, 1) if i != o else 0.0, "1": cost("mbconv", i, o, 3), "2": cost("mbconv", i, o, 5)}
              for i, o in LAYERS]
    fixed = overhead + cost("conv", 3, 32, 3) + cost("conv", 256, 1280, 1)
    fixed += sum(v for key, v in cells.items() if re.match("(gap|linear|switch)", key))
    return [fixed + sum(layer[c] for layer, c in zip(layers, a.split("|"))) for a in ARCHS]


def cells_of(lut):
    out = {}
    for family in lut["families"]:
        name, prec = family["family"].rsplit("/", 1)
        for knot in family["knots"]:
            at = ",".join(f"{k}={v}" for k, v in zip(family["axes"], knot["at"]))
            out[f"{name}/{prec}@{at}"] = knot["corrected"]
    return out


def columns():
    cost = priced([n for n in TARGETS + OTHERS if precision(n) == "fp32"], EXAMPLE / "space.yaml", ARCHS)
    cost.update(priced(["ort-int8-1"], EXAMPLE / "space-int8.yaml",
                       ["|".join(c + ":int8" for c in a.split("|")) for a in ARCHS]))
    isolated = json.loads((MEASURED / "isolated.json").read_text())
    for name in TARGETS:
        lut = table(name)
        overhead = lut["overhead"]["value"]
        cost[name + "-sum"] = sums(cells_of(lut), overhead)
        cost[name + "-isolated"] = sums(isolated[name], 0.0)
    return cost


def rows(path):
    with open(path, encoding="utf-8") as f:
        published = json.load(f)
    cost = columns()
    print('{"format":"isocost/table/v1","name":"nas-bench-macro-measured"}')
    for i, arch in enumerate(ARCHS):
        row = published[arch.replace("|", "")]
        costs = {"flops": row["flops"], "params": row["params"], **{n: round(v[i], 3) for n, v in cost.items()}}
        print(json.dumps({"arch": arch, "utility": row["test_acc"], "cost": costs}, separators=(",", ":")))


def isolated(folder):
    out = {}
    for name in TARGETS:
        out[name] = {}
        with open(pathlib.Path(folder) / f"{name}.jsonl", encoding="utf-8") as f:
            for line in f:
                record = json.loads(line).get("record", {})
                if "isolated_us" in record:
                    out[name][record["key"]] = record["isolated_us"]
    print(json.dumps(out, indent=1, sort_keys=True))


def general(lut):
    default = ["1"] * 8
    networks = {"base": default}
    for layer in range(8):
        for choice in "02":
            networks[f"{layer}{choice}"] = default[:layer] + [choice] + default[layer + 1:]
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.onnx" for name in networks]
        for file, arch in zip(files, networks.values()):
            subprocess.run([ROOT / "bin/isosearch", "export", "--space", EXAMPLE / "space.yaml", "|".join(arch), "-o", file],
                           check=True, stdout=subprocess.DEVNULL)
        cost = {}
        for name, file in zip(networks, files):
            out = subprocess.run([ROOT / "bin/costgen", "predict", "--lut", lut, "--json", file], check=True, stdout=subprocess.PIPE).stdout
            cost[name] = json.loads(out)["total_us"]
    base = cost["base"]
    layers = [[round(cost[f"{i}0"] - base, 3), 0.0, round(cost[f"{i}2"] - base, 3)] for i in range(8)]
    print(json.dumps({"base": round(base, 3), "layers": layers}, indent=1))


def generalised():
    """The networks' costs by general.json."""
    g = json.loads((MEASURED / "general.json").read_text())
    return [g["base"] + sum(layer[int(c)] for layer, c in zip(g["layers"], a.split("|"))) for a in ARCHS]


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    i = 0
    while i < len(order):
        j = i
        while j < len(order) and values[order[j]] == values[order[i]]:
            j += 1
        for k in order[i:j]:
            out[k] = (i + j - 1) / 2
        i = j
    return out


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    num = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    den = math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))
    return num / den if den else float("nan")


def agreement(cost, a, b):
    """Over ANCHORS: how many of a's band are in b's, and the mean rank correlation of costs there."""
    both = total = 0
    rho = []
    for x in ANCHORS:
        band = [i for i in range(len(ARCHS)) if abs(math.log(cost[a][i] / cost[a][x])) <= math.log1p(TAU)]
        total += len(band)
        both += sum(abs(math.log(cost[b][i] / cost[b][x])) <= math.log1p(TAU) for i in band)
        if len(band) > 9:
            rho.append(spearman([cost[a][i] for i in band], [cost[b][i] for i in band]))
    return both / total, sum(rho) / len(rho)


def audit(name):
    """What the audit says of a table; shares in per cent, None where it has none."""
    lut = table(name)
    text = subprocess.run([ROOT / "bin/costgen", "inspect", MEASURED / f"{name}.lut.json"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def number(pattern, group=1):
        m = re.search(pattern, text)
        return float(m[group]) if m else None

    feasible = r"within ±5 %: measured so ([\d.]+) % \(plain sum ([\d.]+) %\)"
    run = lut["runtime"]
    where = "simulated device" if run["backend"] == "sim" else lut["device"]["cpu"]
    return {"where": f"{where}, {run['backend']} {run.get('version', '')}, {run['threads']} thread" + "s" * (run["threads"] > 1),
            "eta": 100 * lut["audit"]["eta"], "raw": 100 * lut["audit"]["raw"]["rmspe"], "errors": 100 * lut["audit"]["errors"]["rmspe"],
            "truth": number(r"the truth itself: ±([\d.]+) %"), "rank": number(r"rank in band\s+Spearman ([\d.]+)"),
            "inside": number(feasible), "inside_raw": number(feasible, 2)}


def spread(values, form="{:.1f}"):
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def conclusions():
    audits = [audit(n) for n in TARGETS]
    every = lambda key: spread([a[key] for a in audits])
    better = [n for n, a in zip(TARGETS, audits) if a["inside"] > a["inside_raw"]]
    cost = columns()
    pairs = [agreement(cost, a, b) for a in TARGETS for b in TARGETS if a != b]
    lesser = {kind: [agreement(cost, n + kind, n)[0] for n in TARGETS] for kind in ("-sum", "-isolated")}
    share = lambda values: spread([100 * v for v in values], "{:.0f}")
    print("### What may be concluded of the tables")
    print()
    print(f"- Against networks they never saw the four tables are off by {every('errors')} % (RMSPE; η {every('eta')} %), without calibration by {every('raw')} %.")
    print(f"- Beside a band of ±5 % that is much, and the machine's own spread is ±{every('truth')} %: of networks that cost the same by the table, {every('inside')} % do so measured, and a rank correlation of {spread([a['rank'] for a in audits], '{:.2f}')} is left inside a band.")
    print(f"- Calibration raises that share on {len(better)} of {len(TARGETS)} targets ({', '.join(better) or 'none'}); by plain sums it is {every('inside_raw')} %. "
          "Equal cost is relative: what a plain sum leaves out, it leaves out of the anchor too.")
    print(f"- One target's band holds {share([s for s, _ in pairs])} % of another's, and inside it their costs have a rank correlation of {spread([r for _, r in pairs], '{:.2f}')}: "
          "equal cost on one is not equal cost on another, although over all networks the costs agree.")
    cost["general"], exact = generalised(), cost["ort-fp32-1"]
    off = [math.log(g / e) for g, e in zip(cost["general"], exact)]
    mean = sum(off) / len(off)
    within, rank = agreement(cost, "general", "ort-fp32-1")
    print(f"- A model of the device that measured no kernel of this family prices it {100 * math.expm1(mean):+.0f} % beside ort-fp32-1 in the mean, "
          f"±{100 * math.sqrt(sum((o - mean) ** 2 for o in off) / len(off)):.0f} % around that. Its bands are to {100 * within:.0f} % in the exact table's, with a rank correlation of {rank:.2f}.")
    print(f"- A band by plain sums is to {share(lesser['-sum'])} % in the calibrated table's, one by operators timed alone to {share(lesser['-isolated'])} %.")
    print()


def tables():
    show = lambda v, form: "–" if v is None else form.format(v)
    print("### The tables")
    print()
    print("| table | of | η | RMSPE, plain sum | calibrated | the truth's own spread | rank in a band | inside ±5 % by the plain sum and measured so | calibrated |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in TARGETS + OTHERS:
        a = audit(name)
        print(f"| {name} | {a['where']} | {a['eta']:.2f} % | {a['raw']:.2f} % | {a['errors']:.2f} % | {show(a['truth'], '±{:.2f} %')} "
              f"| {show(a['rank'], '{:.3f}')} | {show(a['inside_raw'], '{:.1f} %')} | {show(a['inside'], '{:.1f} %')} |")
    print()
    cost = columns()
    cost["general"] = generalised()
    pairs = [(a, b) for a in TARGETS for b in TARGETS if a != b]
    pairs += [("general", "ort-fp32-1"), ("ort-fp32-1", "memory"), ("sim-latency", "sim-energy")]
    pairs += [(n + kind, n) for n in TARGETS for kind in ("-sum", "-isolated")]
    print("-sum: without calibration. -isolated: operators timed alone. general: costgen predict by a table that costgen build --minutes 10 made of this machine,")
    print("every kernel of these networks interpolated.")
    print()
    print(f"Over the bands of {len(ANCHORS)} networks: how many of those in the first table's band are in the second's, the rank correlation of costs there, and over all.")
    print()
    print("| bands by | costs by | also in that band | rank correlation there | over all networks |")
    print("|---|---|---|---|---|")
    for a, b in pairs:
        share, rho = agreement(cost, a, b)
        print(f"| {a} | {b} | {100 * share:.0f} % | {rho:.2f} | {spearman(cost[a], cost[b]):.3f} |")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("rows", "isolated", "general"):
        {"rows": rows, "isolated": isolated, "general": general}[sys.argv[1]](sys.argv[2])
    elif sys.argv[1:] in (["conclusions"], ["tables"]):
        {"conclusions": conclusions, "tables": tables}[sys.argv[1]]()
    else:
        sys.exit(__doc__)
