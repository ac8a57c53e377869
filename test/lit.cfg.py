# Everything that is visible in IR. Run by `ninja check-fingpt-lit`, or by hand:
#   lit -sv build/test [--filter Import]      lit -sv build/test/Dialect
#
# FINGPT_ROUNDTRIP=1 in the environment makes every fingpt-opt print its input, parse
# it again (as text and as bytecode) and compare.
import os

import lit.formats

config.name = "fingpt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "data", "fuzz", "python", "tools", "unit", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.fingpt_build_dir, "test")
for directory in (config.llvm_tools_dir, os.path.join(config.fingpt_build_dir, "bin")):
    config.environment["PATH"] = directory + os.pathsep + config.environment["PATH"]
config.substitutions.append(("%python", config.python))


def processor_flags():
    """The instruction sets of this processor, as Linux names them."""
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith(("flags", "Features")):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


flags = processor_flags()
for feature, flag in (("avx2", "avx2"), ("avx512vnni", "avx512_vnni")):
    if flag in flags:
        config.available_features.add(feature)

if os.environ.get("FINGPT_ROUNDTRIP") == "1":
    # Not where the name is part of a path.
    config.substitutions.append(
        (r"(?<![\w/.-])fingpt-opt(?![\w/.-])", "fingpt-opt --verify-roundtrip"))

# %{lower}: upstream ops on tensors to the LLVM dialect, sums in strict order, without
# any pass of ours. %{run}: the program that runs @main of the result.
lower = [
    "--convert-elementwise-to-linalg",
    "--canonicalize",
    "--eliminate-empty-tensors",
    "--one-shot-bufferize=bufferize-function-boundaries=true",
    "--convert-linalg-to-loops",
    "--convert-vector-to-scf",
    "--convert-scf-to-cf",
    "--convert-vector-to-llvm",
    "--expand-strided-metadata",
    "--lower-affine",
    "--convert-arith-to-llvm",
    "--convert-math-to-llvm",
    "--convert-math-to-libm",
    "--finalize-memref-to-llvm",
    "--convert-index-to-llvm",
    "--convert-ub-to-llvm",
    "--convert-cf-to-llvm",
    "--convert-func-to-llvm",
    "--reconcile-unrealized-casts",
]
libraries = ",".join(
    os.path.join(config.llvm_lib_dir, "lib%s.so" % name)
    for name in ("mlir_runner_utils", "mlir_c_runner_utils", "mlir_float16_utils"))
config.substitutions.append(("%{lower}", " ".join(lower)))
config.substitutions.append(
    ("%{run}", "mlir-runner -e main -entry-point-result=void -shared-libs=" + libraries))
