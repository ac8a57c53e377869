#include "fingpt/Import/Import.h"

#include "fingpt/Support/MappedFile.h"

#include <cstring>
#include <filesystem>

namespace fs = std::filesystem;

namespace fingpt {

static bool endsWith(const std::string &text, std::string_view end) {
  return text.size() >= end.size() &&
         std::string_view(text).substr(text.size() - end.size()) == end;
}

Result<SourceKind> detectSource(const std::string &path) {
  static constexpr const char *kForms =
      "a GGUF file, a Hugging Face directory (config.json), a llama2.c .bin "
      "file, a model "
      "directory (fingpt.json) or an .mlir file";
  std::error_code ec;
  fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status))
    return Error::at(escaped(path, 1000), "model", kForms, "nothing there");
  if (fs::is_directory(status)) {
    if (fs::exists(path + "/fingpt.json", ec))
      return SourceKind::ModelDirectory;
    if (fs::exists(path + "/config.json", ec))
      return SourceKind::HuggingFace;
    return Error::at(escaped(path, 1000), "model", kForms,
                     "a directory without config.json and fingpt.json");
  }
  if (endsWith(path, ".mlir"))
    return SourceKind::MLIRFile;
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  if ((*file)->view().substr(0, 4) == "GGUF" || endsWith(path, ".gguf"))
    return SourceKind::GGUF;
  if (endsWith(path, ".bin"))
    return SourceKind::Llama2C;
  std::string got = "a file that begins with " + quote((*file)->view().substr(0, 8));
  if (endsWith(path, ".safetensors"))
    got = "weights alone (give their directory)";
  return Error::at(escaped(path, 1000), "model", kForms, got);
}

Result<ImportedModel> importModel(const std::string &path, mlir::MLIRContext &context) {
  Result<SourceKind> kind = detectSource(path);
  if (!kind)
    return kind.takeError();
  switch (*kind) {
  case SourceKind::GGUF:
    return importGGUF(path, context);
  case SourceKind::HuggingFace:
    return importHuggingFace(path, context);
  case SourceKind::Llama2C:
    return importLlama2C(path, context);
  case SourceKind::ModelDirectory:
    return importModelDirectory(path, context);
  case SourceKind::MLIRFile:
    return importMLIR(path, context);
  }
  return Error("unreachable");
}

} // namespace fingpt
