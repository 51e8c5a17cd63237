"""The figures as a table for a terminal and as a picture."""
import pathlib
import sys

import measure

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import canvas  # noqa: E402  (of tools/)

GOOD = bytes((96, 176, 112))
BAD = bytes((208, 112, 88))
PLAIN = bytes((104, 148, 196))
FAINT = bytes((70, 74, 82))


def verdict(case):
    if case["target"] is None:
        return ""
    return "ok" if case["ratio"]["median"] >= case["target"] else "MISSED"


# Per frame, of the second side: the heading, and where measure.py has it.
COLUMNS = (
    ("program", lambda g: g["cpu_us"].get("program", 0)),
    ("kernel", lambda g: g["cpu_us"].get("guest kernel", 0)),
    ("device", lambda g: g["cpu_us"].get("device", 0)),
    ("gpu", lambda g: g["cpu_us"].get("gpu", 0)),
    ("kicks", lambda g: g["counters"].get(measure.KICKS, 0)),
    ("irqs", lambda g: g["counters"].get(measure.INTERRUPTS, 0)),
    ("trips", lambda g: g["counters"].get(measure.ROUND_TRIPS, 0)),
    ("wakes", lambda g: sum(g["sleeps"].values())),
)


def table(results, first, second):
    """One line a case; microseconds and counts are per frame."""
    lines = [f"{'':22} {first + '/s':>9} {second + '/s':>9} "
             f"{'ratio':>6} {'(min..max)':>14} {'target':>11} {'cpu':>5} {'of':>8} |" +
             "".join(f"{heading:>8}" for heading, _ in COLUMNS)]
    for case in results["cases"]:
        ratio, guest = case["ratio"], case[second]
        target = "" if case["target"] is None else f"{case['target']:.2f} "
        lines.append(
            f"{case['name']:22} {case[first]['frames_per_second']:9.1f} "
            f"{guest['frames_per_second']:9.1f} {ratio['median']:6.3f} "
            f"{ratio['min']:6.3f}..{ratio['max']:5.3f} "
            f"{target + verdict(case):>11} {case['cpu_ratio']['median']:5.2f} "
            f"{case[first]['cpu_us_total']:8.1f} |" +
            "".join(f"{value(guest):8.2f}" for _, value in COLUMNS))
    lines.append(f"rates in frames a second; cpu: the {second} process's CPU time as "
                 f"a multiple of the {first} one's, in us a frame; right of | per frame "
                 f"of the {second}: CPU us of the program, its kernel's interrupts, the "
                 "device and the simulated GPU, and counts")
    wake_up = results["wake_up"]
    lines.append(f"to wake a sleeping thread takes this machine "
                 f"{wake_up['latency_us']:.1f} us, and of CPU time "
                 f"{wake_up['woken_cpu_us']:.1f} us of its own and "
                 f"{wake_up['waker_cpu_us']:.1f} us of the waker's")
    noisy = [case["name"] for case in results["cases"]
             if case["foreign_cpus"] > 0.15]
    if noisy:
        lines.append("others used the CPUs, so that figures are doubtful: " +
                     ", ".join(noisy))
    return "\n".join(lines)


def picture(results, first, second):
    """A bar a case: the ratio, with its spread and its target."""
    scale, row_height, left, width, full = 2, 26, 250, 520, 1.1
    rows = results["cases"]
    height = 60 + row_height * len(rows) + 20
    chart = canvas.Canvas(left + width + 90, height)
    chart.write(14, 12, f"frame rate: {second} / {first}", scale + 1)
    at = lambda ratio: left + round(min(max(ratio, 0), full) / full * width)
    for tick in range(0, 11, 2):
        chart.fill(at(tick / 10), 40, 1, height - 56, FAINT)
        chart.write(at(tick / 10) - 11, height - 14, f"{tick / 10:.1f}", scale)
    for i, case in enumerate(rows):
        top = 48 + i * row_height
        ratio = case["ratio"]
        color = {"ok": GOOD, "MISSED": BAD, "": PLAIN}[verdict(case)]
        chart.write(14, top + 3, case["name"], scale)
        chart.fill(left, top, at(ratio["median"]) - left, 15, color)
        low, high = at(ratio["min"]), at(ratio["max"])
        chart.fill(low, top + 7, max(1, high - low), 2, canvas.INK)
        if case["target"] is not None:
            chart.fill(at(case["target"]), top - 3, 2, 21, canvas.INK)
        chart.write(left + width + 14, top + 3, f"{ratio['median']:.3f}", scale)
    return chart.png()
