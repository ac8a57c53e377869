#include "fingpt/Compress/HQQ.h"

#include "GroupCodec.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"

#include <cmath>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// One group: improves `params` in place, and leaves its codes and Σ|ŵ − w|.
class GroupSolver {
public:
  GroupSolver(const GroupCodec &codec, const HqqOptions &options, bool halfMins)
      : codec(codec), options(options), halfMins(halfMins) {}

  /// Returns Σ|ŵ − w| of rounding and of the result.
  std::pair<double, double> solve(const float *w, int64_t n, GroupParams &params, uint8_t *codes) {
    decoded.resize(static_cast<size_t>(n));
    GroupParams trial = params;
    double least = measure(w, n, params, codes), first = least, beta = options.beta;
    for (int k = 0; k < options.iterations; ++k, beta *= options.kappa) {
      double zero = nextZero(w, n, trial.scale, codes, beta);
      trial.min = stored(static_cast<float>(-zero * trial.scale));
      double error = measure(w, n, trial, codes);
      if (!(error < least))
        break;
      least = error;
      params = trial;
    }
    codec.encode(w, n, params, codes);
    return {first, least};
  }

private:
  float stored(float min) const {
    return halfMins ? f16ToFloat(floatToF16(std::fmin(std::fmax(min, -65504.0f), 65504.0f))) : min;
  }
  double measure(const float *w, int64_t n, const GroupParams &p, uint8_t *codes) {
    codec.encode(w, n, p, codes);
    codec.decode(codes, n, p, decoded.data());
    double sum = 0;
    for (int64_t j = 0; j < n; ++j)
      sum += std::fabs(static_cast<double>(w[j]) - decoded[static_cast<size_t>(j)]);
    return sum;
  }
  double nextZero(const float *w, int64_t n, double scale, const uint8_t *codes, double beta) {
    // |d| − |d|^(p−1)/β is positive only beyond this; at d = 0 the power is infinite.
    double threshold = std::pow(beta, -1 / (2 - options.p)), sum = 0;
    for (int64_t j = 0; j < n; ++j) {
      double d = static_cast<double>(w[j]) - decoded[static_cast<size_t>(j)], e = 0;
      if (double a = std::fabs(d); a > threshold)
        e = std::copysign(std::fmax(a - std::pow(a, options.p - 1) / beta, 0.0), d);
      sum += codes[j] - (w[j] - e) / scale;
    }
    return sum / static_cast<double>(n);
  }

  const GroupCodec &codec;
  const HqqOptions &options;
  bool halfMins;
  std::vector<float> decoded;
};

} // namespace

Result<HqqResult> compress::hqq(ConstMatrixF w, const QuantScheme &scheme,
                                const HqqOptions &options) {
  if (scheme.isLookup() || scheme.offset != Offset::Mins)
    return Error::at("HQQ", "scheme", "integers with mins (wBgN-min)", schemeText(scheme));
  auto rounded = quantize(w, scheme); // also finds the scales, their type, and bad values
  if (!rounded)
    return rounded.takeError();
  QuantizedWeight &q = *rounded;
  GroupCodec codec(scheme, q.scaleType == DType::F16 ? 1.0f : 1e30f);
  std::vector<double> before(static_cast<size_t>(q.rows)), after(static_cast<size_t>(q.rows));
  ThreadPool::global().parallelFor(static_cast<size_t>(q.rows), [&](size_t begin, size_t end) {
    GroupSolver solver(codec, options, q.scaleType == DType::F16);
    std::vector<uint8_t> codes(static_cast<size_t>(q.cols));
    for (size_t i = begin; i < end; ++i) {
      auto row = static_cast<int64_t>(i);
      for (int64_t g = 0, first = 0; g < q.groups; ++g, first += q.groupSize) {
        int64_t n = std::min(q.groupSize, q.cols - first);
        GroupParams p = storedParams(q, row, g);
        auto [start, best] = solver.solve(w.row(row) + first, n, p, codes.data() + first);
        before[i] += start;
        after[i] += best;
        codec.store(q, row, g, p);
      }
      codec.storeRow(q, row, codes.data());
    }
  });
  HqqResult result;
  double count = std::fmax(static_cast<double>(q.rows * q.cols), 1);
  for (size_t i = 0; i < before.size(); ++i) {
    result.roundingMeanError += before[i] / count;
    result.meanError += after[i] / count;
  }
  result.weight = std::move(q);
  return result;
}
