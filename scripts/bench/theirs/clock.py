"""Processor time of calls."""

import time


def each(f):
    """Seconds that one f(i) takes, of so many that together take 20 ms or more."""
    n = 1
    while True:
        began = time.process_time()
        for i in range(n):
            f(i)
        s = time.process_time() - began
        if s >= 0.02:
            return s / n
        n *= 4


def once(f):
    """Seconds that f() takes, and its result."""
    began = time.process_time()
    result = f()
    return time.process_time() - began, result
