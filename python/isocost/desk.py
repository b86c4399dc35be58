"""The desk: a detached Ray actor that owns the trainings of one evaluator.

A training belongs to whoever submitted it and dies with him. So no search submits any: they ask
the desk, which outlives them, runs each (architecture, seed, fidelity) once, and keeps what came
of it for whoever asks again.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

__all__ = ["Desk", "Key"]

#: What a training is: architecture key, seed, fidelity.
Key = tuple[str, int, float]

#: Outcomes kept for a search that asks again; the oldest go first.
KEPT = 100_000


class Desk:
    """Runs trainings and hands out what came of them. Its methods are called by several drivers at once."""

    def __init__(self, outcome: Callable[[str, int, float], Any], resources: dict[str, Any], linger: float) -> None:
        import ray

        self._ray = ray
        self._train = ray.remote(**resources)(outcome)
        self._lock = threading.Condition()
        self._running: dict[Any, Key] = {}  # by object reference
        self._refs: dict[Key, Any] = {}
        self._waiting: dict[Key, list[tuple[str, str]]] = {}  # (driver, request id)
        self._outbox: dict[str, list[dict[str, Any]]] = {}  # by driver
        self._done: dict[Key, Any] = {}
        self._seen = time.monotonic()
        self._linger = linger
        threading.Thread(target=self._collect, daemon=True).start()

    def submit(self, driver: str, requests: list[tuple[str, str, int, float]], cancelled: list[str]) -> None:
        """Takes requests (id, architecture, seed, fidelity) and cancels (ids) of a driver."""
        drop = []
        with self._lock:
            self._seen = time.monotonic()
            for id, arch, seed, fidelity in requests:
                key = (arch, seed, fidelity)
                if key in self._done:
                    self._outbox.setdefault(driver, []).append(self._done[key].line(id))
                    continue
                self._waiting.setdefault(key, []).append((driver, id))
                if key not in self._refs:
                    ref = self._train.remote(arch, seed, fidelity)
                    self._refs[key], self._running[ref] = ref, key
            for id in cancelled:
                for key, waiters in self._waiting.items():
                    if (driver, id) in waiters:
                        waiters.remove((driver, id))
                        if not waiters and key in self._refs:
                            drop.append(self._refs[key])
            self._lock.notify_all()
        for ref in drop:
            self._ray.cancel(ref, force=True)

    def take(self, driver: str, seconds: float) -> list[dict[str, Any]]:
        """The answers that are ready for a driver; waits that long for the first."""
        with self._lock:
            self._lock.wait_for(lambda: self._outbox.get(driver), timeout=seconds)
            self._seen = time.monotonic()
            return self._outbox.pop(driver, [])

    def leave(self, driver: str) -> bool:
        """A driver goes; whether nobody needs the desk any more."""
        with self._lock:
            self._outbox.pop(driver, None)
            for waiters in self._waiting.values():
                waiters[:] = [w for w in waiters if w[0] != driver]
            return not self._running and not self._outbox

    def _collect(self) -> None:
        """Turns finished trainings into answers, for ever."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._running, timeout=5)
                refs = list(self._running)
                idle = not refs and time.monotonic() - self._seen > self._linger
            if idle:
                import os

                os._exit(0)  # nobody came back
            if not refs:
                continue
            ready, rest = self._ray.wait(refs, num_returns=1, timeout=0.2)
            if ready and rest:
                more, _ = self._ray.wait(rest, num_returns=len(rest), timeout=0)
                ready = [*ready, *more]
            if ready:
                self._finish(ready, [self._result(ref) for ref in ready])

    def _result(self, ref: Any) -> Any:
        from .evaluator import Outcome

        try:
            return self._ray.get(ref)
        except Exception as err:  # the worker or its node died more often than it is retried
            text = str(err).strip().splitlines() or [""]
            return Outcome(error=f"{type(err).__name__}: {text[0]}"[:500])

    def _finish(self, refs: list[Any], outcomes: list[Any]) -> None:
        with self._lock:
            for ref, outcome in zip(refs, outcomes):
                key = self._running.pop(ref)
                self._refs.pop(key, None)
                for driver, id in self._waiting.pop(key, []):
                    self._outbox.setdefault(driver, []).append(outcome.line(id))
                if not outcome.error or outcome.final:  # what may pass is tried again when asked again
                    self._done[key] = outcome
            while len(self._done) > KEPT:
                del self._done[next(iter(self._done))]
            self._lock.notify_all()
