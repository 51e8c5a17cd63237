"""Stand-ins for four repositories that Bazel 4 would otherwise download.

It has their rules built in, and loads them through these all the same.
"""

_FORWARDED = {
    "rules_cc": [
        "cc_binary",
        "cc_import",
        "cc_library",
        "cc_proto_library",
        "cc_test",
        "cc_toolchain",
        "cc_toolchain_suite",
        "objc_library",
    ],
    "rules_java": [
        "java_binary",
        "java_import",
        "java_library",
        "java_proto_library",
        "java_runtime",
        "java_toolchain",
    ],
    "rules_proto": [
        "proto_lang_toolchain",
        "proto_library",
    ],
}

_CC_TOOLCHAIN_TYPE = """
alias(
    name = "toolchain_type",
    actual = "@bazel_tools//tools/cpp:toolchain_type",
    visibility = ["//visibility:public"],
)
"""

def _rules_stub_impl(rctx):
    package = rctx.name[len("rules_"):]
    rctx.file(
        package + "/BUILD.bazel",
        _CC_TOOLCHAIN_TYPE if package == "cc" else "",
        executable = False,
    )
    rctx.file(
        package + "/defs.bzl",
        "".join(["%s = native.%s\n" % (r, r) for r in _FORWARDED[rctx.name]]),
        executable = False,
    )

# @rules_cc, @rules_java or @rules_proto, by its name.
rules_stub = repository_rule(implementation = _rules_stub_impl)

# cc_test depends on these even when coverage is off; they are never run then.
_COVERAGE_TOOLS = """
package(default_visibility = ["//visibility:public"])

sh_binary(
    name = "coverage_report_generator",
    srcs = ["unavailable.sh"],
)

sh_binary(
    name = "lcov_merger",
    srcs = ["unavailable.sh"],
)
"""

def _coverage_stub_impl(rctx):
    rctx.file("BUILD.bazel", _COVERAGE_TOOLS, executable = False)
    rctx.file(
        "unavailable.sh",
        "#!/bin/sh\necho 'coverage tools are not available offline' >&2\nexit 1\n",
    )

coverage_stub = repository_rule(implementation = _coverage_stub_impl)
