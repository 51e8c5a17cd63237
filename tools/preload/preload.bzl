"""What the packages of the preload share."""

# --config=aarch64 links statically, for what runs without its libraries; that
# leaves nothing to interpose.
DYNAMIC = ["-fully_static_link"]

# TSan's interceptors and ours call each other without end: its eye is on the
# tests of what is below the interposed functions. Under user emulation the
# libraries are not there.
INTERPOSED_TAGS = [
    "no-qemu-user",
    "no-tsan",
]

def preload_library(name, driver):
    """A library for LD_PRELOAD, with the driver that `driver` links.

    The C++ library, abseil and glog are Debian's shared ones, as their static
    ones cannot be linked into a library; of ours nothing is visible.
    """
    native.cc_binary(
        name = name,
        additional_linker_inputs = ["//tools/preload:interposed.lds"],
        features = DYNAMIC,
        linkopts = [
            "-Wl,--as-needed",
            "-Wl,--version-script=$(location //tools/preload:interposed.lds)",
        ],
        linkshared = True,
        linkstatic = True,
        visibility = ["//visibility:public"],
        deps = [
            driver,
            "//tools/preload:interpose",
        ],
    )

def preloaded_test(name, library, program):
    """Runs a test that does not know the library with it."""
    native.sh_test(
        name = name,
        size = "small",
        srcs = ["//tools/preload:preloaded_test.sh"],
        args = [
            "$(location %s)" % library,
            "$(location %s)" % program,
        ],
        data = [
            library,
            program,
        ],
        tags = INTERPOSED_TAGS,
    )
