"""Answers a search."""

from __future__ import annotations

import sys

from .arch import Arch
from .channel import Channel
from .evaluator import Evaluator, Train

__all__ = ["serve"]


def serve(train: "Evaluator | Train") -> None:
    """Answers ``isosearch --evaluator "exec:python3 evaluator.py"`` until it closes standard input.

    One training at a time in this process; ``--workers N`` of isosearch has N of them. Standard
    output is safe to print to. Returns at the end of input.
    """
    own = train if isinstance(train, Evaluator) else Evaluator(train)
    if sys.stdin.isatty():
        print("isocost: this is an evaluator: isosearch run --evaluator starts it, and isocost check tries it", file=sys.stderr)
    channel = Channel.take()
    try:
        channel.hello(1)
        for request in channel:
            if "cancel" not in request:
                outcome = own.outcome(Arch.of(request["layers"]), request["seed"], request["fidelity"])
                channel.write(outcome.line(request["id"]))
    except BrokenPipeError:
        pass  # the search has gone
