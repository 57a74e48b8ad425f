"""A process that runs one engine: takes orders as lines of JSON, and answers each with a line of JSON.

``{"case": [...], "what": "train"}`` builds, and answers after the first step; so does ``{"option": "sigmoid"}``, one of
`options.CASES`. ``{"run": 20}`` answers with the milliseconds of 20 steps; ``{"peak": true}`` with the peak memory in
MB.
"""

from __future__ import annotations

import json
import resource
import sys
import time


def main() -> None:
    """Serve until the orders end."""
    from engines import ENGINES
    from models import Case

    run = None
    for line in sys.stdin:
        order = json.loads(line)
        answer: object = None
        if "case" in order:
            name, shape, layers, *others = order["case"]
            case = Case(name, tuple(shape), tuple(map(tuple, layers)), *others)
            train, predict = ENGINES[sys.argv[1]](case)
            run = train if order["what"] == "train" else predict
            run()
        elif "option" in order:
            import options

            run = options.ENGINES[sys.argv[1]](order["option"])
            run()
        elif "run" in order:
            times = []
            for _ in range(order["run"]):
                start = time.perf_counter()
                run()
                times.append(1e3 * (time.perf_counter() - start))
            answer = times
        elif "peak" in order:
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
