#include "JITParameters.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <sys/mman.h>
#include <thread>

using namespace mlir;

namespace fingpt {

/// Anonymous memory for one prepared weight; large ones on huge pages if possible.
static std::shared_ptr<void> allocatePages(uint64_t bytes) {
  size_t size = std::max<uint64_t>(bytes, 64);
  void *p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return nullptr;
  if (size >= (4u << 20))
    ::madvise(p, size, MADV_HUGEPAGE);
  return {p, [size](void *q) { ::munmap(q, size); }};
}

static uint64_t memrefBytes(MemRefType type) {
  return uint64_t(type.getNumElements()) * type.getElementTypeBitWidth() / 8;
}

Status JITParameters::check(ModuleOp graph) const {
  std::optional<Error> problem;
  graph.walk([&](fin::ParamOp op) {
    if (problem)
      return;
    RankedTensorType type = op.getType();
    auto code = dyn_cast<IntegerType>(type.getElementType());
    if (code && !code.isSignless())
      type = fin::packedType(type);
    std::string key = op.getKey().str();
    const ParamInfo *info = store->find(key);
    if (!info) {
      problem = Error::at("parameter " + quote(key), "is not in the model's files");
      return;
    }
    Type element = type.getElementType();
    bool sameType = element.isF64()   ? info->dtype == DType::F64
                    : element.isF32() ? info->dtype == DType::F32
                    : element.isF16() ? info->dtype == DType::F16
                    : element.isBF16()
                        ? info->dtype == DType::BF16
                        : dtypeSize(info->dtype) * 8 == element.getIntOrFloatBitWidth();
    if (!sameType || llvm::ArrayRef<int64_t>(info->shape) != type.getShape()) {
      std::string expected;
      llvm::raw_string_ostream(expected) << type;
      problem = Error::at("parameter " + quote(key), "does not fit the graph", expected,
                          std::string(dtypeName(info->dtype)) + " " + shapeText(info->shape));
    }
  });
  return problem ? Status(*problem) : Status::ok();
}

void JITParameters::readSteps(ModuleOp module) {
  auto list = module->getAttrOfType<ArrayAttr>("fin.prepare");
  if (!list)
    return;
  for (auto step : list.getAsRange<DictionaryAttr>()) {
    Step s;
    s.function = step.getAs<FlatSymbolRefAttr>("function").getValue().str();
    s.key = step.getAs<StringAttr>("key").str();
    for (auto key : step.getAs<ArrayAttr>("params").getAsRange<StringAttr>())
      s.params.push_back(key.str());
    steps.push_back(std::move(s));
  }
}

Result<TensorData> JITParameters::run(const Step &step, const JITEntry &entry) const {
  std::vector<const void *> table;
  std::vector<TensorData> keep;
  for (const std::string &key : step.params) {
    Result<TensorData> data = store->get(key);
    if (!data)
      return data.takeError();
    keep.push_back(*data);
    table.push_back(data->data);
  }
  MemRefType type = entry.arguments.front();
  uint64_t bytes = memrefBytes(type);
  std::shared_ptr<void> buffer = allocatePages(bytes);
  if (!buffer)
    return Error::at("parameter " + quote(step.key), "out of memory",
                     std::to_string(bytes) + " bytes", "none");
  std::vector<Descriptor> arguments{Descriptor(buffer.get(), type.getShape())};
  callPacked(entry.address, table.data(), arguments);
  keep.clear();
  if (!keepStored)
    for (const std::string &key : step.params)
      store->release(key);
  return TensorData{buffer.get(), bytes, buffer};
}

Status JITParameters::prepare(llvm::StringMap<JITEntry> &entries) {
  std::mutex mutex;
  std::optional<Error> problem;
  std::vector<TensorData> results(steps.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < steps.size();) {
      Result<TensorData> weight = run(steps[i], entries[steps[i].function]);
      if (!weight) {
        std::lock_guard<std::mutex> lock(mutex);
        if (!problem)
          problem = weight.takeError();
        return;
      }
      results[i] = std::move(*weight);
    }
  };
  std::vector<std::thread> workers;
  for (unsigned t = 1; t < ThreadPool::global().size(); ++t)
    workers.emplace_back(work);
  work();
  for (std::thread &t : workers)
    t.join();
  if (problem)
    return *problem;
  for (size_t i = 0; i < steps.size(); ++i)
    prepared[steps[i].key] = results[i];
  return Status::ok();
}

Status JITParameters::fillTables(llvm::StringMap<JITEntry> &entries) {
  for (auto &item : entries)
    for (const std::string &key : item.getValue().keys) {
      auto it = prepared.find(key);
      Result<TensorData> data = it != prepared.end() ? it->second : store->get(key);
      if (!data)
        return data.takeError();
      pinned.push_back(*data);
      item.getValue().table.push_back(data->data);
    }
  return Status::ok();
}

uint64_t JITParameters::preparedBytes() const {
  uint64_t bytes = 0;
  for (const auto &item : prepared)
    bytes += item.getValue().bytes;
  return bytes;
}

} // namespace fingpt
