#!/usr/bin/env python3
"""NAS-Bench-Macro's 6,561 networks at measured costs.

    nas_bench_macro_measured.py rows nas-bench-macro_cifar10.json > measured.jsonl
    nas_bench_macro_measured.py isolated FOLDER > isolated.json
    nas_bench_macro_measured.py general device.lut.json > general.json
    nas_bench_macro_measured.py finals studies/nas-bench-macro-measured.run [TARGET…] > finals.json
    nas_bench_macro_measured.py page < results.md

rows prices every network by the tables of examples/nas-bench-macro/measured
(bin/isosearch price) and writes a table isocost reads (isocost/table/v1): published
accuracies, FLOPs and parameters, and a column of costs per table. Two further columns per
target are what a table would say without its calibration (-sum) and by operators timed alone
(-isolated). isolated takes the latter out of the records in FOLDER. finals measures what the
study's main method found with its first seed, beside the anchors, on this machine; of other targets than
those named it says what examples/nas-bench-macro/measured/finals.json says. page prints,
around the study's tables, what the audits say of the tables, how they agree, and what finals.json has.
"""

import functools
import itertools
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/nas-bench-macro"
MEASURED = EXAMPLE / "measured"
TARGETS = ["ort-fp32-1", "litert-fp32-1", "ort-int8-1", "ort-fp32-2"]
MAIN = "isocost-explored:gp:auto"
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


@functools.cache
def table_of_rows():
    """The columns of what rows wrote, as the searches had them."""
    with open(ROOT / "studies/nas-bench-macro/measured.jsonl", encoding="utf-8") as f:
        costs = [json.loads(line)["cost"] for line in list(f)[1:]]
    return {name: [c[name] for c in costs] for name in costs[0]}


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


def lowered(name):
    """The space file of a target, and how it names a network."""
    if precision(name) == "int8":
        return EXAMPLE / "space-int8.yaml", lambda arch: "|".join(c + ":int8" for c in arch.split("|"))
    return EXAMPLE / "space.yaml", lambda arch: arch


def finals(run, *targets):
    """Measures the finals of targets, all if none is named, and their anchors in one campaign each; of those that failed there is null."""
    units = [json.loads(file.read_text()) for file in pathlib.Path(run, "units").glob("*.json")]
    units = sorted((u for u in units if (u["method"], u["seed"]) == (MAIN, 1)), key=lambda u: u["anchor"])
    kept = json.loads((MEASURED / "finals.json").read_text()) if targets else {}
    out = {}
    for name in TARGETS:
        if targets and name not in targets:
            out[name] = kept[name]
            continue
        own = [u for u in units if u["table"] == f"space:{name}"]
        archs = list(dict.fromkeys(a for u in own for a in (u["anchor"], u["final"])))
        space, key = lowered(name)
        with tempfile.TemporaryDirectory() as folder:
            said = subprocess.run([ROOT / "bin/isosearch", "price", "--space", space, "--lut", MEASURED / f"{name}.lut.json", "--json",
                                   "--measure", "local", "--measure-again", "0", "--measure-arg", f"--max-time={os.environ.get('TIME', '60s')}",
                                   "--measure-arg", f"--protocol={ROOT / 'examples/mobile-cnn/protocol.yaml'}", "-o", folder, *map(key, archs)],
                                  stdout=subprocess.PIPE, check=False)
        if said.returncode not in (0, 3):
            raise SystemExit(said.returncode)
        back = {key(a): a for a in archs}
        cost = {back[a["arch"]]: a["costs"][0] for a in json.loads(said.stdout)["architectures"] if a["arch"] in back}
        out[name] = [{"anchor": u["anchor"], "final": u["final"], "gain": round(u["utility"]["mean"] - u["anchor_utility"]["mean"], 3),
                      "predicted": [round(cost[u[k]]["predicted"]["value"], 3) for k in ("anchor", "final")],
                      "measured": [(cost[u[k]].get("measured") or {}).get("value") or None for k in ("anchor", "final")]} for u in own]
    print(json.dumps(out, indent=1))


def again():
    """What finals.json says of each target: deviations of finals other than their anchor, and gains."""
    for name, rows in json.loads((MEASURED / "finals.json").read_text()).items():
        moved = [r for r in rows if r["final"] != r["anchor"]]
        valid = [r for r in moved if None not in r["measured"]]
        predicted, measured = ([r[of][1] / r[of][0] - 1 for r in valid] for of in ("predicted", "measured"))
        inside = [r for r, d in zip(valid, measured) if abs(math.log1p(d)) <= math.log1p(TAU)]
        yield name, rows, moved, valid, inside, predicted, measured


