#include "Diagnostics.h"
#include "MLIRText.h"
#include "ParserProcess.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Import/GraphParams.h"
#include "fingpt/Import/Import.h"
#include "fingpt/Support/MappedFile.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace fingpt {

Status checkMLIRText(std::string_view text, const std::string &file) {
  std::string name = escaped(file, 1000);
  if (text.substr(0, 4) == "ML\xefR")
    return Error::at(name, "format", "MLIR text", "MLIR bytecode");
  unsigned depth = 0;
  size_t line = 1, lineStart = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    auto at = [&] {
      return name + ":" + std::to_string(line) + ":" + std::to_string(i - lineStart + 1);
    };
    switch (c) {
    case '\0':
      return Error::at(at(), "NUL byte in text");
    case '\n':
      ++line;
      lineStart = i + 1;
      break;
    case '"': // to the closing quote; a string does not cross a line
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
        if (text[i] == '\\')
          ++i;
      if (i < text.size() && text[i] == '\n')
        --i;
      break;
    case '/':
      if (i + 1 < text.size() && text[i + 1] == '/')
        while (i + 1 < text.size() && text[i + 1] != '\n')
          ++i;
      break;
    case '-':
      if (i + 1 < text.size() && text[i + 1] == '>')
        ++i;
      break;
    case '(':
    case '[':
    case '{':
    case '<':
      if (++depth > kMaxNesting)
        return Error::at(at(), "nesting", "at most " + std::to_string(kMaxNesting), "more");
      break;
    case ')':
    case ']':
    case '}':
    case '>':
      depth -= depth > 0;
      break;
    default:
      break;
    }
  }
  return Status::ok();
}

Result<OwningOpRef<ModuleOp>> parseMLIRText(const std::string &text, const std::string &file,
                                            MLIRContext &context) {
  if (Status s = checkMLIRText(text, file); !s)
    return s.takeError();
  if (Status s = parseInChild(text, file, context); !s)
    return s.takeError();
  context.loadDialect<fin::FinDialect, func::FuncDialect>();
  DiagnosticCapture capture(&context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, ParserConfig(&context), file);
  if (!module)
    return capture.error(file);
  return module;
}

Status checkPlainName(const std::string &name, const std::string &where) {
  bool plain = !name.empty() && name != "." && name != ".." &&
               name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
  if (!plain)
    return Error::at(where, "file name", "a plain name in the same directory", quote(name));
  return Status::ok();
}

Result<std::vector<std::string>> paramsAttribute(ModuleOp module, const std::string &file) {
  std::vector<std::string> out;
  Attribute attribute = module->getAttr("fin.params");
  if (!attribute)
    return out;
  std::string where = escaped(file, 1000) + ":fin.params";
  auto add = [&](Attribute a) {
    auto text = dyn_cast<StringAttr>(a);
    if (text)
      out.push_back(text.getValue().str());
    return bool(text);
  };
  bool good = add(attribute);
  if (auto array = dyn_cast<ArrayAttr>(attribute))
    good = llvm::all_of(array, add);
  if (!good)
    return Error::at(where, "wrong type", "a string or an array of strings", "another attribute");
  return out;
}

std::string architectureOf(ModuleOp module) {
  auto model = module->getAttrOfType<fin::ModelAttr>("fin.model");
  return model ? model.getArch().str() : "";
}

Result<std::shared_ptr<ParamStore>> loadGraphParams(ModuleOp graph, const std::string &file) {
  auto names = paramsAttribute(graph, file);
  if (!names)
    return names.takeError();
  auto params = std::make_shared<ParamStore>();
  if (names->size() == 1 && names->front().find(':') != std::string::npos) {
    if (Status s = makeGraphParams(graph, names->front(), *params, file); !s)
      return s.takeError();
    return params;
  }
  std::string directory = file.substr(0, file.find_last_of('/') + 1);
  for (const std::string &name : *names) {
    if (Status s = checkPlainName(name, escaped(file, 1000) + ":fin.params"); !s)
      return s.takeError();
    if (Status s = params->addFile(directory + name); !s)
      return s.takeError();
  }
  if (Status s = checkGraphParams(graph, *params, file); !s)
    return s.takeError();
  return params;
}

Result<ImportedModel> importMLIR(const std::string &path, MLIRContext &context) {
  Result<std::string> text = readFile(path, 256u << 20);
  if (!text)
    return text.takeError();
  auto module = parseMLIRText(*text, path, context);
  if (!module)
    return module.takeError();
  ImportedModel model;
  model.graph = std::move(*module);
  model.kind = SourceKind::MLIRFile;
  model.source = path;
  model.architecture = architectureOf(*model.graph);
  model.config = Json::object();

  Result<std::shared_ptr<ParamStore>> params = loadGraphParams(*model.graph, path);
  if (!params)
    return params.takeError();
  model.params = std::move(*params);
  return model;
}

} // namespace fingpt
