"""The libraries that Nacre is built with."""

load("//bazel:stubs.bzl", "coverage_stub", "rules_stub")
load("//third_party:system.bzl", "pkg_config_libs", "plain_library", "system_protobuf")

def _unless_declared(rule, name, **attributes):
    if name not in native.existing_rules():
        rule(name = name, **attributes)

def nacre_dependencies():
    """Declares Debian's libraries under upstream's labels.

    For Nacre's WORKSPACE and for that of whoever embeds it. Of these
    repositories, one that the WORKSPACE has declared before stays.
    """

    # What Bazel would download.
    _unless_declared(rules_stub, name = "rules_cc")
    _unless_declared(rules_stub, name = "rules_java")
    _unless_declared(rules_stub, name = "rules_proto")
    _unless_declared(coverage_stub, name = "remote_coverage_tools")

    # Upstream's labels on Debian's libraries.
    _unless_declared(
        pkg_config_libs,
        name = "com_google_absl",
        targets = {
            "absl/base:core_headers": "absl_core_headers",
            "absl/cleanup:cleanup": "absl_cleanup",
            "absl/container:flat_hash_map": "absl_flat_hash_map",
            "absl/container:flat_hash_set": "absl_flat_hash_set",
            "absl/container:inlined_vector": "absl_inlined_vector",
            "absl/flags:flag": "absl_flags",
            "absl/flags:parse": "absl_flags_parse",
            "absl/flags:usage": "absl_flags_usage",
            "absl/functional:any_invocable": "absl_any_invocable",
            "absl/functional:function_ref": "absl_function_ref",
            "absl/status:status": "absl_status",
            "absl/status:statusor": "absl_statusor",
            "absl/strings:strings": "absl_strings absl_str_format",
            "absl/time:time": "absl_time",
            "absl/types:span": "absl_span",
        },
    )

    _unless_declared(
        pkg_config_libs,
        name = "com_google_googletest",
        targets = {
            ":gtest": "gmock gtest",
            ":gtest_main": "gmock_main gtest_main",
        },
    )

    _unless_declared(
        pkg_config_libs,
        name = "com_github_google_benchmark",
        targets = {":benchmark": "benchmark"},
    )

    _unless_declared(
        pkg_config_libs,
        name = "cli11",
        targets = {":cli11": "CLI11"},
    )

    # --static: glog's own dependencies are named too, so that a fully static
    # binary links; a shared one drops what it does not use.
    _unless_declared(
        pkg_config_libs,
        name = "glog",
        targets = {":glog": "--static libglog liblzma"},
    )

    _unless_declared(
        pkg_config_libs,
        name = "libdrm",
        targets = {":libdrm": "--static libdrm"},
    )

    # System call filters.
    _unless_declared(
        pkg_config_libs,
        name = "libseccomp",
        targets = {":libseccomp": "libseccomp"},
    )

    # Device trees.
    _unless_declared(
        plain_library,
        name = "libfdt",
        library = "fdt",
    )

    # What the programs run inside the guest link with (Mesa supplies the
    # libraries there).
    _unless_declared(
        pkg_config_libs,
        name = "khronos",
        targets = {
            ":egl": "egl",
            ":glesv2": "glesv2",
            ":vulkan": "vulkan",
        },
    )

    _unless_declared(system_protobuf, name = "com_google_protobuf")
