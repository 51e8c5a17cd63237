#!/usr/bin/env python3
"""Checks what guest/run_guests.sh left behind.

usage: check_guests.py ARCH OUT NAME...

Prints a line "PASS ARCH guest NAME: what" or "FAIL ARCH guest NAME: what: why"
per check, and the end of the console of a guest that failed one to standard error.
A guest that was booted twice has a line "NOTE ARCH guest NAME: passed at the second
try, after ...", or failed.
"""
import json
import pathlib
import sys

# They are what costs under emulation. A boot and its work take 1,500 to 4,000; a
# clock or a bus that the kernel polls adds 20,000.
MAX_EXITS = 8000
# With a line on the console, some 50 characters, for each of 220 pictures.
MAX_EXITS_WITH_PICTURES = 20000


class Guest:
    """One guest's console, exit code and summary (proto/vm_summary.proto)."""

    def __init__(self, arch, out, name):
        self.name = f"{arch} guest {name}"
        self.out = out
        self.failed = False
        read = lambda ending, default: (
            (out / (name + ending)).read_text(errors="replace")
            if (out / (name + ending)).exists() else default)
        self.log = read(".log", "")
        self.code = int(read(".code", "-1"))
        self.first_try = read(".retried", "").strip()
        self.summary = json.loads(read(".json", "{}"))
        self.gpu = self.summary.get("gpu", {})

    def check(self, what, good, why):
        if good:
            print(f"PASS {self.name}: {what}")
        else:
            self.failed = True
            print(f"FAIL {self.name}: {what}: {why}")

    def check_equal(self, what, found, wanted):
        self.check(what, found == wanted, f"{found!r}, should be {wanted!r}")

    def tell_retry(self):
        """After the checks. A pass that took luck has to be seen."""
        if self.first_try:
            print(f"NOTE {self.name}: {'failed' if self.failed else 'passed'} at "
                  f"the second try, after {self.first_try}")

    def check_says(self, text):
        self.check(f"says '{text}'", text in self.log, "it does not")

    def count(self, *path):
        """A number of the summary, which has all of them, zeroes too."""
        value = self.summary
        for key in path:
            value = value[key]
        return int(value)

    def exits(self):
        """To the VMM: of ports on x86_64, of device memory on both."""
        return sum(int(count) for count in self.summary["exits"].values())


def check_ended_well(guest):
    guest.check_equal("exit code", guest.code, 0)
    guest.check_equal("outcome", guest.summary.get("outcome"), "power-off")
    guest.check("reported success", guest.summary.get("guest_reported") and
                guest.count("guest_status") == 0, "it did not")
    guest.check_says("nacre-guest: PASS all")


def check_nothing_is_left(guest):
    """After its programs ended; the kernel's own console may keep a resource."""
    for what in (("gpu", "native_contexts_now"), ("gpu", "fences_now"),
                 ("gpu", "gem_objects_now"), ("gpu", "mapped_bytes_now"),
                 ("gpu", "simulator", "buffers_now"),
                 ("gpu", "simulator", "files_now")):
        guest.check_equal("left behind: " + ".".join(what), guest.count(*what), 0)
    for what in ("contexts_now", "resources_now"):
        guest.check(f"left behind: gpu.{what}", guest.count("gpu", what) <= 1,
                    guest.count("gpu", what))
    guest.check_equal("descriptors after as before",
                      guest.count("fds_after"), guest.count("fds_before"))


def check_gpu_worked(guest, max_exits=MAX_EXITS, hangs=0, faults=False):
    for what in ("contexts_created", "submissions", "fences_created", "kicks",
                 "interrupts", "mapped_bytes_peak"):
        guest.check("counted " + what, guest.count("gpu", what) > 0, "none")
    for ccmd in ("GEM_NEW", "GEM_SUBMIT", "GEM_SET_IOVA"):
        guest.check("counted ccmd " + ccmd, ccmd in guest.gpu["ccmds"], "none")
    guest.check_equal("fences completed", guest.count("gpu", "fences_completed"),
                      guest.count("gpu", "fences_created"))
    guest.check_equal("ccmd errors", guest.gpu.get("ccmd_errors"), {})
    guest.check_equal("error responses", guest.gpu.get("errors"), {})
    guest.check_equal("simulated GPU: hangs",
                      guest.count("gpu", "simulator", "hangs"), hangs)
    unmapped = guest.count("gpu", "simulator", "unmapped_accesses")
    guest.check(f"simulated GPU: {'some' if faults else 'no'} unmapped accesses",
                (unmapped > 0) == faults, unmapped)
    guest.check(f"under {max_exits} exits", 0 < guest.exits() < max_exits,
                f"{guest.exits()}")
    guest.check("own memory under 16 MiB",
                0 < guest.count("own_memory_kib") < 16 * 1024,
                f"{guest.count('own_memory_kib')} KiB")


def check_demo(guest, renderer, device, frames):
    check_ended_well(guest)
    guest.check_says(f"GL_RENDERER: {renderer}")
    guest.check_says("GL_VERSION: OpenGL ES 3.")
    guest.check_says(f"Vulkan device: {device}")
    guest.check_says("Vulkan driver: turnip Mesa driver (Mesa 25.")
    guest.check_says(f"gles_frames: ok frames={frames} fences={frames} "
                     f"buffers_allocated={frames} buffers_released={frames}")
    guest.check_says(f"vulkan_submits: ok submits={frames} ")
    check_gpu_worked(guest)
    check_nothing_is_left(guest)


def check_reload(guest):
    check_ended_well(guest)
    guest.check_says("PASS rmmod virtio_gpu, round 2")
    check_gpu_worked(guest)
    check_nothing_is_left(guest)


