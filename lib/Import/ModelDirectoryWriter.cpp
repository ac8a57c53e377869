#include "FileHash.h"
#include "TokenizerFiles.h"

#include "fingpt/Import/GraphParams.h"
#include "fingpt/Import/ModelDirectory.h"
#include "fingpt/Params/SafetensorsWriter.h"
#include "fingpt/Support/AtomicDirectory.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace fs = std::filesystem;

namespace fingpt {

static const char *kindName(SourceKind kind) {
  switch (kind) {
  case SourceKind::GGUF:
    return "gguf";
  case SourceKind::HuggingFace:
    return "huggingface";
  case SourceKind::Llama2C:
    return "llama2c";
  case SourceKind::ModelDirectory:
    return "model_directory";
  case SourceKind::MLIRFile:
    return "mlir";
  }
  return "";
}

/// Text of the graph, which names the parameter files that stand beside it.
static std::string graphText(mlir::ModuleOp module, const std::vector<std::string> &params) {
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  mlir::Builder b(module.getContext());
  if (params.size() == 1) {
    (*copy)->setAttr("fin.params", b.getStringAttr(params.front()));
  } else {
    llvm::SmallVector<llvm::StringRef> names(params.begin(), params.end());
    (*copy)->setAttr("fin.params", b.getStrArrayAttr(names));
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  copy->print(os);
  os << "\n";
  return text;
}

static std::string baseName(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path.substr(path.find_last_of('/') + 1);
}

/// `file` lies in `directory` or is it, whatever links and dots they are spelled with; also if that
/// cannot be told.
static bool contains(const fs::path &directory, const fs::path &file) {
  std::error_code ec;
  fs::path outer = fs::canonical(directory, ec);
  fs::path inner = ec ? fs::path() : fs::canonical(file, ec);
  return ec ||
         std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// The first file or directory in `directory` that the model is read from, empty if there is none.
static std::string readFrom(const ImportedModel &model, const std::string &directory) {
  std::set<std::string> files = {model.source, model.tokenizer};
  for (const ParamInfo *info : model.params->list())
    files.insert(info->source); // a file, or "random"
  std::error_code ec;
  for (const std::string &file : files)
    if (!file.empty() && fs::exists(file, ec) && contains(directory, file))
      return file;
  return "";
}

Status checkOutput(const ImportedModel &model, const std::string &directory, bool replace) {
  std::error_code ec;
  std::string where = escaped(directory, 1000), name = baseName(directory);
  if (name == "." || name == "..")
    return Error::at(where, "output directory", "a name of its own", quote(name));
  fs::file_status there = fs::symlink_status(directory, ec);
  if (!fs::exists(there))
    return Status::ok();
  if (!fs::is_directory(there))
    return Error::at(where, "exists and is no directory");
  if (fs::is_empty(directory, ec) && !ec)
    return Status::ok();
  if (std::string file = readFrom(model, directory); !file.empty())
    return Error::at(where, "holds what is read", "another output directory", escaped(file, 1000));
  if (!replace)
    return Error::at(where, "exists already (--force replaces it)");
  if (!fs::exists(directory + "/fingpt.json", ec))
    return Error::at(where, "is not replaced", "a model directory (fingpt.json)", "other files");
  return Status::ok();
}

Status writeModelDirectory(const ImportedModel &model, const std::string &directory,
                           const WriteOptions &options) {
  if (Status s = checkOutput(model, directory, options.replace); !s)
    return s;
  auto params = graphParams(*model.graph, model.source);
  if (!params)
    return params.takeError();
  auto out = AtomicDirectory::create(directory, options.replace);
  if (!out)
    return out.takeError();
  AtomicDirectory &work = **out;

  std::vector<std::string> keys;
  for (const GraphParam &p : *params)
    keys.push_back(p.key);
  auto written = writeParams(*model.params, keys, work.path(), options.shardBytes);
  if (!written)
    return written.takeError();
  std::vector<std::string> files = *written, shards;
  for (const std::string &name : files)
    if (name.size() < 5 || name.compare(name.size() - 5, 5, ".json") != 0)
      shards.push_back(name); // the index serves other readers

  auto write = [&](const std::string &name, const std::string &text) {
    files.push_back(name);
    return writeFileAtomically(work.file(name), text);
  };
  if (Status s = write("graph.mlir", graphText(*model.graph, shards)); !s)
    return s;
  if (!model.config.empty())
    if (Status s = write("config.json", model.config.dump(2) + "\n"); !s)
      return s;
  for (const auto &[name, text] : options.files)
    if (Status s = write(name, text); !s)
      return s;
  for (const auto &[name, text] : options.unlisted)
    if (Status s = writeFileAtomically(work.file(name), text); !s)
      return s;
  auto tokenizer = copyTokenizer(model, work.path());
  if (!tokenizer)
    return tokenizer.takeError();
  files.insert(files.end(), tokenizer->begin(), tokenizer->end());

  Json manifest{{"format_version", 1},
                {"architecture", model.architecture},
                {"graph", "graph.mlir"},
                {"params", shards}};
  manifest["source"] = Json{{"kind", kindName(model.kind)}, {"name", baseName(model.source)}};
  for (const auto &[key, value] : options.extra.items())
    manifest[key] = value;
  Json entries = Json::object();
  std::sort(files.begin(), files.end());
  for (const std::string &name : files) {
    Result<std::string> hash = hashFile(work.file(name));
    if (!hash)
      return hash.takeError();
    std::error_code ec;
    uint64_t bytes = fs::file_size(work.file(name), ec);
    entries[name] = Json{{"bytes", bytes}, {"xxh3_64", *hash}};
  }
  manifest["files"] = std::move(entries);
  if (Status s = writeFileAtomically(work.file("fingpt.json"), manifest.dump(2) + "\n"); !s)
    return s;
  return work.publish();
}

} // namespace fingpt
