#!/usr/bin/env python3
"""Checks what guest/run_tests.sh left behind.

usage: check_tests.py ARCH OUT NAME...

Prints a line "PASS ARCH tests: NAME case", FAIL or SKIP per test case.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def verdicts(out, name):
    """(verdict, what) of each test case, and of the program where they do not
    tell why it ended as it did."""
    log = out / (name + ".xml")
    cases = list(ElementTree.parse(log).iter("testcase")) if log.exists() else []
    failed, ran = False, False
    for case in cases:
        if case.find("failure") is not None:
            verdict, failed = "FAIL", True
        else:
            verdict = "PASS" if case.get("result") == "completed" else "SKIP"
            ran |= verdict == "PASS"
        yield verdict, f"{case.get('classname')}.{case.get('name')}"
    code = out / (name + ".code")
    if not code.exists():
        yield "FAIL", "it was not run"
    elif int(code.read_text()) != 0 and not failed:
        yield "FAIL", f"ended with exit code {code.read_text().strip()}"
    elif not (failed or ran):
        yield "FAIL", "none of its test cases ran"


def main():
    arch, out = sys.argv[1], pathlib.Path(sys.argv[2])
    for name in sys.argv[3:]:
        for verdict, what in verdicts(out, name):
            print(verdict, f"{arch} tests: {name} {what}")


if __name__ == "__main__":
    main()