def check_reboot(guest):
    check_ended_well(guest)
    guest.check_says("PASS reboot")
    guest.check_equal("reboots", guest.count("resets"), 1)
    check_gpu_worked(guest)
    check_nothing_is_left(guest)


def check_pictures(guest, native_list):
    """Each is as the native run on the same GPU made it, byte for byte."""
    check_ended_well(guest)
    check_gpu_worked(guest, MAX_EXITS_WITH_PICTURES)
    guest.check_equal("simulated GPU: not executed",
                      guest.gpu["simulator"]["not_executed"], {})
    check_nothing_is_left(guest)
    digests = lambda text: dict(
        line.split()[1:3] for line in text.splitlines()
        if line.startswith("picture ") and len(line.split()) == 3)
    found = digests(guest.log)
    wanted = digests(native_list.read_text() if native_list.exists() else "")
    guest.check("was made natively too", wanted, f"{native_list} has no pictures")
    guest.check_equal("has the native pictures", sorted(found), sorted(wanted))
    for name, digest in wanted.items():
        guest.check_equal(f"{name} as natively", found.get(name), digest)


def check_hang(guest):
    """Who made the GPU hang was told, by Mesa; nobody else noticed."""
    check_ended_well(guest)
    for program in ("vulkan_hang", "vulkan_fault", "gles_hang"):
        guest.check_says(f"nacre-guest: PASS {program}")
    check_gpu_worked(guest, hangs=2, faults=True)
    check_nothing_is_left(guest)


def check_bench(guest, submits, kicks, interrupts):
    """A frame's share: between this guest and the one with fewer frames. It has
    that many submits, and at most so many kicks and interrupts."""
    check_ended_well(guest)
    check_gpu_worked(guest)
    check_nothing_is_left(guest)
    start, _, frames = guest.name.rpartition("-")
    if frames == "20":
        return
    fewer = Guest("", guest.out, f"{start.split()[-1]}-20")
    share = lambda *path: ((guest.count(*path) - fewer.count(*path)) /
                           (int(frames) - 20))
    guest.check_equal("submits a frame", share("gpu", "ccmds", "GEM_SUBMIT"),
                      submits)
    for what, limit in (("kicks", kicks), ("interrupts", interrupts)):
        found = share("gpu", what)
        guest.check(f"at most {limit} {what} a frame", found <= limit, found)
    ccmds = {name: share("gpu", "ccmds", name) for name in fewer.gpu["ccmds"]}
    print(f"==> {guest.name}: a frame: {share('gpu', 'kicks'):.2f} kicks, "
          f"{share('gpu', 'interrupts'):.2f} interrupts; " +
          ", ".join(f"{name} {count:.2f}" for name, count in ccmds.items()
                    if count > 0), file=sys.stderr)


def check_hostile(guest):
    """It attacks, finds the device well after each attack, and says so."""
    guest.check_equal("exit code", guest.code, 0)
    guest.check_equal("outcome", guest.summary.get("outcome"), "power-off")
    guest.check("reported success", guest.summary.get("guest_reported") and
                guest.count("guest_status") == 0, "it did not")
    guest.check("counted contexts", guest.count("gpu", "contexts_created") > 0,
                "none")
    kicks = guest.count("gpu", "kicks")
    guest.check("over 1000 kicks", kicks > 1000, kicks)
    check_nothing_is_left(guest)


def check_failing(guest):
    guest.check_equal("exit code", guest.code, 1)
    guest.check_equal("status", guest.count("guest_status"), 1)
    guest.check_says("nacre-guest: FAIL all")


CHECKS = {
    "demo": lambda g: check_demo(g, "FD660", "Turnip Adreno (TM) 660", 60),
    "demo-a630-bzImage":
        lambda g: check_demo(g, "FD630", "Turnip Adreno (TM) 630", 5),
    "demo-a630-kernel":
        lambda g: check_demo(g, "FD630", "Turnip Adreno (TM) 630", 5),
    "demo-a730-one-vcpu":
        lambda g: check_demo(g, "FD730", "Turnip Adreno (TM) 730", 5),
    "pictures-a630": lambda g: check_pictures(g, g.out / "native/a630.list"),
    "pictures-a660": lambda g: check_pictures(g, g.out / "native/a660.list"),
    "pictures-a730": lambda g: check_pictures(g, g.out / "native/a730.list"),
    "reload": check_reload,
    "reboot": check_reboot,
    "hang": check_hang,
    # Of 8 submits each may have a kick and an interrupt, where none is under way
    # that it could join; so may what makes and releases each of the buffers, and
    # what the kernel draws on its console meanwhile.
    **{f"bench-{what}-{frames}": lambda g, limits=limits: check_bench(g, *limits)
       for what, limits in (("submits", (8, 12, 12)), ("misses", (1, 14, 12)),
                            ("misses-gles", (1, 9, 9)))
       for frames in (20, 80)},
    "hostile": check_hostile,
    "failing": check_failing,
}


def main():
    arch, out = sys.argv[1], pathlib.Path(sys.argv[2])
    for name in sys.argv[3:]:
        guest = Guest(arch, out, name)
        try:
            CHECKS[name](guest)
        except KeyError as key:
            guest.check("has a summary", False, f"it lacks {key}")
            guest.tell_retry()
            print(guest.log[-4000:], file=sys.stderr)
            continue
        guest.tell_retry()
        print(f"==> {guest.name}: first instruction after "
              f"{guest.count('first_instruction_us') / 1000:.1f} ms, "
              f"{guest.exits()} exits, own memory "
              f"{guest.count('own_memory_kib') / 1024:.1f} MiB", file=sys.stderr)
        if guest.failed:
            print(f"==> the end of the console of {guest.name}:", file=sys.stderr)
            print("\n".join(guest.log.splitlines()[-60:]), file=sys.stderr)


if __name__ == "__main__":
    main()
