#include "fingpt/Dialect/Fin/Utils/ModelParams.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"

#include "mlir/IR/DialectInterface.h"

using namespace mlir;

namespace fingpt::fin {

namespace {

/// What the dialect of a context carries. Interfaces are handed out as const; passes that
/// use it run on the module, one at a time.
struct ParamsInterface : DialectInterface::Base<ParamsInterface> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ParamsInterface)
  ParamsInterface(Dialect *dialect, ParamLoader loader)
      : Base(dialect), loader(std::move(loader)) {}
  ParamLoader loader;
  mutable std::shared_ptr<ParamStore> params;
};

/// Gives every context that loads the dialect its loader.
class LoaderExtension : public DialectExtension<LoaderExtension, FinDialect> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LoaderExtension)
  explicit LoaderExtension(ParamLoader loader) : loader(std::move(loader)) {}
  void apply(MLIRContext *, FinDialect *dialect) const final {
    dialect->addInterface(std::make_unique<ParamsInterface>(dialect, loader));
  }

private:
  ParamLoader loader;
};

} // namespace

void registerParamLoader(DialectRegistry &registry, ParamLoader loader) {
  registry.addExtension(TypeID::get<LoaderExtension>(),
                        std::make_unique<LoaderExtension>(std::move(loader)));
}

static const ParamsInterface *interfaceOf(MLIRContext &context) {
  Dialect *dialect = context.getLoadedDialect<FinDialect>();
  return dialect ? dialect->getRegisteredInterface<ParamsInterface>() : nullptr;
}

void setModelParams(MLIRContext &context, std::shared_ptr<ParamStore> params) {
  if (!interfaceOf(context)) {
    auto *dialect = context.getOrLoadDialect<FinDialect>();
    dialect->addInterface(std::make_unique<ParamsInterface>(dialect, nullptr));
  }
  interfaceOf(context)->params = std::move(params);
}

Result<std::shared_ptr<ParamStore>> modelParams(ModuleOp module) {
  const ParamsInterface *found = interfaceOf(*module.getContext());
  if (!found || (!found->params && !found->loader))
    return Error::at("parameters", "this graph has none (no fin.params attribute was read)");
  if (!found->params) {
    Result<std::shared_ptr<ParamStore>> loaded = found->loader(module);
    if (!loaded)
      return loaded.takeError();
    found->params = std::move(*loaded);
  }
  return found->params;
}

} // namespace fingpt::fin
