#!/usr/bin/env -S python3 -B
"""Checks what a frame costs a guest in counts, which hold where times do not.

usage: check_counts.py --programs=DIR --side=guest:FILE

As run.py. A frame's share is the difference between twice as many frames and once.
Prints a line "PASS guest CASE: what" or "FAIL guest CASE: what: why" per check.
"""
import argparse
import pathlib
import sys

import measure
import suite

FRAMES = 60
# Per frame, at most: kicks and interrupts. Each submit may take one of both, where
# nothing was under way that another could join; so may each of a frame's
# buffers, that is made, mapped and released.
LIMITS = {
    "gpu-bound-gles": (3, 2),
    "gpu-bound-vulkan": (2, 2),
    "cache-misses-gles": (16, 16),
    "cache-misses-vulkan": (24, 24),
    "small-submits-gles": (64, 64),
    "small-submits-vulkan": (33, 33),
}


def check(case, side, programs):
    def say(what, found, limit):
        good = found <= limit
        print(f"PASS guest {case.name}: {what} ({found:.2f})" if good else
              f"FAIL guest {case.name}: {what}: {found:.2f}")

    once, twice = (measure.Run(case, frames, side, programs)
                   for frames in (FRAMES, 2 * FRAMES))
    share = lambda path: ((twice.counters[path] - once.counters[path]) /
                          (twice.frames - once.frames))
    kicks, interrupts = LIMITS[case.name]
    say("no round trips in a frame", share(measure.ROUND_TRIPS), 0)
    say(f"at most {kicks} kicks a frame", share(measure.KICKS), kicks)
    say(f"at most {interrupts} interrupts a frame", share(measure.INTERRUPTS),
        interrupts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--side", type=measure.side, required=True)
    arguments = parser.parse_args()
    for case in suite.CASES:
        if case.name not in LIMITS:
            continue
        try:
            check(case, arguments.side[1], arguments.programs)
        except (RuntimeError, ValueError, KeyError) as error:
            print(f"FAIL guest {case.name}: runs: "
                  f"{str(error).splitlines()[0]}")
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
