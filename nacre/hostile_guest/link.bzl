"""Links a program that has no operating system below it."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _freestanding_binary_impl(ctx):
    cc = find_cpp_toolchain(ctx)
    out = ctx.actions.declare_file(ctx.label.name)
    elf = out if not ctx.attr.raw else ctx.actions.declare_file(ctx.label.name + ".elf")
    arguments = ctx.actions.args()
    arguments.add_all(["-nostdlib", "-static", "-Wl,--build-id=none"])
    arguments.add(ctx.file.script, format = "-Wl,-T,%s")
    arguments.add("-Wl,--whole-archive")
    arguments.add_all(ctx.files.objects)
    arguments.add("-o", elf)
    ctx.actions.run(
        outputs = [elf],
        inputs = [ctx.file.script] + ctx.files.objects,
        executable = cc.compiler_executable,
        arguments = [arguments],
        mnemonic = "LinkFreestanding",
        use_default_shell_env = True,
    )
    if ctx.attr.raw:
        ctx.actions.run(
            outputs = [out],
            inputs = [elf],
            executable = cc.objcopy_executable,
            arguments = ["-O", "binary", elf.path, out.path],
            mnemonic = "MakeRaw",
            use_default_shell_env = True,
        )
    return [DefaultInfo(
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out]),
    )]

# The static library `objects`, all of it, by the linker script `script`: an ELF
# file, or, if `raw`, what of it lies in memory and nothing else. No cc_binary,
# since --linkopt would bring a sanitizer's runtime; no genrule, whose $(CC) is
# this machine's also where another's programs are built.
freestanding_binary = rule(
    implementation = _freestanding_binary_impl,
    attrs = {
        "objects": attr.label(mandatory = True, providers = [CcInfo]),
        "raw": attr.bool(mandatory = True),
        "script": attr.label(mandatory = True, allow_single_file = [".lds"]),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    incompatible_use_toolchain_transition = True,
)
