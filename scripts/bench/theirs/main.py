"""What one would otherwise take, measured for make bench beside scripts/bench/ours: answers every line of standard input – a name and
its arguments – with one JSON object. Times are seconds of processor time."""

import gc
import json
import sys

import isotonic
import lookups
import runtime
import search

ASKED = {**lookups.ASKED, **isotonic.ASKED, **search.ASKED, **runtime.ASKED}


def main():
    for line in sys.stdin:
        name, *args = line.split()
        gc.collect()
        try:
            answer = ASKED[name](*args)
        except Exception as e:  # told to the other end, which stops
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
