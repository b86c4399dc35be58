"""Exploring, beside Optuna and SMAC3."""

from figures import amount, ratio
from sides import in_turn

TITLE = "Exploring"

FEW = 48  # evaluations: SMAC3 takes long for each
TEXT = """A space of 20 layers with 7 choices, the same utilities and the same size of noise on all sides, an evaluation that is free; on ours a band of
cost, too, and proposals in batches of 8. What is measured is what the method takes for itself."""


def measure(bench):
    ours, theirs = bench.ours(), bench.theirs()
    shared = bench.scratch / "utilities.json"
    ours.ask("utilities", shared)
    theirs.ask("utilities", shared)
    few = in_turn(2, gp=lambda: ours.ask("explorer", "gp", FEW)["s"], evolution=lambda: ours.ask("explorer", "evolution", FEW)["s"],
                  tpe=lambda: theirs.ask("tpe", FEW)["s"], smac3=lambda: theirs.ask("smac3", FEW)["s"])
    gp = [ours.ask("explorer", "gp", 1_000)["s"]]
    evolution = [ours.ask("explorer", "evolution", 1_000)["s"] for _ in range(bench.rounds(3))]
    return [
        ratio(f"exploring with {FEW} evaluations, gp", few["gp"], few["tpe"], "Optuna's TPE"),
        ratio(f"exploring with {FEW} evaluations, gp", few["gp"], few["smac3"], "SMAC3"),
        ratio(f"exploring with {FEW} evaluations, evolution", few["evolution"], few["tpe"], "Optuna's TPE"),
        amount("exploring with 1,000 evaluations, gp", gp, "s", 1),
        amount("exploring with 1,000 evaluations, evolution", evolution, "s", 1),
    ]
