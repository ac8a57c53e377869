#include "FileHash.h"
#include "MLIRText.h"

#include "fingpt/Import/GraphParams.h"
#include "fingpt/Import/ModelDirectory.h"
#include "fingpt/Support/MappedFile.h"

#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;

namespace fingpt {

namespace {

/// fingpt.json, checked: every name is one inside the directory.
struct Manifest {
  std::string graph;
  std::vector<std::string> params;
  struct File {
    std::string name, hash;
    uint64_t bytes;
  };
  std::vector<File> files;

  const File *find(const std::string &name) const {
    for (const File &f : files)
      if (f.name == name)
        return &f;
    return nullptr;
  }
};

} // namespace

/// "code/avx512/model.so": parts that are names, and no way out.
static Status checkRelativePath(const std::string &name, const std::string &where) {
  size_t begin = 0;
  do {
    size_t end = std::min(name.find('/', begin), name.size());
    if (Status s = checkPlainName(name.substr(begin, end - begin), where); !s)
      return Error::at(where, "file name", "a path inside the directory", quote(name));
    begin = end + 1;
  } while (begin <= name.size());
  return Status::ok();
}

static Result<Manifest> readManifest(const std::string &directory) {
  std::string path = directory + "/fingpt.json";
  Result<Json> json = readJsonFile(path, 64u << 20);
  if (!json)
    return json.takeError();
  JsonObject root(*json, path);
  if (Status s = root.expectObject(); !s)
    return s.takeError();
  Result<int64_t> version = root.integer("format_version", 1, INT64_MAX);
  if (!version)
    return version.takeError();
  if (*version != 1)
    return Error::at(root.where("format_version"), "format version",
                     "1 (a newer fingpt-opt reads newer ones)", std::to_string(*version));
  Manifest m;
  Result<std::string> graph = root.string("graph");
  if (!graph)
    return graph.takeError();
  if (Status s = checkPlainName(*graph, root.where("graph")); !s)
    return s.takeError();
  m.graph = *graph;
  const Json *params = root.find("params");
  if (!params || !params->is_array())
    return Error::at(root.where("params"), "wrong type", "an array of file names",
                     params ? describe(*params) : "nothing");
  for (const Json &p : *params) {
    if (!p.is_string())
      return Error::at(root.where("params"), "wrong type", "file names", describe(p));
    m.params.push_back(p.get<std::string>());
    if (Status s = checkPlainName(m.params.back(), root.where("params")); !s)
      return s.takeError();
  }
  Result<JsonObject> files = root.object("files");
  if (!files)
    return files.takeError();
  for (const auto &[name, value] : files->json().items()) {
    if (Status s = checkRelativePath(name, root.where("files")); !s)
      return s.takeError();
    JsonObject entry(value, path, "/files/" + escaped(name));
    if (Status s = entry.expectObject(); !s)
      return s.takeError();
    Result<int64_t> bytes = entry.integer("bytes", 0, INT64_MAX);
    Result<std::string> hash = entry.string("xxh3_64");
    if (!bytes)
      return bytes.takeError();
    if (!hash)
      return hash.takeError();
    m.files.push_back({name, *hash, static_cast<uint64_t>(*bytes)});
  }
  for (const std::string &name : m.params)
    if (!m.find(name))
      return Error::at(root.where("files"), "missing entry", quote(name), "none");
  if (!m.find(m.graph))
    return Error::at(root.where("files"), "missing entry", quote(m.graph), "none");
  return m;
}

static Status checkSize(const std::string &directory, const Manifest::File &file) {
  std::string path = directory + "/" + file.name;
  std::error_code ec;
  if (!fs::is_regular_file(path, ec))
    return Error::at(escaped(path, 1000), "missing",
                     "a file of " + std::to_string(file.bytes) + " bytes (fingpt.json)", "none");
  uint64_t size = fs::file_size(path, ec);
  if (ec || size != file.bytes)
    return Error::at(escaped(path, 1000), "size", std::to_string(file.bytes) + " (fingpt.json)",
                     std::to_string(size));
  return Status::ok();
}

static Status checkHash(const std::string &directory, const Manifest::File &file) {
  std::string path = directory + "/" + file.name;
  Result<std::string> hash = hashFile(path);
  if (!hash)
    return hash.takeError();
  if (*hash != file.hash)
    return Error::at(escaped(path, 1000), "checksum (the file was changed or damaged)",
                     quote(file.hash) + " (fingpt.json)", *hash);
  return Status::ok();
}

Status verifyModelDirectory(const std::string &directory) {
  Result<Manifest> m = readManifest(directory);
  if (!m)
    return m.takeError();
  for (const Manifest::File &file : m->files) {
    if (Status s = checkSize(directory, file); !s)
      return s;
    if (Status s = checkHash(directory, file); !s)
      return s;
  }
  return Status::ok();
}

Result<ImportedModel> importModelDirectory(const std::string &path, mlir::MLIRContext &context) {
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/')
    directory.pop_back();
  Result<Manifest> m = readManifest(directory);
  if (!m)
    return m.takeError();
  for (const Manifest::File &file : m->files)
    if (Status s = checkSize(directory, file); !s)
      return s.takeError();
  for (const std::string &name : {m->graph, std::string("config.json")})
    if (const Manifest::File *file = m->find(name))
      if (Status s = checkHash(directory, *file); !s)
        return s.takeError();

  std::string graphFile = directory + "/" + m->graph;
  Result<std::string> text = readFile(graphFile, 256u << 20);
  if (!text)
    return text.takeError();
  auto module = parseMLIRText(*text, graphFile, context);
  if (!module)
    return module.takeError();
  ImportedModel model;
  model.graph = std::move(*module);
  model.params = std::make_shared<ParamStore>();
  for (const std::string &name : m->params)
    if (Status s = model.params->addFile(directory + "/" + name); !s)
      return s.takeError();
  if (Status s = checkGraphParams(*model.graph, *model.params, graphFile); !s)
    return s.takeError();
  model.kind = SourceKind::ModelDirectory;
  model.source = path;
  model.architecture = architectureOf(*model.graph);
  model.config = Json::object();
  if (m->find("config.json")) {
    Result<Json> config = readJsonFile(directory + "/config.json", 16u << 20);
    if (!config)
      return config.takeError();
    model.config = std::move(*config);
  }
  return model;
}

} // namespace fingpt
