#!/usr/bin/env python3
"""Verifies a run directory of isosearch without isosearch: usage verify.py RUN…

Written from docs/formats/verify.md, in Python's standard library alone. It does not repeat
the search: it checks that nothing in the journal was changed, that its samples have the
seeds they must have, and that every neighbour the certificate calls retired was retired by
a bound that follows from the journal's samples. Exit status: 0 all is well, 1 something is
wrong, 2 of a kind that this program does not check.
"""
import hashlib
import json
import math
import pathlib
import sys

SLACK = 1e-12


class Wrong(Exception):
    """Something in the run is not as it must be."""


class Unchecked(Exception):
    """The run is of a kind that is not checked here."""


def must(ok, what):
    if not ok:
        raise Wrong(what)


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-7, abs_tol=1e-9)


# --- the journal -----------------------------------------------------------------------

def read_journal(path):
    """The header and the entries, after the chain of check sums has been checked."""
    data = path.read_bytes()
    must(data.endswith(b"\n"), f"{path}: the last line is torn")
    out, before = [], ""
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        tail = b',"sum":"' + line[-34:-2] + b'"}'
        must(line.endswith(tail), f"{path}:{number}: no check sum at the end of the line")
        content = line[:-len(tail)] + b"}"
        want = hashlib.sha256(before.encode() + b"\n" + content).hexdigest()[:32]
        must(want.encode() == line[-34:-2], f"{path}:{number}: the check sum does not fit")
        before = want
        out.append(json.loads(content))
    return out[0], out[1:]


def sample_seed(run, stream, key, index):
    text = b"isocost/seed/v1\0" + run.to_bytes(8, "little") + index.to_bytes(8, "little")
    sum_ = hashlib.sha256(text + stream.encode() + b"\0" + key.encode()).digest()
    return int.from_bytes(sum_[:8], "little") >> 11


# --- bounds ----------------------------------------------------------------------------

WRONG_SIDE, LEAST_SCORE = 0.05, 2.0


def side(score):
    phi = 0.5 * math.erfc(-score / math.sqrt(2))
    return (1 - WRONG_SIDE) * phi + WRONG_SIDE * (1 - phi)


def slope(score):
    return score + (1 - 2 * WRONG_SIDE) * math.exp(-score ** 2 / 2) / math.sqrt(2 * math.pi) / side(score)


LN_ANY, LN_FROM, SLOPE = math.log(2 * WRONG_SIDE), math.log(2 * side(LEAST_SCORE)), slope(LEAST_SCORE)


class Evidence:
    """What an arm's samples of the incumbent's time say: n, centre and scale."""

    def __init__(self, n, center, scale, var=math.inf, log=0.0):
        self.n, self.center, self.scale, self.var, self.log = n, center, scale, var, log


def infinite(values, sigma, rho):
    n = len(values)
    if n == 0:
        return Evidence(0, math.nan, 0)
    center = sum(values) / n
    if sigma == 0:
        return Evidence(n, center, 0, 0)
    return Evidence(n, center, n, sigma ** 2 * (n + rho) / n ** 2, 0.5 * math.log1p(n / rho))


def pool(values, base, size, sigma, rho):
    """Draws without replacement from a pool: those from base on are evidence."""
    a = b = total = 0.0
    for t, x in enumerate(values):
        if t >= base:
            a += x + total / (size - t)
            b += size / (size - t)
        total += x
    n = len(values)
    if n >= size or sigma == 0 and n > 0:
        return Evidence(n, total / n, 0, 0)
    if n <= base:
        return Evidence(0, math.nan, 0)
    n -= base
    return Evidence(n, a / b, b, sigma ** 2 * (n + rho) / b ** 2, 0.5 * math.log1p(n / rho))


def single(sigma, n, scale, rho, delta):
    t = math.log(1 / delta) + 0.5 * math.log1p(n / rho)
    t -= LN_FROM if t - LN_FROM >= LEAST_SCORE ** 2 / 2 else LN_ANY
    return sigma * math.sqrt(2 * (n + rho) * t) / scale


