#!/usr/bin/env -S python3 -B
"""Measures the suite on two sides and writes down what came out.

usage: run.py --programs=DIR --out=DIR --side=NAME:FILE --side=NAME:FILE
              [--quick] [--repetitions=N] [--only=WORD] [--realtime]

tools/bench.sh calls this. Writes bench.json and bench.png in the --out folder.
"""
import argparse
import json
import os
import pathlib
import platform
import sys

import measure
import report
import suite


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--side", type=measure.side, action="append", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--realtime", action="store_true")
    arguments = parser.parse_args()
    if len(arguments.side) != 2:
        sys.exit("run.py: it takes two sides")
    repetitions = arguments.repetitions or (1 if arguments.quick else 5)
    part = 0.25 if arguments.quick else 1.0
    cases = [case for case in suite.CASES if arguments.only in case.name]
    if not cases:
        sys.exit(f"run.py: no case has '{arguments.only}' in its name")
    if arguments.realtime:
        # What is run inherits it.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))

    results = {
        "machine": f"{os.cpu_count()} x {processor()}, Linux {platform.release()}",
        "sides": [name for name, _ in arguments.side],
        "wake_up": measure.wake_up(arguments.programs),
        "repetitions": repetitions,
        "realtime": arguments.realtime,
        "part_of_the_frames": part,
        "cases": [],
    }
    for case in cases:
        print(f"==> {case.name}", file=sys.stderr, flush=True)
        try:
            results["cases"].append(measure.measure(
                case, arguments.side, arguments.programs, repetitions, part))
        except (RuntimeError, ValueError, KeyError) as error:
            sys.exit(f"run.py: {error}")
    names = results["sides"]
    print(report.table(results, *names))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "bench.png").write_bytes(report.picture(results, *names))
    print(f"==> wrote {arguments.out}/bench.json and bench.png", file=sys.stderr)


if __name__ == "__main__":
    main()
