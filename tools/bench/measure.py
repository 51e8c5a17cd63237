"""Runs the programs, and works out what the figures are."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

# Who the threads of a measured process belong to, by the first letters of their
# names; all others are the program's and its Mesa's.
GROUPS = {
    "gpu": ("simulated-gpu",),
    "device": ("gpu-",),
    "guest kernel": ("guest-",),
}
# A guest's counters (tools/preload/virtgpu): notifications that it sent,
# interrupts that it took, and the times that a thread slept for the device's
# answer.
KICKS = "guest.kicks"
INTERRUPTS = "guest.interrupts"
ROUND_TRIPS = "guest.round_trips"
# Seconds that one run may take.
TIMEOUT = 120


def side(text):
    """NAME:FILE of a command line: a file of VARIABLE=VALUE lines, the
    environment that makes a program run there (tools/native.sh, tools/guest.sh)."""
    name, _, path = text.partition(":")
    lines = pathlib.Path(path).read_text().splitlines()
    return name, dict(line.split("=", 1) for line in lines)


def group_of(thread):
    for group, beginnings in GROUPS.items():
        if thread.startswith(beginnings):
            return group
    return "program"


def flatten(value, path=""):
    """The numbers of a summary, {"gpu.kicks": 5, ...}; 64-bit ones are strings."""
    if isinstance(value, dict):
        numbers = {}
        for key, member in value.items():
            numbers.update(flatten(member, f"{path}.{key}" if path else key))
        return numbers
    try:
        return {path: float(value)}
    except (TypeError, ValueError):
        return {}


def busy_seconds():
    """That all CPUs have worked for somebody, or were taken from this machine."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return ((user + nice + system + irq + softirq + steal) /
            os.sysconf("SC_CLK_TCK"))


def wake_up(programs):
    """What waking a thread costs on this machine, in microseconds."""
    done = subprocess.run([programs / "wake_ups"], text=True, capture_output=True,
                          timeout=TIMEOUT, check=True)
    return {name.replace("_ns", "_us"): nanoseconds / 1e3
            for name, nanoseconds in json.loads(done.stdout).items()}


def children_seconds():
    """CPU time of processes that have ended and that this one had started."""
    times = os.times()
    return times.children_user + times.children_system


class Run:
    """One run of a case."""

    def __init__(self, case, frames, side, programs):
        with tempfile.TemporaryDirectory() as folder:
            summary = pathlib.Path(folder) / "summary.json"
            command = [programs / case.program, f"--frames={frames}", *case.flags]
            environment = dict(
                os.environ, NACRE_SUMMARY=str(summary),
                NACRE_SUBMISSION_US=str(case.submission_us), **side)
            began, busy = time.monotonic(), busy_seconds()
            children = children_seconds()
            done = subprocess.run(command, env=environment, text=True,
                                  capture_output=True, timeout=TIMEOUT, check=False)
            lines = [line for line in done.stdout.splitlines()
                     if line.startswith("{")]
            if done.returncode != 0 or not lines or not summary.exists():
                raise RuntimeError(
                    f"{case.name}: {' '.join(map(str, command))}: exit code "
                    f"{done.returncode}\n{done.stdout}{done.stderr}")
            said = json.loads(lines[-1])
            self.counters = flatten(json.loads(summary.read_text()))
            self.seconds = time.monotonic() - began
        ours = children_seconds() - children
        # CPUs that others kept busy meanwhile.
        self.foreign_cpus = max(0, busy_seconds() - busy - ours) / self.seconds
        self.frames = said["frames"]
        self.rate = self.frames * 1e9 / said["wall_ns"]
        self.cpu_us = {}
        self.sleeps = {}
        self.threads = {}
        for name, thread in said["threads"].items():
            group = group_of(name)
            for numbers, of_thread in (
                    (self.cpu_us, thread["cpu_ns"] / 1e3 / self.frames),
                    (self.sleeps, thread["sleeps"] / self.frames),
                    (self.threads, thread["threads"])):
                numbers[group] = numbers.get(group, 0) + of_thread


def median_of(dictionaries):
    keys = {key for one in dictionaries for key in one}
    return {key: statistics.median(one.get(key, 0) for one in dictionaries)
            for key in sorted(keys)}


def side_figures(runs, baseline):
    """Of the runs of one case on one side; per frame, but for the rate."""
    counters = [
        {name: (count - baseline.counters.get(name, 0)) /
         (run.frames - baseline.frames) for name, count in run.counters.items()}
        for run in runs]
    return {
        "frames_per_second": statistics.median(run.rate for run in runs),
        "cpu_us": median_of([run.cpu_us for run in runs]),
        "cpu_us_total": statistics.median(sum(run.cpu_us.values())
                                          for run in runs),
        "sleeps": median_of([run.sleeps for run in runs]),
        "threads": median_of([run.threads for run in runs]),
        "counters": {name: count for name, count in median_of(counters).items()
                     if count != 0},
    }


def ratio(pairs, figure):
    """Of the second side to the first, of pairs of runs that followed one
    another."""
    ratios = [figure(second) / figure(first) for first, second in pairs]
    return {"median": statistics.median(ratios), "min": min(ratios),
            "max": max(ratios)}


def measure(case, sides, programs, repetitions, part):
    """Both sides in turn, `repetitions` times, so that what disturbs one disturbs
    the other; which goes first changes. `part` of the case's frames."""
    frames = max(20, int(case.frames * part))
    runs = {name: [] for name, _ in sides}
    baselines = {name: Run(case, 1, side, programs) for name, side in sides}
    foreign = []
    for repetition in range(repetitions):
        for name, side in sides if repetition % 2 == 0 else sides[::-1]:
            run = Run(case, frames, side, programs)
            foreign.append(run.foreign_cpus)
            runs[name].append(run)
    first, second = (runs[name] for name, _ in sides)
    pairs = list(zip(first, second))
    return {
        "name": case.name,
        "program": " ".join((case.program, f"--frames={frames}", *case.flags)),
        "submission_us": case.submission_us,
        "target": case.target,
        "ratio": ratio(pairs, lambda run: run.rate),
        # Of each side's best run, which others disturbed least.
        "best_ratio": (max(run.rate for run in second) /
                       max(run.rate for run in first)),
        "cpu_ratio": ratio(pairs, lambda run: sum(run.cpu_us.values())),
        "foreign_cpus": statistics.mean(foreign),
        **{name: side_figures(runs[name], baselines[name]) for name, _ in sides},
    }
