"""Evaluators: the user's training as something a search can ask."""

from __future__ import annotations

import dataclasses
import functools
import gc
import inspect
import math
import random
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Mapping, overload

from .arch import Arch
from .errors import IsocostError
from .space import current

if TYPE_CHECKING:
    from .space import Space

__all__ = ["Evaluator", "Outcome", "evaluator"]

#: What a training function is: (arch, seed, fidelity) → utility, or (utility, parts).
Train = Callable[[Arch, int, float], Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one training: a utility, or an error. NaN and infinities are trainings that diverged."""

    utility: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    final: bool = False  #: of an error: asked again, it would be the same

    def answer(self) -> dict[str, Any]:
        """The answer to a request, as docs/formats/exec.md has it, without the request's id."""
        if self.error:
            return {"error": self.error, **({"final": True} if self.final else {})}
        assert self.utility is not None
        out: dict[str, Any] = {"utility": self.utility if math.isfinite(self.utility) else None}
        parts = {k: v for k, v in self.parts.items() if math.isfinite(v)}
        if parts:
            out["parts"] = parts
        return out


class Evaluator:
    """A training function that cannot fail: :meth:`outcome` turns whatever happens into an answer."""

    def __init__(self, train: Train, space: "Space | None" = None) -> None:
        if not callable(train):
            raise TypeError(f"{train!r} is not a function")
        try:
            inspect.signature(train).bind(None, 0, 1.0)
        except TypeError as err:
            name = getattr(train, "__name__", repr(train))
            raise TypeError(f"{name} must take (arch, seed, fidelity): {err}") from None
        self.train = train
        self.space = space or current()  #: what arch.build() builds from
        functools.update_wrapper(self, train)

    def __call__(self, arch: Arch, seed: int, fidelity: float = 1.0) -> Any:
        return self.train(arch if arch.space is not None else dataclasses.replace(arch, space=self.space), seed, fidelity)

    def outcome(self, arch: Arch, seed: int, fidelity: float = 1.0) -> Outcome:
        """Trains once. Python's, numpy's and torch's generators are seeded from seed first.

        An exception is a final error; being out of memory is one that may pass.
        """
        _seed(seed)
        try:
            utility, parts = _utility(self.train(dataclasses.replace(arch, space=self.space), seed, fidelity))
        except KeyboardInterrupt:
            raise
        except BaseException as err:  # SystemExit too: the search must hear of it
            traceback.print_exc(file=sys.stderr)
            short = isinstance(err, MemoryError) or _out_of_memory(err)
            text = f"{type(err).__name__}: {err}" if str(err) else type(err).__name__
            err.__traceback__ = None  # it holds the tensors that there was no room for
            if short:
                _free()
            return Outcome(error=text[:2000], final=not short)
        return Outcome(utility, parts)


@overload
def evaluator(train: Train) -> Evaluator: ...


@overload
def evaluator(*, space: "Space") -> Callable[[Train], Evaluator]: ...


def evaluator(train: Train | None = None, *, space: "Space | None" = None) -> Evaluator | Callable[[Train], Evaluator]:
    """Makes an evaluator of a training function::

        @isocost.evaluator
        def train(arch: isocost.Arch, seed: int, fidelity: float) -> float:
            ...

        if __name__ == "__main__":
            isocost.serve(train)

    It returns the utility, larger is better, or (utility, {name: number}). fidelity in (0, 1] is the
    share of a full training asked for. Equal arguments must give equal utilities, different seeds
    independent ones. space is what ``arch.build()`` builds from, left out the one declared last.
    Raises TypeError for a function that does not take (arch, seed, fidelity).
    """
    if train is None:
        return lambda f: Evaluator(f, space)
    return Evaluator(train, space)


def _utility(result: Any) -> tuple[float, dict[str, float]]:
    parts: Mapping[str, Any] = {}
    if isinstance(result, (tuple, list)) and len(result) == 2 and isinstance(result[1], Mapping):
        result, parts = result
    if result is None or isinstance(result, (str, bytes)):
        raise IsocostError(f"the training returned {result!r}, not a number", "return the utility, larger is better")
    return float(result), {str(k): float(v) for k, v in parts.items()}


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    if torch is not None:
        torch.manual_seed(seed)


def _out_of_memory(err: BaseException) -> bool:
    """Whether a GPU had no room. torch's own class is found by name: torch need not be installed."""
    return any(c.__name__ == "OutOfMemoryError" for c in type(err).__mro__) or isinstance(err, RuntimeError) and "out of memory" in str(err).lower()


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
