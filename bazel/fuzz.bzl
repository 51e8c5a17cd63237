"""Fuzz targets: libFuzzer under --config=fuzz, corpus replay everywhere else."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")

def cc_fuzz_target(name, srcs, deps, corpus, linkstatic = False):
    """Declares <name>_replay_test (any compiler) and <name>_fuzzer (--config=fuzz).

    Args:
      name: stem of both targets.
      srcs: source files that define LLVMFuzzerTestOneInput.
      deps: libraries under test.
      corpus: seed inputs, replayed by the test.
      linkstatic: of the test; the fuzzer is always.
    """
    cc_test(
        name = name + "_replay_test",
        size = "small",
        srcs = srcs,
        args = ["$(location %s)" % c for c in corpus],
        data = corpus,
        linkstatic = linkstatic,
        deps = deps + ["//bazel:replay_main"],
    )
    cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        srcs = srcs,
        linkopts = ["-fsanitize=fuzzer"],
        linkstatic = True,
        tags = ["manual"],
        deps = deps,
    )
