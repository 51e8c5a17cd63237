load("@bazel_tools//tools/cpp:unix_cc_toolchain_config.bzl", "cc_toolchain_config")
load("@rules_cc//cc:defs.bzl", "cc_toolchain")

TRIPLE = "aarch64-linux-gnu"

filegroup(name = "empty")

# Flags as Bazel's own for the machine's compiler.
cc_toolchain_config(
    name = "config",
    abi_libc_version = "glibc",
    abi_version = "gcc",
    builtin_sysroot = "%{sysroot}",
    compile_flags = [
        "-fstack-protector",
        "-fno-omit-frame-pointer",
    ],
    compiler = "gcc",
    cpu = "aarch64",
    cxx_builtin_include_directories = [
        # The C and C++ libraries' headers are the cross compiler's own.
        "/usr/lib/gcc-cross/" + TRIPLE,
        "/usr/" + TRIPLE + "/include",
        "%{sysroot}/usr/include",
    ],
    cxx_flags = ["-std=c++20"],
    dbg_compile_flags = ["-g"],
    host_system_name = "local",
    link_flags = [
        "-Wl,-z,relro,-z,now",
        # A fully static gtest or glog draws two warnings about getaddrinfo
        # and getpwuid_r, for each of hundreds of tests.
        "-Wl,--no-warnings",
    ],
    link_libs = [
        "-lstdc++",
        "-lm",
    ],
    opt_compile_flags = [
        "-g0",
        "-O2",
        "-D_FORTIFY_SOURCE=1",
        "-DNDEBUG",
        "-ffunction-sections",
        "-fdata-sections",
    ],
    opt_link_flags = ["-Wl,--gc-sections"],
    target_libc = "glibc",
    target_system_name = TRIPLE,
    tool_paths = {
        # dwp and llvm-cov are required keys; they need not exist.
        tool: "/usr/bin/%s-%s" % (TRIPLE, tool)
        for tool in [
            "ar",
            "cpp",
            "dwp",
            "gcc",
            "gcov",
            "ld",
            "llvm-cov",
            "nm",
            "objcopy",
            "objdump",
            "strip",
        ]
    },
    toolchain_identifier = "aarch64-gcc",
    unfiltered_compile_flags = [
        "-fno-canonical-system-headers",
        "-Wno-builtin-macro-redefined",
        "-D__DATE__=\"redacted\"",
        "-D__TIMESTAMP__=\"redacted\"",
        "-D__TIME__=\"redacted\"",
    ],
)

cc_toolchain(
    name = "cc",
    all_files = ":empty",
    compiler_files = ":empty",
    dwp_files = ":empty",
    linker_files = ":empty",
    objcopy_files = ":empty",
    strip_files = ":empty",
    toolchain_config = ":config",
    toolchain_identifier = "aarch64-gcc",
    visibility = ["//visibility:public"],
)
