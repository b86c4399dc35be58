"""Both sides of a comparison, asked in turn."""

import json
import statistics
import subprocess


class Side:
    """A process that answers each line with one JSON object."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """The answer to a measurement's name and arguments, a dict. RuntimeError where there is none."""
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"ended with {self.process.wait()}"}
        if "error" in answer:
            raise RuntimeError(f"{words}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def in_turn(rounds, **sides):
    """Calls every side once a round, the first one changing from round to round, and returns the
    numbers of each as a list by round."""
    got = {name: [] for name in sides}
    names = list(sides)
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            got[name].append(sides[name]())
    return got


def quartiles(values):
    """Lower quartile, median, upper quartile."""
    if len(values) < 3:
        return min(values), statistics.median(values), max(values)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