def excess(x, z, sigma, prior, delta):
    """The half-width w of the upper bound D + w on f(z) − f(x)."""
    rho, loose, ratio = prior
    if x.n == 0 or z.n == 0:
        return math.inf
    if sigma == 0 or x.scale == 0 and z.scale == 0:
        return 0.0
    if x.scale == 0:
        return single(sigma, z.n, z.scale, rho, delta)
    if z.scale == 0:
        return single(sigma, x.n, x.scale, rho, delta)
    a = x.n + loose
    h = loose / a
    q = ratio ** 2 * h * x.n + z.n + rho
    alpha = ratio * h - z.scale / x.scale
    t = math.log(1 / delta) + 0.5 * math.log(a / loose) + 0.5 * math.log(q / rho)
    rest = t - LN_FROM - LEAST_SCORE ** 2 / 2
    t -= LN_FROM if rest > 0 and 2 * rest * q >= alpha ** 2 * a * SLOPE ** 2 else LN_ANY
    return sigma * math.sqrt(2 * (q + alpha ** 2 * a) * t) / z.scale


LAMBDAS = 1, 1.25, 1.6, 2.5, 5


class Pairs:
    """What n differences of samples that were asked for together say about every variance."""

    def __init__(self, n, square):
        self.n, self.square = n, square

    def against(self, variance):
        terms = [self.n / 2 * math.log(l) - (l - 1) * self.square / (2 * variance) for l in LAMBDAS]
        most = max(terms)
        return most + math.log(sum(math.exp(t - most) for t in terms) / len(LAMBDAS))

    def variance(self, t):
        """The largest at which against is at most t, 0 for none."""
        if t <= -math.log(len(LAMBDAS)):
            return 0.0
        lo, hi = 0.0, self.square / self.n
        while self.against(hi) < t:
            lo, hi = hi, 2 * hi
            if math.isinf(hi):
                return hi
        for _ in range(60):
            mid = (lo + hi) / 2
            lo, hi = (mid, hi) if self.against(mid) < t else (lo, mid)
        return hi

    def worst(self, t, lo, hi):
        """The largest v(t − against(v)) from lo to hi, a concave function."""
        at = lambda v: v * (t - self.against(v)) if v else 0.0
        for _ in range(100):
            u, v = lo + (hi - lo) / 3, hi - (hi - lo) / 3
            if at(u) < at(v):
                lo = u
            else:
                hi = v
        return max(at(lo), at(hi))

    def excess(self, nx, nz, prior, delta):
        """The half-width w of the upper bound D + w, the largest over all variances."""
        rho, loose, ratio = prior
        if nx == 0 or nz == 0 or not self.square > 0:
            return math.inf
        a = nx + loose
        h = loose / a
        q = ratio ** 2 * h * nx + nz + rho
        alpha = ratio * h - nz / nx
        t = math.log(1 / delta) + 0.5 * math.log(a / loose) + 0.5 * math.log(q / rho)
        if t - self.against(math.inf) >= LN_ANY:
            return math.inf
        most = above = 0.0
        for score in (2, 1, 0, -1):
            ln = math.log(2 * side(score))
            reach = self.variance(t - ln - score ** 2 / 2 - alpha ** 2 * a * max(0, slope(score)) ** 2 / (2 * q))
            if reach > above:
                most, above = max(most, self.worst(t - ln, above, reach)), reach
        most = max(most, self.worst(t - LN_ANY, above, self.variance(t - LN_ANY)))
        return math.sqrt(2 * (q + alpha ** 2 * a) * most) / nz


def one_side(alpha):
    return math.log((1 / alpha + 1) / 2)


def student(values, alpha, rho=0.25):
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    mean = sum(values) / n
    square = sum((v - mean) ** 2 for v in values)
    total = n + rho
    g = -math.expm1(-(2 * one_side(alpha) + math.log(total / rho)) / n)
    room = n - g * total
    if room <= 0:
        return -math.inf, math.inf
    w = math.sqrt(g * total * square / (n * room))
    return mean - w, mean + w


