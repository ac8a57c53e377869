# Run by `ninja check-fingpt-lit`, or by hand:  lit -sv build/test [--filter Import]
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
