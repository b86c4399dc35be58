"""What make bench finds: figures, each with its spread, its aim and what it is held beside."""

import dataclasses
import math

from sides import quartiles

# Figures in these units say the same on every machine, nearly: make bench-check compares them.
# Times are shown, and held against their aims where make bench ran.
PORTABLE = ("×", "exponent", "B", "allocations")


@dataclasses.dataclass
class Figure:
    name: str
    value: float
    lo: float  # quartiles over the rounds
    hi: float
    unit: str
    better: str  # "more" or "less"
    beside: str = ""  # what it is held beside, in words
    detail: str = ""  # both sides' own numbers
    aim: float | None = None

    @property
    def met(self):
        if self.aim is None:
            return None
        return self.value >= self.aim if self.better == "more" else self.value <= self.aim

    def worse_than(self, old):
        """Whether the figure is worse than an old one of its name beyond what the rounds of both spread and a tenth more."""
        if self.unit == "exponent":
            return self.value > old.value + 0.2
        if self.better == "more":
            return self.hi < 0.9 * old.lo
        return self.lo > 1.1 * old.hi


def ratio(name, ours, theirs, beside, aim=None, better="more"):
    """How many times as long theirs takes, round by round."""
    low, middle, high = quartiles([t / o for o, t in zip(ours, theirs)])
    detail = f"{time_text(quartiles(ours)[1])} beside {time_text(quartiles(theirs)[1])}"
    return Figure(name, middle, low, high, "×", better, beside, detail, aim)


def amount(name, values, unit, aim=None, better="less", detail=""):
    low, middle, high = quartiles(values)
    return Figure(name, middle, low, high, unit, better, detail=detail, aim=aim)


def growth(name, sizes, costs, aim=None, text=None):
    """The exponent of the cost's growth between the two largest sizes. costs are the least of several
    rounds, one per size."""
    (a, b), (x, y) = sizes[-2:], costs[-2:]
    e = math.log(y / x) / math.log(b / a)
    curve = ", ".join(f"{s:,}: {(text or time_text)(c)}" for s, c in zip(sizes, costs))
    return Figure(name, e, e, e, "exponent", "less", detail=curve, aim=aim)


def time_text(s):
    for unit, least in (("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 0)):
        if s >= least:
            return f"{s / (least or 1e-9):.3g} {unit}"
    return f"{s} s"


def bytes_text(b):
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(b) >= least:
            return f"{b / least:.3g} {unit}"
    return f"{b:.0f} B"


def text(value, unit):
    if unit == "s":
        return time_text(value)
    if unit == "B":
        return bytes_text(value)
    if unit == "exponent":
        return f"n^{value:.2f}"
    if unit == "×":
        return f"{value:.4g} ×" if value < 10 else f"{value:,.0f} ×"
    return f"{value:.3g} {unit}"


def row(f):
    spread = "" if f.lo == f.hi else f" [{text(f.lo, f.unit)}, {text(f.hi, f.unit)}]"
    said = {None: "", True: "met", False: "**missed**"}[f.met]
    aim = "" if f.aim is None else f"{'≥' if f.better == 'more' else '≤'} {text(f.aim, f.unit)}: {said}"
    name = f.name + (f", beside {f.beside}" if f.beside else "")
    return f"| {name} | {text(f.value, f.unit)}{spread} | {f.detail} | {aim} |"


def table(figures):
    lines = ["| what | figure [quartiles of the rounds] | both sides, or by size | aim |", "|---|---|---|---|"]
    return "\n".join(lines + [row(f) for f in figures])