def median_bounds(values, alpha, shape=2):
    def beta(a, b):
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    v, n = sorted(values), len(values)
    for k in range((n + 1) // 2, n + 1):
        if k and n * math.log(2) + beta(k + shape, n - k + shape) - beta(shape, shape) >= one_side(alpha):
            return v[n - k], v[k - 1]
    return -math.inf, math.inf


def bets(values, alpha):
    """Bounds on the mean of values in [0, 1] by betting."""
    sizes, total, square = [], 0.0, 0.0
    for n, x in enumerate(values):
        mean, variance = (0.5 + total) / (n + 1), (0.25 + square) / (n + 1)
        sizes.append(math.sqrt(2 * math.log(1 / alpha) / (variance * (n + 1) * math.log(n + 2))))
        square += (x - mean) ** 2
        total += x

    def bound(seen):
        lo, hi = 0.0, 1.0
        for _ in range(50):
            m = (lo + hi) / 2
            if sum(math.log1p(min(l, 0.5 / (1 - m)) * (m - x)) for l, x in zip(sizes, seen)) >= math.log(1 / alpha):
                hi = m
            else:
                lo = m
        return hi
    return 1 - bound([1 - x for x in values]), bound(values)


def median(values):
    v, n = sorted(values), len(values)
    return v[n // 2] if n % 2 else v[n // 2 - 1] + (v[n // 2] - v[n // 2 - 1]) / 2


def chi_square_quantile(p, nu):
    def cdf(x):
        a, h = nu / 2, x / 2
        front = math.exp(a * math.log(h) - h - math.lgamma(a))
        term = total = 1 / a
        k = 1
        while term > total * 1e-17 and k < 10000:
            term *= h / (a + k)
            total += term
            k += 1
        return front * total
    lo, hi = 0.0, float(nu)
    while cdf(hi) < p:
        hi *= 2
    for _ in range(200):
        mid = (lo + hi) / 2
        lo, hi = (mid, hi) if cdf(mid) < p else (lo, mid)
    return (lo + hi) / 2


# --- the run ---------------------------------------------------------------------------

class Arm:
    def __init__(self):
        self.values, self.slots, self.low = [], {}, {}
        self.base, self.low_base, self.next, self.seconds = 0, {}, 0, 0.0
        self.paired = 0  # the index from which samples are asked for in pairs

    def leave_behind(self):
        self.base = len(self.values)
        self.low_base = {f: len(v) for f, v in self.low.items()}


class Run:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.header, self.entries = read_journal(self.folder / "journal.jsonl")
        self.certificate = json.loads((self.folder / "certificate.json").read_text())
        self.settings = self.header["settings"]
        self.arms, self.first, self.full, self.seconds, self.samples = {}, 0, 0, 0.0, 0
        self.notes = []

    def arm(self, key):
        return self.arms.setdefault(key, Arm())

    def check(self):
        s, c = self.settings, self.certificate
        version = self.header["format"].rsplit("/v", 1)[-1]
        must(c["format"].rsplit("/v", 1)[-1] == version, "journal and certificate are of different versions")
        if version != "3":
            raise Unchecked(f"version {version} of the journal")
        if s["schedule"] != "epochs" or s.get("published"):
            raise Unchecked("schedule comparisons and the published form")
        must(c["run"] == self.header, "the certificate's header is not the journal's")
        self.inputs()
        self.paired = s["selector"] == "paired" and (c["sigma"].get("difference") or {}).get("used", False)
        if s["selector"] == "paired" and not self.paired:
            raise Unchecked("the selector paired where pairing did not pay")
        self.sigma = c["sigma"]["value"]
        self.pools = self.pool_sizes()
        self.walk()
        self.final()
        self.neighbourhood()

    def inputs(self):
        """Copies of inputs have the hashes that the header names."""
        folder = self.folder / "inputs"
        for t in self.header["tables"]:
            if t.get("file"):
                self.hashed(folder / t["file"], t["sha256"])
        if self.header["evaluator"]["spec"].startswith("table:"):
            self.hashed(folder / "evaluator.jsonl", self.header["evaluator"]["sha256"])

    def hashed(self, path, want):
        got = hashlib.sha256(path.read_bytes()).hexdigest()
        must(got == want, f"{path} has SHA-256 {got}, the journal says {want}")

    def pool_sizes(self):
        if not self.settings.get("pool"):
            return None
        rows = (self.folder / "inputs" / "evaluator.jsonl").read_text().splitlines()
        rows = [json.loads(r) for r in rows]
        return {r["arch"]: len(r["utility"]) for r in rows if "arch" in r}

    def share(self, number, refusals):
        """The incumbent's share of δ: of its number, from 1, and of its refusals so far."""
        s = self.settings
        d = s["delta"] - s.get("sigma_beta", 0)
        if self.pools is not None:
            d /= 3
        d *= 3 / ((number + 2) * (number + 3))
        if s.get("band_share"):
            d /= 2
        if any(t.get("measured") for t in self.header["tables"]):
            d /= (refusals + 1) * (refusals + 2)
        return d

    def walk(self):
        """Reads the entries in their order and checks each."""
        s = self.settings
        explored = "explore" in s or "start" in self.header
        self.incumbent, self.number, self.refusals = self.header["anchor"], 0 if explored else 1, 0
        self.retired, moves, calibrated, ledger = {}, [], False, hashlib.sha256()
        self.begun = {"weight": 1.0}
        self.apart, self.differences = False, [] if s.get("noise") == "auto" and "sigma" not in s else None
        for line, e in enumerate(self.entries, 2):
            kind = e["kind"]
            if kind in ("eval", "fail"):
                key, stream = e["arch"], e["stream"]
                seed_key = "" if s["selector"] == "paired" and stream == "search" else key
                must(stream == "final" or e["seed"] == sample_seed(s["seed"], stream, seed_key, e["index"]),
                     f"journal:{line}: sample {e['index']} of {key} has seed {e['seed']}, which is not its own")
                self.take(e)
            elif kind in ("start", "move", "apart"):
                must(e["from"] == self.incumbent or kind == "start", f"journal:{line}: a move from {e['from']}, the incumbent is {self.incumbent}")
                if kind == "apart":
                    must(s.get("noise") == "auto", f"journal:{line}: noise {s.get('noise')} is not given up")
                    self.apart, e = True, {"to": self.incumbent}
                elif kind == "start":
                    for a in self.arms.values():
                        a.paired = a.next + a.next % 2
                self.incumbent, self.number, self.refusals, self.retired = e["to"], self.number + 1, 0, {}
                if kind == "move":
                    moves.append(e["to"])
                for a in self.arms.values():
                    a.leave_behind()
                    self.first = max(self.first, a.next)
                x = self.arm(self.incumbent)
                if x.seconds > 0 and self.seconds > 0:
                    weight = x.seconds / len(x.values) / (self.seconds / self.samples)
                else:
                    weight = 1.0
                self.begun = {"weight": min(max(weight, 1 / 64), 64)}
            elif kind == "sigma" and not e.get("note"):
                self.calibration(line, e)
                calibrated = True
            elif kind == "refuse" and e["from"] == self.incumbent and self.number > 0 and e["layer"] >= -1:
                self.refusals, self.retired = self.refusals + 1, {}
            elif kind == "retire":
                must(e["from"] == self.incumbent, f"journal:{line}: a retirement beside {e['from']}, the incumbent is {self.incumbent}")
                self.retired[e["to"]] = (line, e, self.snapshot(e["to"]))
        must(calibrated or self.certificate["sigma"]["source"] != "calibrated", "σ is called calibrated, and the journal has no calibration")
        must([m["to"] for m in self.certificate["moves"]] == moves, "the certificate's moves are not the journal's")

    def take(self, e):
        a = self.arm(e["arch"])
        if e["stream"] == "search":
            a.next = max(a.next, e["index"] + 1)
            if e["kind"] == "eval":
                a.values.append(e["utility"])
                i = e["index"]
                a.slots[i] = e["utility"]
                if self.differences is not None and self.number > 0 and i >= a.paired and i ^ 1 in a.slots:
                    self.differences.append((a.slots[i] - a.slots[i ^ 1]) ** 2 / 2)
                a.seconds += e.get("seconds", 0)
                self.seconds += e.get("seconds", 0)
                self.samples += 1
        elif e["stream"].startswith("low:") and e["kind"] == "eval":
            a.low.setdefault(e["fidelity"], []).append(e["utility"])
            self.samples += 1

    def snapshot(self, key):
        """The samples that a bound on key against the incumbent may rest on, now."""
        def of(k):
            a = self.arm(k)
            low = {f: v[a.low_base.get(f, 0):] for f, v in a.low.items()}
            return {"all": list(a.values), "base": a.base, "slots": dict(a.slots), "low": low, "pool": (self.pools or {}).get(k, 0)}
        differences = Pairs(len(self.differences), sum(self.differences)) if self.differences is not None else None
        return of(self.incumbent), of(key), self.first, self.refusals, differences

    def calibration(self, line, e):
        """σ is the upper bound of the repeated samples before it."""
        square, nu = 0.0, 0
        for a in self.arms.values():
            recent = a.values[a.base:]
            if len(recent) > 1:
                mean = sum(recent) / len(recent)
                square += sum((v - mean) ** 2 for v in recent)
                nu += len(recent) - 1
        report = self.certificate["sigma"]
        must(nu == report["nu"] and close(math.sqrt(square / nu), e["d"]), f"journal:{line}: σ is estimated as {e['d']}, the samples say {math.sqrt(square / max(nu, 1))}")
        upper = e["d"] * math.sqrt(nu / chi_square_quantile(report["beta"], nu))
        must(close(upper, e["upper"]) and close(upper, self.sigma), f"journal:{line}: the upper bound of σ is {upper}, not {e['upper']} or {self.sigma}")
        must(report["beta"] <= self.settings["sigma_beta"] * (1 + 1e-9), "σ is bounded with less than its share of δ")

    def bound(self, snapshot, neighbours):
        """D and D + W of a neighbour by the samples of a snapshot."""
        x, z, first, refusals, differences = snapshot
        s = self.settings
        rho, delta = s["rho"], self.share(self.number, refusals)
        recent = [a["all"][a["base"]:] for a in (x, z)]
        if self.paired:
            d = [z["slots"][i] - x["slots"][i] for i in z["slots"] if i in x["slots"] and i >= first]
            sigma, n = self.certificate["sigma"]["difference"]["value"], len(d)
            if n == 0:
                return math.nan, math.inf
            return sum(d) / n, sum(d) / n + (single(sigma, n, n, rho, delta) if sigma else 0)
        if "utility_range" in s or s.get("noise") == "per-network" or self.apart or s.get("robust"):
            lo, hi = s.get("utility_range", (0, 1))
            if "utility_range" in s:
                center = lambda v: sum(v) / len(v)
                one = lambda v: [lo + (hi - lo) * b for b in bets([min(1, max(0, (u - lo) / (hi - lo))) for u in v], delta / 2)]
            elif s.get("robust") == "median":
                center, one = median, lambda v: median_bounds(v, delta / 2)
            else:
                center, one = (lambda v: sum(v) / len(v)), lambda v: student(v, delta / 2)
            if not recent[0] or not recent[1]:
                return math.nan, math.inf
            return center(recent[1]) - center(recent[0]), one(recent[1])[1] - one(recent[0])[0]
        fidelities = s.get("fidelities", [])
        delta /= 1 + sum("bias" in f for f in fidelities)
        w = self.begun["weight"]
        prior = (rho, 20 * rho / math.sqrt(w), math.sqrt(w / max(neighbours, 1)))
        if differences is not None:
            if not recent[0] or not recent[1]:
                return math.nan, math.inf
            d = sum(recent[1]) / len(recent[1]) - sum(recent[0]) / len(recent[0])
            return d, d + differences.excess(len(recent[0]), len(recent[1]), prior, delta)
        if self.pools is not None:
            a, b = (pool(v["all"], v["base"], v["pool"], self.sigma, rho) for v in (x, z))
        else:
            a, b = (infinite(v, self.sigma, rho) for v in recent)
        d, upper = b.center - a.center, math.inf
        if a.n and b.n:
            upper = d + excess(a, b, self.sigma, prior, delta)
        for f in fidelities:
            if "bias" not in f:
                continue
            sigma = f.get("sigma", self.sigma)
            a, b = (infinite(v["low"].get(f["value"], []), sigma, rho) for v in (x, z))
            if a.n and b.n:
                upper = min(upper, b.center - a.center + excess(a, b, sigma, prior, delta) + f["bias"])
        return d, upper

    def final(self):
        """The certificate's final is the incumbent, and what it calls retired is."""
        c, s = self.certificate, self.settings
        if self.number == 0:
            must(not any(n["retired"] for n in c["neighbours"]), "a search that ended while it explored retires nothing")
            must(not c["claim"]["reached"], "a search that ended while it explored claims nothing")
            self.incumbent = c["final"]["arch"]
        must(c["final"]["arch"] == self.incumbent, f"the final is {c['final']['arch']}, the journal's last incumbent {self.incumbent}")
        compared = c["neighbours"] + (c.get("drawn") or {}).get("archs", [])
        neighbours = len(compared) + self.refusals  # when the incumbent became one
        open_ = 0
        for n in compared:
            if not n["retired"]:
                open_ += 1
                continue
            must(n["arch"] in self.retired, f"{n['arch']} is called retired, and the journal does not retire it beside the final")
            line, e, snapshot = self.retired[n["arch"]]
            d, upper = self.bound(snapshot, neighbours)
            must(math.isnan(d) or "d" not in e or close(d, e["d"]), f"journal:{line}: the difference of {n['arch']} is {e.get('d')}, the samples say {d}")
            must(close(upper, e["upper"]), f"journal:{line}: the upper bound of {n['arch']} is {e['upper']}, recomputed it is {upper}")
            must(upper <= s["epsilon"] * (1 + 1e-9), f"journal:{line}: {n['arch']} is retired at {upper}, over ε = {s['epsilon']}")
        must(c["claim"]["unretired"] == open_, f"{open_} neighbours are not retired, the claim says {c['claim']['unretired']}")
        whole = open_ == 0 and not c["alarms"] and all(not d["final_measured"] or d["final_inside"] for d in c.get("measured", []))
        if c["claim"]["reached"]:
            must(whole and len(compared) >= 3 or whole and c.get("drawn"), "the claim is called reached and is not")
            must(c["claim"]["verdict"] == "certified", "a claim that is reached has the verdict certified")
        self.notes.append(f"{len(compared) - open_} of {len(compared)} neighbours retired")
        drawn = c.get("drawn")
        if drawn:
            miss = 0.5 * (s["delta"] - s.get("sigma_beta", 0)) * 3 / ((self.number + 2) * (self.number + 3)) / (3 if self.pools is not None else 1)
            must((1 - drawn["share"]) ** drawn["drawn"] <= miss * (1 + 1e-9), f"{drawn['drawn']} networks drawn are too few for a share of {drawn['share']}")

    def neighbourhood(self):
        """The neighbours are all the proposals that keep the cost."""
        kind = self.settings.get("neighbours", "canonical")
        space = self.space()
        if space is None or kind not in ("canonical", "exchange") or self.settings.get("interval_band") or self.settings.get("enforce_true_band"):
            self.notes.append("neighbourhood not recomputed")
            return
        final, anchor = parse(self.incumbent), parse(self.header["anchor"])
        bands = []
        for t in self.header["tables"]:
            metric, budget = t["name"].removeprefix("space:"), t["budget"]["value"]
            must(space.cost(anchor, metric) == budget, f"the anchor's {metric} is {space.cost(anchor, metric)}, the journal says {budget}")
            bands.append((metric, budget, math.log1p(t.get("tau", self.settings["tau"])) + SLACK))

        def deviation(x):
            """The largest over the bands, None outside one."""
            worst = 0.0
            for metric, budget, half in bands:
                cost = space.cost(x, metric)
                if cost is None or abs(math.log(cost / budget)) > half:
                    return None
                worst = max(worst, abs(math.log(cost / budget)))
            return worst

        def least(found):
            """Of (drift, deviation, architecture) the first of least drift, then deviation."""
            best = None
            for f in found:
                if f[1] is not None and (best is None or f[0] < best[0] - SLACK or abs(f[0] - best[0]) <= SLACK and f[1] < best[1] - SLACK):
                    best = f
            return best and best[2]

        def settings(x, l, choice):
            for precision in space.precisions[l]:
                for w, ratio in enumerate(space.ratios[l]):
                    y = x[:l] + [(choice, w, precision)] + x[l + 1:]
                    yield ratio, y

        def exchanges(x, l):
            for m in range(len(x)):
                for choice in space.choices[m] if m != l else ():
                    for ratio, y in settings(x, m, choice):
                        if y[m] != x[m]:
                            drift = abs(math.log(ratio / space.ratios[m][x[m][1]])) + 10 * (y[m][2] != x[m][2]) + 100 * (choice != x[m][0])
                            yield drift, deviation(y), y

        want = []
        for l in range(len(final)):
            for choice in space.choices[l]:
                want.append(least((abs(math.log(ratio)), deviation(y), y) for ratio, y in settings(final, l, choice)))
                if kind == "exchange" and choice != final[l][0]:
                    y = least(exchanges(final[:l] + [(choice,) + final[l][1:]] + final[l + 1:], l))
                    want.append(y and space.canonical(y))
        refused = {m["nearest"] for m in self.certificate["infeasible"] if m.get("refused")}
        want = {key(x) for x in want if x is not None} - {self.incumbent} - refused
        got = {n["arch"] for n in self.certificate["neighbours"]}
        must(got == want, f"the neighbours of equal cost are {sorted(want)}, the certificate has {sorted(got)}")
        must(deviation(final) is not None, "the final is outside the anchor's band")
        self.notes.append("neighbourhood recomputed")

    def space(self):
        """The space with its costs, None where they are not recomputed."""
        file = self.folder / "inputs" / self.header["space"]["file"]
        if file.suffix == ".jsonl":
            return Rows(file)
        canonical = file.parent / "space.json"
        if not canonical.exists() or any(t["name"] != "space:flops" for t in self.header["tables"]):
            return None
        self.hashed(canonical, self.header["space"]["sha256"])
        spec = json.loads(canonical.read_text())
        return Networks(spec) if spec["width"]["scope"] == "layer" else None


# --- spaces ----------------------------------------------------------------------------

def parse(text):
    """An architecture: choice, width and precision per layer."""
    out = []
    for layer in text.split("|"):
        choice, *rest = layer.split(":")
        width = int(rest.pop(0)) if rest and rest[0].isdigit() else 0
        out.append((choice, width, rest[0] if rest else ""))
    return out


def key(x):
    return "|".join(choice + (f":{width}" if width else "") + (f":{precision}" if precision else "") for choice, width, precision in x)


class Rows:
    """A table of networks on file."""

    def __init__(self, file):
        rows = [json.loads(text) for text in file.read_text().splitlines()]
        self.rows = {r["arch"]: r.get("cost", {}) for r in rows if "arch" in r}
        layers = len(next(iter(self.rows)).split("|"))
        self.choices = [sorted({k.split("|")[l] for k in self.rows}) for l in range(layers)]
        self.ratios, self.precisions = [[1.0]] * layers, [[""]] * layers

    def cost(self, x, metric):
        return self.rows.get(key(x), {}).get(metric)

    def canonical(self, x):
        return x


def up(a, b):
    return -(-a // b)


class Networks:
    """A space of networks with widths of each layer's own, priced by multiply-adds."""

    def __init__(self, spec):
        self.divisor = spec["width"]["divisor"]
        units = {c["name"]: c for c in spec["choices"]}
        self.choices, self.ratios, self.precisions, self.default, self.known = [], [], [], [], {}
        self.places, self.fixed = [], 0
        at = (spec["input"]["channels"], spec["input"]["height"], spec["input"]["width"])
        for u in spec["stem"]:
            at = self.part(u, at)
        for stage in spec["stages"]:
            for u in stage["entry"] or []:
                at = self.part(u, at)
            for i in range(stage["layers"]):
                stride, cout = stage["stride"] if i == 0 else 1, stage["channels"]
                same = stride == 1 and at[0] == cout
                fit = [c for c in stage["choices"] if units[c]["op"] != "skip" or same or units[c].get("project")]
                self.places.append((at, stride, cout, same, units))
                self.choices.append(fit)
                self.ratios.append(stage["ratios"])
                self.precisions.append(stage["precisions"] or [""])
                d = spec["default"]
                precision = d.get("precision") or ""
                if precision not in self.precisions[-1]:
                    precision = self.precisions[-1][0]
                self.default.append((stage["default"], stage["ratios"].index(d["width"]), precision))
                at = (cout, up(at[1], stride), up(at[2], stride))
        for u in spec["head"]:
            at = self.part(u, at)

    def part(self, u, at):
        """Counts a fixed part; returns the shape behind it."""
        op, s, (c, h, w) = u["op"], u.get("s", 1), at
        k, out = u.get("k", 1), u.get("out", c)
        ho, wo = up(h, s), up(w, s)
        if op == "gap":
            return c, 1, 1
        if op == "patchmerge":
            self.fixed += h * w * c * out
            return out, h // 2, w // 2
        if op in ("conv", "patchembed"):
            self.fixed += ho * wo * c * out * k * k
        elif op == "dwconv":
            self.fixed += ho * wo * c * k * k
        elif op == "linear":
            self.fixed += h * w * c * out
        return out, ho, wo

    def cost(self, x, metric):
        return self.fixed + sum(self.layer(l, choice, width) for l, (choice, width, _) in enumerate(x))

    def layer(self, l, choice, width):
        if (l, choice, width) not in self.known:
            self.known[l, choice, width] = self.count(l, choice, width)
        return self.known[l, choice, width]

    def count(self, l, choice, width):
        """Multiply-adds of a layer."""
        (c, h, w), s, cout, same, units = self.places[l]
        u = units[choice]
        op, k = u["op"], u.get("k", 1)
        to, hw = up(h, s) * up(w, s), h * w
        wide = self.ratios[l][width] * u.get("e", 0) * (c if op in ("mbconv", "fusedmbconv") else cout)
        mid = max(self.divisor, math.floor(wide / self.divisor + 0.5) * self.divisor)
        if op == "skip":
            return 0 if same else to * c * cout
        if op == "conv":
            return to * c * cout * k * k
        if op == "convnext":
            return hw * c * k * k + 2 * hw * c * mid
        if op == "encoder":
            window = u.get("win", 0) ** 2 or hw
            return 4 * hw * c * c + 2 * hw * window * c + 2 * hw * c * mid
        shortcut = 0 if same else to * c * cout
        if op == "resbasic":
            return 9 * to * mid * (c + cout) + shortcut
        if op == "resbottleneck":
            return hw * c * mid + 9 * to * mid * mid + to * mid * cout + shortcut
        inner = 0
        if u.get("se"):
            part = mid // u["se"]
            hidden = max(8, (part + 4) // 8 * 8)
            inner = 2 * mid * (hidden + 8 if 10 * hidden < 9 * part else hidden)
        if op == "mbconv":
            return hw * c * mid + to * mid * k * k + inner + to * mid * cout
        return to * c * mid * k * k + inner + to * mid * cout

    def canonical(self, x):
        """A layer that is nothing has the default's width and precision."""
        def nothing(l, choice):
            return self.places[l][3] and self.places[l][4][choice]["op"] == "skip"
        return [t[:1] + self.default[l][1:] if nothing(l, t[0]) else t for l, t in enumerate(x)]


def main(folders):
    if not folders:
        print("usage: verify.py RUN…", file=sys.stderr)
        return 2
    status = 0
    for folder in folders:
        try:
            run = Run(folder)
            run.check()
            print(f"{folder}: verified; {', '.join(run.notes)}; {run.certificate['claim']['verdict']}")
        except Wrong as wrong:
            print(f"{folder}: WRONG: {wrong}")
            status = 1
        except Unchecked as kind:
            print(f"{folder}: not checked: {kind}")
            status = status or 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
