#include "fingpt/Codegen/CPU/JIT.h"

#include "JITParameters.h"
#include "ObjectCompiler.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Runtime/Kernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

using namespace mlir;

namespace fingpt {

namespace {

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

} // namespace

struct JITModel::Impl {
  JITOptions options;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  llvm::StringMap<JITEntry> entries;
  int64_t inputVocabulary = 0;
  std::unique_ptr<JITParameters> parameters;
  JITStatistics stats;

  Status lower(ModuleOp graph, OwningOpRef<ModuleOp> &module);
  Status readEntries(ModuleOp module);
  Status compileFunctions(ModuleOp module);
  Status link(const std::vector<std::string> &objects);
};

JITModel::JITModel() : impl(std::make_unique<Impl>()) {}
JITModel::~JITModel() = default;

std::string defaultCacheDirectory() {
  if (const char *d = std::getenv("FINGPT_CACHE_DIR"))
    return d;
  if (const char *d = std::getenv("XDG_CACHE_HOME"); d && *d)
    return std::string(d) + "/fingpt";
  if (const char *d = std::getenv("HOME"); d && *d)
    return std::string(d) + "/.cache/fingpt";
  return {};
}

//===----------------------------------------------------------------------===//
// Lowering
//===----------------------------------------------------------------------===//

static Status runPipeline(ModuleOp module, llvm::function_ref<void(OpPassManager &)> build) {
  MLIRContext *context = module.getContext();
  std::string text;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &d) {
    if (text.empty() && d.getSeverity() == DiagnosticSeverity::Error)
      text = d.str();
    return success();
  });
  PassManager pm(context, ModuleOp::getOperationName());
  build(pm);
  if (failed(pm.run(module)))
    return Error::at("compile", text.empty() ? "a pass failed without a message" : text);
  return Status::ok();
}

Status JITModel::Impl::lower(ModuleOp graph, OwningOpRef<ModuleOp> &module) {
  module = OwningOpRef<ModuleOp>(graph.clone());
  PipelineOptions pipeline{options.cache, options.reference, options.precision, options.kvBits};
  if (options.functionsOnly)
    return runPipeline(*module, [&](OpPassManager &pm) { buildBufferizePipeline(pm, pipeline); });
  if (Status s = runPipeline(*module, [&](OpPassManager &pm) { buildGraphPipeline(pm, pipeline); });
      !s)
    return s;
  if (!options.forward) {
    // Only @forward's own layer functions go with it.
    if (auto forward = module->lookupSymbol<func::FuncOp>("forward"))
      forward.erase();
    bool erased = true;
    while (erased) {
      erased = false;
      for (func::FuncOp f : llvm::to_vector(module->getOps<func::FuncOp>()))
        if (f.isPrivate() && SymbolTable::symbolKnownUseEmpty(f, *module)) {
          f.erase();
          erased = true;
        }
    }
  }
  return runPipeline(*module, [&](OpPassManager &pm) { buildBufferizePipeline(pm, pipeline); });
}

Status JITModel::Impl::readEntries(ModuleOp module) {
  for (func::FuncOp f : module.getOps<func::FuncOp>()) {
    if (f.isExternal() || !f.isPublic())
      continue;
    JITEntry entry;
    for (Type type : llvm::drop_begin(f.getArgumentTypes()))
      entry.arguments.push_back(cast<MemRefType>(type));
    if (auto keys = f->getAttrOfType<ArrayAttr>("fin.params"))
      for (auto key : keys.getAsRange<StringAttr>())
        entry.keys.push_back(key.str());
    if (f.getNumResults() != 0)
      return Error::at("compile", "@" + f.getName().str() + " still returns a buffer");
    f->setAttr("llvm.emit_c_interface", UnitAttr::get(f.getContext()));
    entries[f.getName()] = std::move(entry);
  }
  return Status::ok();
}

/// `function` and declarations of what it calls, as the text of a module.
static std::string isolate(func::FuncOp function, ModuleOp module) {
  OpBuilder b(function.getContext());
  OwningOpRef<ModuleOp> alone(ModuleOp::create(b, UnknownLoc::get(function.getContext())));
  b.setInsertionPointToEnd(alone->getBody());
  llvm::StringSet<> declared;
  function.walk([&](Operation *op) {
    StringRef name;
    if (auto call = dyn_cast<func::CallOp>(op))
      name = call.getCallee();
    else if (auto call = dyn_cast<LLVM::CallOp>(op))
      name = call.getCallee().value_or("");
    else if (auto global = dyn_cast<memref::GetGlobalOp>(op))
      name = global.getName();
    if (name.empty() || !declared.insert(name).second)
      return;
    Operation *callee = module.lookupSymbol(name);
    if (auto f = dyn_cast<func::FuncOp>(callee)) {
      auto declaration = func::FuncOp::create(b, f.getLoc(), name, f.getFunctionType());
      declaration.setPrivate();
    } else {
      b.clone(*callee); // a runtime function, or a constant
    }
  });
  auto copy = cast<func::FuncOp>(b.clone(*function));
  copy.setPublic();
  copy->removeAttr("fin.params"); // keys are no part of the code
  copy->removeAttr("fin.prepare");
  for (unsigned i = 0; i < copy.getNumArguments(); ++i)
    copy.removeArgAttr(i, "bufferization.writable");
  std::string text;
  llvm::raw_string_ostream os(text);
  alone->print(os);
  return text;
}

