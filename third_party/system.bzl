"""Repository rules exposing Debian -dev packages as Bazel targets, offline."""

def _pkg_config(rctx, args):
    result = rctx.execute(["/usr/bin/pkg-config"] + args)
    if result.return_code != 0:
        fail("pkg-config %s: %s" % (" ".join(args), result.stderr))
    return [f for f in result.stdout.strip().split(" ") if f]

def _library(rctx, name, modules):
    defines, includes = [], []
    names = [m for m in modules if not m.startswith("-")]
    for flag in _pkg_config(rctx, ["--cflags"] + names):
        if flag == "-DNOMINMAX":  # Windows only.
            continue
        elif flag.startswith("-D"):
            defines.append(flag[2:])
        elif flag.startswith("-I"):  # Not searched by default: link it in.
            rctx.symlink(flag[2:], "include" + flag[2:])
            includes.append("include" + flag[2:])
        else:
            fail("%s: unexpected flag %s" % (name, flag))
    return """
cc_library(
    name = %r,
    hdrs = glob([p + "/**" for p in %r]),
    defines = %r,
    includes = %r,
    linkopts = %r,
)
""" % (name, includes, defines, includes, _pkg_config(rctx, ["--libs"] + modules))

def _pkg_config_libs_impl(rctx):
    packages = {}
    for label, modules in rctx.attr.targets.items():
        package, name = label.split(":")
        packages.setdefault(package, []).append(_library(rctx, name, modules.split(" ")))
    for package, rules in packages.items():
        rctx.file(
            (package + "/BUILD.bazel").lstrip("/"),
            'package(default_visibility = ["//visibility:public"])\n' + "".join(rules),
            executable = False,
        )

pkg_config_libs = repository_rule(
    implementation = _pkg_config_libs_impl,
    attrs = {"targets": attr.string_dict(mandatory = True)},  # "package:name": "pkg-config modules"
    configure = True,
    local = True,
)

def _plain_library_impl(rctx):
    rctx.file(
        "BUILD.bazel",
        """
cc_library(
    name = %r,
    linkopts = %r,
    visibility = ["//visibility:public"],
)
""" % (rctx.name, ["-l" + rctx.attr.library]),
        executable = False,
    )

# One that comes without a pkg-config file: @name//:name.
plain_library = repository_rule(
    implementation = _plain_library_impl,
    attrs = {"library": attr.string(mandatory = True)},
)

_WELL_KNOWN = ["any", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"]

def _system_protobuf_impl(rctx):
    rctx.symlink("/usr/bin/protoc", "protoc")
    build = """
package(default_visibility = ["//visibility:public"])

exports_files(["protoc"])

cc_library(
    name = "protobuf",
    linkopts = ["-lprotobuf", "-pthread"],
)

proto_lang_toolchain(
    name = "cc_toolchain",
    blacklisted_protos = %r,
    command_line = "--cpp_out=$(OUT)",
    runtime = ":protobuf",
)
""" % [":%s_proto" % n for n in _WELL_KNOWN]
    for name in _WELL_KNOWN:
        path = "google/protobuf/%s.proto" % name
        rctx.symlink("/usr/include/" + path, path)
        build += "\nproto_library(name = %r, srcs = [%r])\n" % (name + "_proto", path)
    rctx.file("BUILD.bazel", build, executable = False)

system_protobuf = repository_rule(
    implementation = _system_protobuf_impl,
    configure = True,
    local = True,
)
