"""Debian's aarch64 cross compiler with the sysroot of tools/sysroot.sh."""

def _sysroot(rctx):
    env = rctx.os.environ
    if env.get("NACRE_AARCH64_SYSROOT"):
        return rctx.path(env["NACRE_AARCH64_SYSROOT"])

    # As in tools/lib.sh, where cache_dir is set.
    cache = env.get("NACRE_CACHE")
    if not cache:
        cache = (env.get("XDG_CACHE_HOME") or env.get("HOME", "") + "/.cache") + "/nacre"
    return rctx.path(cache + "/sysroot-aarch64")

def _aarch64_toolchain_impl(rctx):
    sysroot = _sysroot(rctx)
    if not sysroot.exists:
        fail("--config=aarch64 needs Debian's arm64 libraries, and %s does not exist: run tools/sysroot.sh first" % sysroot)
    rctx.template(
        "BUILD.bazel",
        rctx.attr._template,
        # The real path has a key made of package versions in it: with others,
        # Bazel compiles anew.
        substitutions = {"%{sysroot}": str(sysroot.realpath)},
        executable = False,
    )

# Made only when something is built for aarch64 on another machine.
aarch64_toolchain = repository_rule(
    implementation = _aarch64_toolchain_impl,
    attrs = {"_template": attr.label(default = "//bazel/toolchain:aarch64.BUILD.tpl")},
    configure = True,
    environ = ["HOME", "NACRE_AARCH64_SYSROOT", "NACRE_CACHE", "XDG_CACHE_HOME"],
    local = True,
)
