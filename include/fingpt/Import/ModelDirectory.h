// The model directory: what every verb reads and writes.
//
//   config.json           Hugging Face style configuration
//   tokenizer files       tokenizer.json …, or tokenizer.gguf: the head of a
//   GGUF
//                         file with its tokenizer.* keys and no tensors
//   graph.mlir            @forward over named parameters
//   model.safetensors     the parameters, in shards past a size
//   fingpt.json           what is here:
//     {"format_version": 1, "architecture": "llama", "graph": "graph.mlir",
//      "params": ["model.safetensors"], "source": {"kind": "gguf", "name":
//      "x.gguf"}, "files": {"graph.mlir": {"bytes": 81920, "xxh3_64":
//      "0123456789abcdef"}, …}}
//
// It appears whole or not at all (AtomicDirectory). The hashes tell damage, not
// malice: a checksum is no signature.
#ifndef FINGPT_IMPORT_MODELDIRECTORY_H
#define FINGPT_IMPORT_MODELDIRECTORY_H

#include "fingpt/Import/Import.h"

#include <string>
#include <utility>
#include <vector>

namespace fingpt {

struct WriteOptions {
  bool replace = false;             ///< an existing model directory
  uint64_t shardBytes = 5ull << 30; ///< of parameter files
  /// Further members of fingpt.json: recipe, report.
  Json extra = Json::object();
  /// Further files by name, with their text.
  std::vector<std::pair<std::string, std::string>> files;
  /// The same, but not listed in fingpt.json: what can be made again may differ or go.
  std::vector<std::pair<std::string, std::string>> unlisted;
};

/// Whether `directory` may be written, from what is there now. Error: it holds the model's source,
/// a file of its parameters or its tokenizer; it has files already, and `replace` is false or they
/// are no model directory; it is a link, a file, "." or "..".
Status checkOutput(const ImportedModel &model, const std::string &directory, bool replace);

/// Writes graph, configuration, tokenizer and the parameters that the graph
/// refers to, under the graph's keys; streaming, one tensor in memory.
Status writeModelDirectory(const ImportedModel &model, const std::string &directory,
                           const WriteOptions &options = {});

/// Reads every byte of the files and compares it with fingpt.json. Importing
/// checks all sizes and the hash of the graph only.
Status verifyModelDirectory(const std::string &directory);

} // namespace fingpt

#endif // FINGPT_IMPORT_MODELDIRECTORY_H
