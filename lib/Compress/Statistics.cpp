#include "fingpt/Compress/Statistics.h"

#include "fingpt/Params/SafetensorsFile.h"

#include <cmath>

namespace fingpt::compress {

Result<Statistics> Statistics::open(const std::string &file) {
  auto opened = SafetensorsFile::open(file);
  if (!opened)
    return opened.takeError();
  const auto &metadata = (*opened)->metadata();
  auto found = metadata.find("fingpt.inputs");
  std::string where = escaped(file, 1000);
  if (found == metadata.end())
    return Error::at(where, "holds no statistics", "a file written by fingpt calibrate",
                     "a safetensors file without \"fingpt.inputs\"");
  Result<Json> inputs = parseJson(found->second);
  if (!inputs)
    return inputs.error().in(where + ":fingpt.inputs");
  if (!inputs->is_object())
    return Error::at(where + ":fingpt.inputs", "wrong type", "an object", describe(*inputs));
  Statistics s;
  s.file = file;
  for (const auto &[weight, key] : inputs->items()) {
    if (!key.is_string())
      return Error::at(where + ":fingpt.inputs", "wrong type", "strings", describe(key));
    s.inputs[weight] = key.get<std::string>();
  }
  if (auto origin = metadata.find("fingpt.provenance"); origin != metadata.end()) {
    Result<Json> parsed = parseJson(origin->second);
    if (!parsed)
      return parsed.error().in(where + ":fingpt.provenance");
    s.origin = std::move(*parsed);
  }
  s.params = std::make_shared<ParamStore>();
  if (Status added = s.params->add(std::move(*opened)); !added)
    return added.takeError();
  return s;
}

const std::string *Statistics::inputOf(const std::string &weight) const {
  auto it = inputs.find(weight);
  return it == inputs.end() ? nullptr : &it->second;
}

/// A tensor of the file, of the expected type and, unless -1, length.
static Result<TensorData> field(const ParamStore &params, const std::string &file,
                                const std::string &name, DType type, int64_t length) {
  const ParamInfo *info = params.find(name);
  std::string where = escaped(file, 1000) + ":" + quote(name);
  if (!info)
    return Error::at(where, "missing");
  if (info->dtype != type || info->shape.size() != 1 || (length >= 0 && info->shape[0] != length))
    return Error::at(where, "wrong type or shape",
                     std::string(dtypeName(type)) + " [" +
                         (length >= 0 ? std::to_string(length) : std::string("n")) + "]",
                     std::string(dtypeName(info->dtype)) + " " + shapeText(info->shape));
  return params.get(name);
}

Result<Gram> Statistics::gram(const std::string &weight) const {
  const std::string *key = inputOf(weight);
  if (!key)
    return Error::at(escaped(file, 1000),
                     "has no statistics of " + quote(weight) + " (calibrated for another model?)");
  const ParamInfo *sums = params->find(*key + ".sum_abs");
  int64_t n = sums && sums->shape.size() == 1 ? sums->shape[0] : -1;
  if (n < 0 || n > (int64_t(1) << 24))
    return Error::at(escaped(file, 1000) + ":" + quote(*key + ".sum_abs"), "missing or no vector");
  auto sumAbs = field(*params, file, *key + ".sum_abs", DType::F64, n);
  auto maxAbs = field(*params, file, *key + ".max_abs", DType::F32, n);
  auto samples = field(*params, file, *key + ".samples", DType::I64, 1);
  auto triangle = field(*params, file, *key + ".gram", DType::F64, n * (n + 1) / 2);
  for (auto *part : {&sumAbs, &maxAbs, &samples, &triangle})
    if (!*part)
      return part->takeError();
  Gram gram;
  gram.h = Matrix<double>(n, n);
  const auto *from = triangle->as<double>();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i; j < n; ++j) {
      gram.h(i, j) = *from++;
      if (!std::isfinite(gram.h(i, j)))
        return Error::at(escaped(file, 1000) + ":" + quote(*key + ".gram"), "not finite");
    }
  gram.sumAbs.assign(sumAbs->as<double>(), sumAbs->as<double>() + n);
  gram.maxAbs.assign(maxAbs->as<float>(), maxAbs->as<float>() + n);
  gram.samples = *samples->as<int64_t>();
  params->release(*key + ".gram");
  return gram;
}

Status StatisticsWriter::declare(const std::string &key, int64_t columns,
                                 const std::vector<std::string> &weights) {
  for (auto [leaf, type, length] :
       {std::tuple{".gram", DType::F64, columns * (columns + 1) / 2},
        std::tuple{".sum_abs", DType::F64, columns}, std::tuple{".max_abs", DType::F32, columns},
        std::tuple{".samples", DType::I64, int64_t(1)}})
    if (Status s = writer.declare(key + leaf, type, {length}); !s)
      return s;
  for (const std::string &weight : weights)
    inputs[weight] = key;
  return Status::ok();
}

Status StatisticsWriter::begin(const Json &provenance) {
  writer.metadata("fingpt.inputs", inputs.dump());
  writer.metadata("fingpt.provenance", provenance.dump());
  return writer.begin();
}

Status StatisticsWriter::write(const std::string &key, const Gram &gram) {
  int64_t n = gram.columns();
  std::vector<double> triangle;
  triangle.reserve(size_t(n * (n + 1) / 2));
  for (int64_t i = 0; i < n; ++i)
    triangle.insert(triangle.end(), gram.h.row(i) + i, gram.h.row(i) + n);
  Status s = writer.write(key + ".gram", triangle.data(), triangle.size() * sizeof(double));
  if (s)
    s = writer.write(key + ".sum_abs", gram.sumAbs.data(), gram.sumAbs.size() * sizeof(double));
  if (s)
    s = writer.write(key + ".max_abs", gram.maxAbs.data(), gram.maxAbs.size() * sizeof(float));
  if (s)
    s = writer.write(key + ".samples", &gram.samples, sizeof gram.samples);
  return s;
}

} // namespace fingpt::compress
