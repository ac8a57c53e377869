// Compiles a graph for this machine and runs it.
//
//   auto model = JITModel::compile(*imported.graph, imported.params, options);
//   model->forward(tokens, 1, 16, logits);
//
// The graph passes run on the whole module; then every distinct function is a
// module of its own, compiled in parallel and cached by the hash of its text, so
// that a second start compiles nothing and depth costs nothing. @prepare runs
// once, here: dense weights live in this object's memory, and the stored
// bytes that only they needed are released.
#ifndef FINGPT_CODEGEN_CPU_JIT_H
#define FINGPT_CODEGEN_CPU_JIT_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fingpt {

struct JITOptions {
  /// Compile @prefill and @decode beside or instead of @forward.
  bool forward = true, cache = true;
  /// Run the definitions, strictly, in `precision` (f32 or f64): the oracle.
  bool reference = false;
  std::string precision = "f32";
  /// 8 or 4: a quantized cache of keys and values; 0: as the graph has them.
  int64_t kvBits = 0;
  /// Compiled objects are kept here; empty: not kept.
  std::string cacheDirectory;
  /// Keep the stored bytes of hoisted weights mapped (for a second compile).
  bool keepStored = false;
  /// Compile the module's public functions as they are: nothing is hoisted, outlined or cached
  /// across tokens, and parameters come with every call (`callWith`).
  bool functionsOnly = false;
};

/// $FINGPT_CACHE_DIR, $XDG_CACHE_HOME/fingpt or ~/.cache/fingpt; empty if none.
std::string defaultCacheDirectory();

/// Argument of compiled code: a dense, row-major tensor of up to 5 dimensions.
struct TensorRef {
  void *data;
  std::vector<int64_t> shape;
};

struct JITStatistics {
  unsigned functions = 0, compiled = 0; ///< distinct, and not found in the cache
  double graphSeconds = 0, compileSeconds = 0, prepareSeconds = 0;
  uint64_t preparedBytes = 0;
};

class JITModel {
public:
  static Result<std::unique_ptr<JITModel>>
  compile(mlir::ModuleOp graph, std::shared_ptr<ParamStore> params, const JITOptions &options);
  ~JITModel();

  bool has(const std::string &function) const;
  /// Number of tensor arguments of a public function, destinations included.
  size_t arity(const std::string &function) const;
  /// Calls a public function with its arguments in order; destinations last.
  Status call(const std::string &function, const std::vector<TensorRef> &arguments) const;

  /// Keys of the parameters of a public function, in the order of its table.
  std::vector<std::string> parameters(const std::string &function) const;
  /// Calls it over other parameters, one pointer per key; the caller owns them.
  Status callWith(const std::string &function, const std::vector<const void *> &parameters,
                  const std::vector<TensorRef> &arguments) const;

  /// Shape facts of the model, read off the signatures; 0 where there is none.
  int64_t outputWidth() const; ///< logits or hidden width
  int64_t cacheLayers() const;
  int64_t cacheWidth() const; ///< elements of a row: floats, or bytes of a quantized cache
  uint64_t cacheBytes(int64_t batch, int64_t context) const;
  int64_t inputVocabulary() const; ///< rows of the token embedding
  /// Error at `where`: an id that the embedding does not have; it would be read past its end.
  Status checkTokens(const std::vector<int32_t> &tokens, const std::string &where) const;
  /// Bytes of an element of activations (4, or 8 for f64).
  size_t elementBytes() const;
  const JITStatistics &statistics() const;

private:
  JITModel();
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fingpt

#endif // FINGPT_CODEGEN_CPU_JIT_H