Status JITModel::Impl::compileFunctions(ModuleOp module) {
  std::vector<std::string> texts;
  for (func::FuncOp f : module.getOps<func::FuncOp>())
    if (!f.isExternal())
      texts.push_back(isolate(f, module));
  HostTarget target = HostTarget::detect();
  PipelineOptions pipeline{options.cache, options.reference, options.precision, options.kvBits};
  std::string directory = options.cacheDirectory.empty() ? "" : options.cacheDirectory + "/objects";
  ObjectCache cache(directory);
  std::vector<std::string> objects(texts.size());
  std::atomic<size_t> next{0};
  std::atomic<unsigned> compiled{0};
  std::mutex mutex;
  std::optional<Error> problem;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < texts.size();) {
      std::string key = ObjectCache::key(texts[i], pipeline, target);
      objects[i] = cache.load(key);
      if (!objects[i].empty())
        continue;
      Result<std::string> object = compileObject(texts[i], pipeline, target);
      if (!object) {
        std::lock_guard<std::mutex> lock(mutex);
        if (!problem)
          problem = object.takeError();
        return;
      }
      ++compiled;
      objects[i] = std::move(*object);
      cache.store(key, objects[i]);
    }
  };
  std::vector<std::thread> workers;
  for (unsigned t = 1; t < std::max(1u, std::thread::hardware_concurrency()); ++t)
    workers.emplace_back(work);
  work();
  for (std::thread &t : workers)
    t.join();
  if (problem)
    return *problem;
  stats.functions = unsigned(texts.size());
  stats.compiled = compiled;
  return link(objects);
}

Status JITModel::Impl::link(const std::vector<std::string> &objects) {
  auto failed = [](llvm::Error e) {
    return Error::at("compile", "cannot link compiled code: " + llvm::toString(std::move(e)));
  };
  auto created = llvm::orc::LLJITBuilder().create();
  if (!created)
    return failed(created.takeError());
  jit = std::move(*created);
  llvm::orc::JITDylib &library = jit->getMainJITDylib();
  llvm::orc::SymbolMap symbols;
  auto define = [&](const char *name, void *address) {
    symbols[jit->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(address),
                                           llvm::JITSymbolFlags::Exported |
                                               llvm::JITSymbolFlags::Callable};
  };
  define("fingpt_linear_f32", reinterpret_cast<void *>(&fingpt_linear_f32));
  define("fingpt_attention_f32", reinterpret_cast<void *>(&fingpt_attention_f32));
  define("fingpt_hadamard_f32", reinterpret_cast<void *>(&fingpt_hadamard_f32));
  define("fingpt_quantize_rows_f32", reinterpret_cast<void *>(&fingpt_quantize_rows_f32));
  define("fingpt_arena_mark", reinterpret_cast<void *>(&fingpt_arena_mark));
  define("fingpt_arena_release", reinterpret_cast<void *>(&fingpt_arena_release));
  define("_mlir_memref_to_llvm_alloc", reinterpret_cast<void *>(&fingpt_arena_allocate));
  if (llvm::Error e = library.define(llvm::orc::absoluteSymbols(std::move(symbols))))
    return failed(std::move(e));
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return failed(process.takeError());
  library.addGenerator(std::move(*process)); // the C library's mathematics
  for (const std::string &object : objects)
    if (llvm::Error e =
            jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object, "fingpt-function")))
      return failed(std::move(e));
  for (auto &item : entries) {
    auto address = jit->lookup(("_mlir_ciface_" + item.getKey()).str());
    if (!address)
      return failed(address.takeError());
    item.getValue().address = address->toPtr<void *>();
  }
  return Status::ok();
}

/// Rows of the table that the tokens of @forward index; ids beyond it would read past it.
static int64_t embeddingRows(ModuleOp graph) {
  int64_t rows = 0;
  graph.walk([&](fin::EmbeddingOp op) {
    auto argument = dyn_cast<BlockArgument>(op.getIds());
    if (argument && argument.getArgNumber() == 0)
      rows = cast<RankedTensorType>(op.getTable().getType()).getDimSize(0);
  });
  return rows;
}

