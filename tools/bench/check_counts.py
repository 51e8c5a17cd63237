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

FRAMES = 100
# How many of its answers a program has to wait for while it starts is a matter of
# time, and so the difference between two runs: 7 at most on a quiet machine; 11 were
# seen on one with ten times the work that it had processors for. That much, or a
# quarter of the frames: whatever is done for each of them shows all the same.
UNSURE = 7
# Per frame, at most: round trips, kicks and interrupts. Linux maps a fresh
# buffer for the program once the device has answered, and there is no other
# reason to wait (but Mesa may then need one more for itself). Each
# command buffer may take a kick, and an interrupt for its answer and for its
# fence, where none is under way that it could join; GLES has two or three of
# them a submit, as Mesa announces its waits.
LIMITS = {
    "gpu-bound-gles": (0, 3, 3),
    "gpu-bound-vulkan": (0, 2, 2),
    "cache-misses-gles": (2, 8, 8),
    "cache-misses-vulkan": (5, 16, 16),
    "small-submits-gles": (0, 96, 128),
    "small-submits-vulkan": (0, 33, 65),
}


def check(case, frames, side, programs):
    def say(what, found, limit):
        good = found <= limit + max(UNSURE, frames // 4) / frames
        print(f"PASS guest {case.name}: {what}" if good else
              f"FAIL guest {case.name}: {what}: {found:.2f}")

    once, twice = (measure.Run(case, count, side, programs)
                   for count in (frames, 2 * frames))
    share = lambda path: ((twice.counters[path] - once.counters[path]) /
                          (twice.frames - once.frames))
    for what, path, limit in zip(
            ("round trips", "kicks", "interrupts"),
            (measure.ROUND_TRIPS, measure.KICKS, measure.INTERRUPTS),
            LIMITS[case.name]):
        say(f"at most {limit} {what} a frame", share(path), limit)


def check_threads(side, programs):
    """The device has as many with 64 contexts as with one."""
    cases = {case.name: case for case in suite.CASES}
    few, many = (measure.Run(cases[name], FRAMES, side, programs).threads["device"]
                 for name in ("contexts-1", "contexts-64"))
    print("PASS guest: as many device threads with 64 contexts" if few == many else
          f"FAIL guest: as many device threads with 64 contexts: {few}, {many}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--side", type=measure.side, required=True)
    arguments = parser.parse_args()
    check_threads(arguments.side[1], arguments.programs)
    for case in suite.CASES:
        if case.name not in LIMITS:
            continue
        frames = FRAMES
        if case.name == "cache-misses-gles":
            # The window has room for 31 such buffers, and Mesa's thread that
            # releases them may be late on a busy machine, by all of them.
            case = case._replace(flags=("--fresh=1", "--warm-up=0"))
            frames = 15
        try:
            check(case, frames, arguments.side[1], arguments.programs)
        except (RuntimeError, ValueError, KeyError) as error:
            print(f"FAIL guest {case.name}: runs: "
                  f"{str(error).splitlines()[0]}")
            print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
