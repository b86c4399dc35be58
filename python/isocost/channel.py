"""Standard input and output, kept for the search alone."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Callable, Iterator

__all__ = ["FORMAT", "Channel", "lines"]

FORMAT = "isocost/exec/v2"


class Channel:
    """The lines between a search and this program (docs/formats/exec.md).

    Taken, it has standard input and output for itself: what anything in this process prints, a
    library in C or a child included, goes to standard error, and nothing can read a request away.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self._in = requests
        self._out = answers
        self._lock = threading.Lock()

    @staticmethod
    def take() -> "Channel":
        """Takes both streams of this process. They are not inherited by children."""
        sys.stdout.flush()
        channel = Channel(os.dup(0), os.dup(1))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        return channel

    def write(self, line: dict[str, Any]) -> None:
        """Writes one line, whole; any thread may. Raises BrokenPipeError when the search has gone."""
        self.write_bytes(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n")

    def write_bytes(self, data: bytes) -> None:
        """Writes lines as they are."""
        with self._lock:
            while data:
                data = data[os.write(self._out, data) :]

    def hello(self, concurrency: int) -> None:
        """Says how many requests are taken at a time."""
        self.write({"format": FORMAT, "concurrency": concurrency})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Requests and cancels, until the search closes its end."""
        for batch in self.batches():
            yield from map(json.loads, batch)

    def batches(self) -> Iterator[list[bytes]]:
        """The same as lines, as many as have come at a time."""
        return lines(lambda: os.read(self._in, 1 << 16))


def lines(read: Callable[[], bytes]) -> Iterator[list[bytes]]:
    """The lines of a stream, as many as have come at a time, until it ends."""
    rest = b""
    while data := read():
        *whole, rest = (rest + data).split(b"\n")
        batch = [line for line in whole if line.strip()]
        if batch:
            yield batch