Result<std::unique_ptr<JITModel>>
JITModel::compile(ModuleOp graph, std::shared_ptr<ParamStore> params, const JITOptions &options) {
  std::unique_ptr<JITModel> model(new JITModel);
  Impl &impl = *model->impl;
  impl.options = options;
  impl.parameters = std::make_unique<JITParameters>(std::move(params), options.keepStored);
  if (!options.functionsOnly)
    if (Status s = impl.parameters->check(graph); !s)
      return s.takeError();
  impl.inputVocabulary = embeddingRows(graph);
  auto start = Clock::now();
  OwningOpRef<ModuleOp> module;
  if (Status s = impl.lower(graph, module); !s)
    return s.takeError();
  if (Status s = impl.readEntries(*module); !s)
    return s.takeError();
  impl.parameters->readSteps(*module);
  impl.stats.graphSeconds = secondsSince(start);
  start = Clock::now();
  if (Status s = impl.compileFunctions(*module); !s)
    return s.takeError();
  impl.stats.compileSeconds = secondsSince(start);
  if (options.functionsOnly)
    return model;
  start = Clock::now();
  if (Status s = impl.parameters->prepare(impl.entries); !s)
    return s.takeError();
  if (Status s = impl.parameters->fillTables(impl.entries); !s)
    return s.takeError();
  impl.stats.preparedBytes = impl.parameters->preparedBytes();
  impl.stats.prepareSeconds = secondsSince(start);
  return model;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

bool JITModel::has(const std::string &function) const { return impl->entries.count(function); }

size_t JITModel::arity(const std::string &function) const {
  auto it = impl->entries.find(function);
  return it == impl->entries.end() ? 0 : it->second.arguments.size();
}

std::vector<std::string> JITModel::parameters(const std::string &function) const {
  auto it = impl->entries.find(function);
  return it == impl->entries.end() ? std::vector<std::string>() : it->second.keys;
}

Status JITModel::call(const std::string &function, const std::vector<TensorRef> &arguments) const {
  auto it = impl->entries.find(function);
  return callWith(function,
                  it == impl->entries.end() ? std::vector<const void *>() : it->second.table,
                  arguments);
}

Status JITModel::callWith(const std::string &function, const std::vector<const void *> &parameters,
                          const std::vector<TensorRef> &arguments) const {
  auto it = impl->entries.find(function);
  if (it == impl->entries.end())
    return Error::at("@" + function, "is not a function of this model");
  const JITEntry &entry = it->second;
  if (parameters.size() != entry.keys.size())
    return Error::at("@" + function, "wrong number of parameters",
                     std::to_string(entry.keys.size()), std::to_string(parameters.size()));
  if (arguments.size() != entry.arguments.size() || arguments.size() > kMaxArguments)
    return Error::at("@" + function, "wrong number of arguments",
                     std::to_string(entry.arguments.size()), std::to_string(arguments.size()));
  std::vector<Descriptor> descriptors;
  for (size_t i = 0; i < arguments.size(); ++i) {
    MemRefType type = entry.arguments[i];
    const std::vector<int64_t> &shape = arguments[i].shape;
    bool fits = shape.size() == size_t(type.getRank());
    for (size_t axis = 0; fits && axis < shape.size(); ++axis)
      fits = type.isDynamicDim(axis) ? shape[axis] >= 0 : shape[axis] == type.getDimSize(axis);
    if (!fits) {
      std::string expected;
      llvm::raw_string_ostream(expected) << type;
      return Error::at("@" + function, "argument " + std::to_string(i) + " does not fit", expected,
                       shapeText(shape));
    }
    descriptors.emplace_back(arguments[i].data, shape);
  }
  callPacked(entry.address, parameters.data(), descriptors);
  return Status::ok();
}

/// The first argument of a rank: of 3 the logits, before taps.
static const MemRefType *findArgument(const llvm::StringMap<JITEntry> &entries, int64_t rank) {
  for (const char *name : {"decode", "prefill", "forward"}) {
    auto it = entries.find(name);
    if (it == entries.end())
      continue;
    for (const MemRefType &type : it->second.arguments)
      if (type.getRank() == rank)
        return &type;
  }
  return nullptr;
}

int64_t JITModel::outputWidth() const {
  const MemRefType *type = findArgument(impl->entries, 3);
  return type ? type->getDimSize(2) : 0;
}
int64_t JITModel::cacheLayers() const {
  const MemRefType *type = findArgument(impl->entries, 5);
  return type ? type->getDimSize(0) : 0;
}
int64_t JITModel::cacheWidth() const {
  const MemRefType *type = findArgument(impl->entries, 5);
  return type ? type->getDimSize(4) : 0;
}
uint64_t JITModel::cacheBytes(int64_t batch, int64_t context) const {
  const MemRefType *type = findArgument(impl->entries, 5);
  return type ? uint64_t(type->getDimSize(0)) * 2 * uint64_t(batch) * uint64_t(context) *
                    uint64_t(type->getDimSize(4)) * (type->getElementTypeBitWidth() / 8)
              : 0;
}
int64_t JITModel::inputVocabulary() const { return impl->inputVocabulary; }
Status JITModel::checkTokens(const std::vector<int32_t> &tokens, const std::string &where) const {
  for (int32_t t : tokens)
    if (t < 0 || t >= impl->inputVocabulary)
      return Error::at(where, "token without a row in the embedding",
                       "0 to " + std::to_string(impl->inputVocabulary - 1), std::to_string(t));
  return Status::ok();
}
size_t JITModel::elementBytes() const {
  const MemRefType *type = findArgument(impl->entries, 3);
  return type ? type->getElementTypeBitWidth() / 8 : 4;
}
const JITStatistics &JITModel::statistics() const { return impl->stats; }

} // namespace fingpt
