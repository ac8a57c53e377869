#include "ObjectCompiler.h"

#include "fingpt/Support/AtomicDirectory.h"
#include "fingpt/Support/Build.h"
#include "fingpt/Support/MappedFile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

#include <mutex>
#include <sys/stat.h>
#include <xxhash.h>

using namespace mlir;

namespace fingpt {

HostTarget HostTarget::detect() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  llvm::SubtargetFeatures features;
  for (const auto &[name, enabled] : llvm::sys::getHostCPUFeatures())
    features.AddFeature(name, enabled);
  return {llvm::sys::getProcessTriple(), llvm::sys::getHostCPUName().str(), features.getString()};
}

/// Collects the first diagnostic of a context.
static std::string diagnosticText(MLIRContext &context, function_ref<LogicalResult()> run) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    if (text.empty())
      text = d.str();
    return success();
  });
  if (succeeded(run()))
    return {};
  return text.empty() ? "failed without a message" : text;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cgam;
  llvm::ModuleAnalysisManager mam;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = false; // costs compile time, finds nothing in loops over tensors
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cgam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cgam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, mam);
}

Result<std::string> compileObject(const std::string &text, const PipelineOptions &options,
                                  const HostTarget &target) {
  DialectRegistry registry;
  registerCPUDialects(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module;
  llvm::LLVMContext llvmContext; // outlives the module
  std::unique_ptr<llvm::Module> llvmModule;
  std::string problem = diagnosticText(context, [&]() -> LogicalResult {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return failure();
    PassManager pm(&context, ModuleOp::getOperationName());
    pm.enableVerifier(false); // checked before the text was written
    buildLowerPipeline(pm, options);
    if (failed(pm.run(*module)))
      return failure();
    llvmModule = translateModuleToLLVMIR(*module, llvmContext, "fingpt");
    return success(bool(llvmModule));
  });
  if (!problem.empty())
    return Error::at("compile", "cannot lower a function to LLVM: " + problem);

  std::string why;
  llvm::Triple triple(target.triple);
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, why);
  if (!backend)
    return Error::at("compile", "no LLVM target for this machine: " + why);
  std::unique_ptr<llvm::TargetMachine> machine(
      backend->createTargetMachine(triple, target.cpu, target.features, {}, llvm::Reloc::PIC_,
                                   std::nullopt, llvm::CodeGenOptLevel::Default, /*JIT=*/true));
  llvmModule->setTargetTriple(triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  for (llvm::Function &f : *llvmModule) {
    if (f.getName() == "_mlir_memref_to_llvm_alloc") // fresh memory, like malloc
      f.addRetAttr(llvm::Attribute::NoAlias);
    if (f.isDeclaration())
      continue;
    f.addFnAttr("target-cpu", target.cpu);
    f.addFnAttr("target-features", target.features);
    f.addFnAttr(llvm::Attribute::NoUnwind);
  }
  optimize(*llvmModule, *machine);

  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream os(object);
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return Error::at("compile", "this LLVM target emits no objects");
  codegen.run(*llvmModule);
  return std::string(object.begin(), object.end());
}

//===----------------------------------------------------------------------===//
// Cache
//===----------------------------------------------------------------------===//

std::string ObjectCache::key(const std::string &text, const PipelineOptions &options,
                             const HostTarget &target) {
  std::string all = text + '\0' + (options.reference ? "reference" : "fast") + '\0' +
                    target.triple + '\0' + target.cpu + '\0' + target.features + '\0' +
                    LLVM_VERSION_STRING + '\0' + buildIdentity();
  XXH128_hash_t hash = XXH3_128bits(all.data(), all.size());
  char name[40];
  std::snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return name;
}

// File: object bytes, then their XXH3-64 as 8 bytes.
std::string ObjectCache::load(const std::string &key) const {
  if (directory.empty())
    return {};
  Result<std::string> file = readFile(directory + "/" + key + ".o");
  if (!file || file->size() <= 8)
    return {};
  uint64_t stored;
  std::memcpy(&stored, file->data() + file->size() - 8, 8);
  file->resize(file->size() - 8);
  return XXH3_64bits(file->data(), file->size()) == stored ? std::move(*file) : std::string();
}

void ObjectCache::store(const std::string &key, const std::string &object) const {
  if (directory.empty())
    return;
  ::mkdir(directory.substr(0, directory.rfind('/')).c_str(), 0700);
  ::mkdir(directory.c_str(), 0700); // code that will run: the user's alone
  std::string file = object;
  uint64_t hash = XXH3_64bits(object.data(), object.size());
  file.append(reinterpret_cast<const char *>(&hash), 8);
  // A cache that cannot be written is a slow one, not an error.
  (void)bool(writeFileAtomically(directory + "/" + key + ".o", file));
}

} // namespace fingpt