def mean_gain(rows):
    return sum(r["gain"] for r in rows) / len(rows) if rows else float("nan")


def measured_again():
    """A table of finals.json."""
    print()
    print("### Finals measured again")
    print()
    print("| target | finals other than their anchor | with a valid measurement | measured inside ±5 % | furthest | off the table's deviation by | rank correlation | gain of all | of those measured inside |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, rows, moved, valid, inside, predicted, measured in again():
        off = sum(abs(p - m) for p, m in zip(predicted, measured)) / len(valid)
        print(f"| {name} | {len(moved)} of {len(rows)} | {len(valid)} | {len(inside)} | {100 * max(measured, key=abs):+.1f} % | {100 * off:.1f} % "
              f"| {spearman(predicted, measured):.2f} | {mean_gain(moved):+.2f} | {mean_gain(inside):+.2f} |")
    print()
    print("What isocost-explored found with the first seed, beside the anchors in one campaign per target, at another hour than the tables'.")


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
    half = math.log1p(TAU)
    logs_a, logs_b = ([math.log(c) for c in cost[name]] for name in (a, b))
    for x in ANCHORS:
        band = [i for i, v in enumerate(logs_a) if abs(v - logs_a[x]) <= half]
        total += len(band)
        both += sum(abs(logs_b[i] - logs_b[x]) <= half for i in band)
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
    change = [a["inside"] - a["inside_raw"] for a in audits]
    cost = table_of_rows()
    pairs = [agreement(cost, a, b) for a in TARGETS for b in TARGETS if a != b]
    lesser = {kind: [agreement(cost, n + kind, n)[0] for n in TARGETS] for kind in ("-sum", "-isolated")}
    share = lambda values: spread([100 * v for v in values], "{:.0f}")
    print("### What may be concluded of the tables")
    print()
    print(f"- Against networks they never saw the four tables are off by {every('errors')} % (RMSPE; η {every('eta')} %), without calibration by {every('raw')} %.")
    print(f"- Beside a band of ±5 % that is much, and the machine's own spread is ±{every('truth')} %: of networks that cost the same by the table, {every('inside')} % do so measured, and a rank correlation of {spread([a['rank'] for a in audits], '{:.2f}')} is left inside a band.")
    print(f"- Calibration mends the error, not that share: by plain sums it is {every('inside_raw')} %, and calibration changes it by {spread(change, '{:+.1f}')} points, of 60 networks. "
          "Equal cost is relative: what a plain sum leaves out, it leaves out of the anchor too.")
    print(f"- One target's band holds {share([s for s, _ in pairs])} % of another's, and inside it their costs have a rank correlation of {spread([r for _, r in pairs], '{:.2f}')}: "
          "equal cost on one is not equal cost on another, although over all networks the costs agree.")
    cost = {**cost, "general": generalised()}
    exact = cost["ort-fp32-1"]
    off = [math.log(g / e) for g, e in zip(cost["general"], exact)]
    mean = sum(off) / len(off)
    within, rank = agreement(cost, "general", "ort-fp32-1")
    print(f"- A model of the device that measured no kernel of this family prices it {100 * math.expm1(mean):+.0f} % beside ort-fp32-1 in the mean, "
          f"±{100 * math.sqrt(sum((o - mean) ** 2 for o in off) / len(off)):.0f} % around that. Its bands are to {100 * within:.0f} % in the exact table's, with a rank correlation of {rank:.2f}.")
    said = [f"{len(inside)} of {len(valid)} on {name} (gain {mean_gain(inside):+.2f}, of all {mean_gain(moved):+.2f})" for name, _, moved, valid, inside, _, _ in again()]
    print(f"- Measured again beside their anchors, of the finals inside ±5 % by the table are so measured: {'; '.join(said)}.")
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
    cost = {**table_of_rows(), "general": generalised()}
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
    measured_again()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("rows", "isolated", "general"):
        {"rows": rows, "isolated": isolated, "general": general}[sys.argv[1]](sys.argv[2])
    elif len(sys.argv) > 2 and sys.argv[1] == "finals" and set(sys.argv[3:]) <= set(TARGETS):
        finals(*sys.argv[2:])
    elif sys.argv[1:] == ["page"]:
        conclusions()
        print(sys.stdin.read())
        tables()
    else:
        sys.exit(__doc__)
