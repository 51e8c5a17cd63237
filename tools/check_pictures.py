#!/usr/bin/env python3
"""Checks what `tools/pictures.sh --out=OUT CHIP...` left behind.

usage: check_pictures.py OUT CHIP...

Prints a line "PASS native CHIP: what" or "FAIL native CHIP: what: why" per
check, and what the programs said if one fails to standard error.
"""
import json
import pathlib
import sys

PROGRAMS = ("gles_pictures", "vulkan_pictures")


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


class Run:
    def __init__(self, out, name):
        self.name = f"native {name}"
        self.path = out / name
        self.log = read(self.path.with_suffix(".log"))
        self.failed = False

    def check(self, what, good, why):
        self.failed |= not good
        print(f"PASS {self.name}: {what}" if good
              else f"FAIL {self.name}: {what}: {why}")


def check_program(run, program):
    """Every picture, that it came to its end, and what it cost the GPU."""
    for line in run.log.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("PASS", "FAIL") and rest.startswith(program + " "):
            what, _, why = rest.partition(": ")
            run.check(what, verdict == "PASS", why)
    code = pathlib.Path(f"{run.path}-{program}.code").read_text().strip()
    run.check(f"{program}: exit code", code == "0", code)
    run.check(f"{program}: says how many", f"{program}: ok pictures=" in run.log,
              "it does not")
    summary = json.loads(pathlib.Path(f"{run.path}-{program}.json").read_text())
    run.check(f"{program}: all was executed", not summary["not_executed"],
              f"{summary['not_executed']}")
    for count in ("hangs", "unmapped_accesses", "buffers_now"):
        run.check(f"{program}: no {count}", int(summary[count]) == 0,
                  summary[count])


def main():
    out = pathlib.Path(sys.argv[1])
    for chip in sys.argv[2:]:
        for name in (chip, chip + "-other"):
            try:
                run = Run(out, name)
                for program in PROGRAMS:
                    check_program(run, program)
            except (OSError, ValueError, KeyError) as error:
                print(f"FAIL native {name}: left its results: {error}")
                continue
            if run.failed:
                print(f"==> what the programs said on {name}:\n{run.log}",
                      file=sys.stderr)
        lists = [read(out / f"{name}.list") for name in (chip, chip + "-other")]
        same = lists[0] and lists[0] == lists[1]
        print(f"PASS native {chip}: both ways give the same pixels" if same else
              f"FAIL native {chip}: both ways give the same pixels: they differ")


if __name__ == "__main__":
    main()
