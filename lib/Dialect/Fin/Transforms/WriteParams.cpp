#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Params/SafetensorsWriter.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Path.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINWRITEPARAMS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

namespace {
struct WriteParams final : fingpt::fin::impl::FinWriteParamsBase<WriteParams> {
  using FinWriteParamsBase::FinWriteParamsBase;
  void runOnOperation() override;
};
} // namespace

static Status write(ModuleOp module, const std::string &file, const ParamStore &params) {
  llvm::MapVector<StringRef, const ParamInfo *> keys;
  std::string missing;
  module.walk([&](ParamOp op) {
    const ParamInfo *info = params.find(op.getKey());
    if (!info)
      missing = op.getKey().str();
    keys[op.getKey()] = info;
  });
  if (!missing.empty())
    return Error::at("parameter " + quote(missing), "is not in the model's files");
  SafetensorsWriter writer(file);
  for (auto &[key, info] : keys)
    if (Status s = writer.declare(key.str(), info->dtype, info->shape); !s)
      return s;
  if (Status s = writer.begin(); !s)
    return s;
  for (const std::string &key : writer.order()) {
    Result<TensorData> data = params.get(key);
    if (!data)
      return data.takeError();
    if (Status s = writer.write(key, data->data, data->bytes); !s)
      return s;
    params.release(key);
  }
  return writer.finish();
}

void WriteParams::runOnOperation() {
  ModuleOp module = getOperation();
  auto failed = [&](const Error &e) {
    emitError(module.getLoc(), e.message());
    signalPassFailure();
  };
  if (file.empty())
    return failed(Error::at("file", "missing", "a path", "none"));
  Result<std::shared_ptr<ParamStore>> params = modelParams(module);
  if (!params)
    return failed(params.error());
  if (Status s = write(module, file, **params); !s)
    return failed(s.error());
  module->setAttr("fin.params",
                  Builder(&getContext()).getStringAttr(llvm::sys::path::filename(StringRef(file))));
}
