// A compiled function as the host calls it: one table of parameter addresses and a
// pointer to a descriptor per argument.
#ifndef FINGPT_LIB_CODEGEN_CPU_JITENTRY_H
#define FINGPT_LIB_CODEGEN_CPU_JITENTRY_H

#include "mlir/IR/BuiltinTypes.h"

#include <string>
#include <vector>

namespace fingpt {

struct JITEntry {
  std::vector<mlir::MemRefType> arguments; ///< without the parameter table
  std::vector<std::string> keys;           ///< of the table, in order
  std::vector<const void *> table;
  void *address = nullptr; ///< void(*)(void *table, descriptor *...)
};

/// A ranked memref as MLIR passes it by pointer.
struct Descriptor {
  void *allocated, *aligned;
  int64_t offset;
  int64_t sizesAndStrides[10];

  Descriptor(void *data, llvm::ArrayRef<int64_t> shape)
      : allocated(data), aligned(data), offset(0) {
    size_t rank = shape.size();
    int64_t stride = 1;
    for (size_t i = rank; i-- > 0;) {
      sizesAndStrides[i] = shape[i];
      sizesAndStrides[rank + i] = stride;
      stride *= shape[i];
    }
  }
};

/// callPacked() takes no more.
constexpr size_t kMaxArguments = 16;

/// Calls a compiled function; every argument is a pointer.
void callPacked(void *address, const void *const *table, std::vector<Descriptor> &args);

} // namespace fingpt

#endif // FINGPT_LIB_CODEGEN_CPU_JITENTRY_H
