#include "fingpt/Compress/CompressedWeight.h"

#include "fingpt/Compress/AWQ.h"
#include "fingpt/Compress/GPTQ.h"
#include "fingpt/Compress/HQQ.h"
#include "fingpt/Compress/Refine.h"
#include "fingpt/Compress/Residual.h"
#include "fingpt/Support/Float.h"

#include <cmath>
#include <cstdio>

namespace fingpt::compress {

//===----------------------------------------------------------------------===//
// The result
//===----------------------------------------------------------------------===//

static int64_t bytesOf(const WeightTerm &term) {
  if (const auto *q = std::get_if<QuantizedWeight>(&term))
    return q->storedBytes();
  if (const auto *pair = std::get_if<QuantizedLowRank>(&term))
    return pair->storedBytes();
  const auto &pair = std::get<LowRankTerm>(term);
  return 2 * (pair.b.rows() * pair.b.cols() + pair.a.rows() * pair.a.cols());
}

int64_t CompressedWeight::storedBytes() const {
  int64_t bytes = 2 * static_cast<int64_t>(inputScales.size());
  for (const WeightTerm &term : terms)
    bytes += bytesOf(term);
  return bytes;
}

/// out += b·a, rank by rank in f32.
static void addProduct(ConstMatrixF b, ConstMatrixF a, MatrixView<float> out) {
  Matrix<float> product(out.rows, out.cols);
  gemm(1.0f, b, Transpose::No, a, Transpose::No, 0.0f, product.view());
  for (int64_t i = 0; i < out.rows; ++i)
    for (int64_t j = 0; j < out.cols; ++j)
      out(i, j) += product(i, j);
}

Matrix<float> CompressedWeight::dense() const {
  Matrix<float> sum(rows, cols);
  for (const WeightTerm &term : terms) {
    if (const auto *q = std::get_if<QuantizedWeight>(&term)) {
      Matrix<float> part = dequantized(*q);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j)
          sum(i, j) += part(i, j);
    } else if (const auto *pair = std::get_if<QuantizedLowRank>(&term)) {
      addProduct(dequantized(pair->b), dequantized(pair->a), sum.view());
    } else {
      const auto &factors = std::get<LowRankTerm>(term);
      addProduct(factors.b, factors.a, sum.view());
    }
  }
  if (!inputScales.empty())
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j)
        sum(i, j) *= inputScales[static_cast<size_t>(j)];
  return sum;
}

std::string CompressedWeight::form() const {
  if (kept())
    return "kept";
  std::string text;
  for (const WeightTerm &term : terms) {
    if (!text.empty())
      text += " + ";
    if (const auto *q = std::get_if<QuantizedWeight>(&term)) {
      char bits[32];
      std::snprintf(bits, sizeof bits, "%.2f bit", q->bitsPerWeight());
      text += bits;
    } else if (const auto *pair = std::get_if<QuantizedLowRank>(&term)) {
      text += "rank " + std::to_string(pair->a.rows) + " in " + schemeText(pair->a.scheme);
    } else {
      text += "rank " + std::to_string(std::get<LowRankTerm>(term).a.rows());
    }
  }
  return text;
}

//===----------------------------------------------------------------------===//
// The methods
//===----------------------------------------------------------------------===//

Result<Whitener> whitenerOf(const Gram &gram, Truncation truncation) {
  switch (truncation) {
  case Truncation::Svd:
    return Whitener::identity(gram.columns());
  case Truncation::Asvd:
    return Whitener::activationScale(gram.meanAbs());
  case Truncation::SvdLlmV2:
    return Whitener::eigen(gram.h);
  default:
    return Whitener::cholesky(gram.h);
  }
}

namespace {

/// One weight under one scheme.
class Compressor {
public:
  Compressor(const WeightProblem &problem, const WeightScheme &scheme)
      : problem(problem), scheme(scheme) {}
  Result<CompressedWeight> run();
  /// With inputs scaled by s (AWQ); empty: choose alone.
  Result<CompressedWeight> run(const std::vector<float> &sharedScales);

  Result<Whitener> whitener() const;

private:
  Status quantizeWhole(CompressedWeight &out, const std::vector<float> &sharedScales);
  Result<GptqResult> compensated(ConstMatrixF w) const;
  Status awq(CompressedWeight &out, const std::vector<float> &sharedScales);
  bool pairSaves() const;
  Status addResidual(CompressedWeight &out);
  Status factorize(CompressedWeight &out);
  bool addPair(CompressedWeight &out, LowRank factors, std::optional<QuantizedLowRank> coded) const;
  Rounding rounding() const;
  void keepRounding(CompressedWeight &out, QuantizedWeight plain, double error);
  double relative(ConstMatrixF approximation);
  /// `error` as a fraction of the weight's own norm, both under the statistics of its inputs.
  double relative(double error);

  const WeightProblem &problem;
  const WeightScheme &scheme;
  std::optional<double> norm; ///< tr(wHwᵀ), once it was needed
};

} // namespace

double Compressor::relative(double error) {
  if (error == 0)
    return 0;
  if (!norm)
    norm = outputNorm(problem.w, problem.gram->h);
  return error / *norm;
}

double Compressor::relative(ConstMatrixF approximation) {
  if (problem.gram)
    return relative(outputError(approximation, problem.w, problem.gram->h));
  double error = 0, norm = 0;
  for (int64_t i = 0; i < problem.w.rows; ++i)
    for (int64_t j = 0; j < problem.w.cols; ++j) {
      double d = double(approximation(i, j)) - double(problem.w(i, j));
      error += d * d;
      norm += double(problem.w(i, j)) * double(problem.w(i, j));
    }
  return norm > 0 ? error / norm : (error > 0 ? INFINITY : 0);
}

/// `error` is that of `out`: never worse than plain rounding.
void Compressor::keepRounding(CompressedWeight &out, QuantizedWeight plain, double error) {
  out.error = error;
  if (error <= out.roundingError)
    return;
  out.terms.clear();
  out.inputScales.clear();
  out.terms.emplace_back(std::move(plain));
  out.error = out.roundingError;
  out.note = "kept round-to-nearest: the method's output error is larger";
}

Rounding Compressor::rounding() const {
  if (scheme.rounding != Rounding::Default)
    return scheme.rounding;
  return problem.gram ? Rounding::Gptq : Rounding::Nearest;
}

Result<Whitener> Compressor::whitener() const {
  if (!problem.gram) {
    if (needsStatistics(scheme))
      return Error::at(problem.name, "scheme " + weightSchemeText(scheme), "calibration statistics",
                       "none");
    return Whitener::identity(problem.w.cols);
  }
  return whitenerOf(*problem.gram, scheme.truncation);
}

static std::vector<float> f16Values(const std::vector<float> &values) {
  std::vector<float> rounded;
  for (float v : values)
    rounded.push_back(f16ToFloat(floatToF16(v)));
  return rounded;
}

Status Compressor::awq(CompressedWeight &out, const std::vector<float> &sharedScales) {
  std::vector<float> scales = sharedScales;
  if (scales.empty()) {
    auto found = searchAwqScales({problem.w}, *problem.gram, *scheme.codes);
    if (!found)
      return found.takeError();
    scales = found->scales;
  }
  // What is stored is 1/s in f16: round with the s that it stands for.
  std::vector<float> inverse;
  for (float s : scales)
    inverse.push_back(1 / s);
  inverse = f16Values(inverse);
  bool usable = true;
  for (size_t j = 0; j < inverse.size(); ++j) {
    usable &= inverse[j] > 0 && std::isfinite(inverse[j]);
    scales[j] = 1 / inverse[j];
  }
  if (!usable) {
    out.note = "input scales beyond f16: not scaled";
    scales.assign(scales.size(), 1.0f);
    inverse = scales;
  }
  auto scaled = quantizeScaled(problem.w, problem.gram->h, scales, *scheme.codes,
                               /*clip=*/!scheme.codes->doubleQuant);
  if (!scaled)
    return scaled.takeError();
  out.terms.emplace_back(std::move(scaled->weight));
  bool scales1 = true;
  for (float v : inverse)
    scales1 &= v == 1.0f;
  if (!scales1)
    out.inputScales = std::move(inverse);
  return Status::ok();
}

/// Ranges searched, columns in the order of their weight, then codes and scales refined.
Result<GptqResult> Compressor::compensated(ConstMatrixF w) const {
  GptqOptions options;
  options.actOrder = true;
  if (problem.quick)
    return gptq(w, problem.gram->h, *scheme.codes, options);
  QuantScheme searched = *scheme.codes;
  searched.searchClip |= !searched.doubleQuant && !searched.isLookup();
  auto r = gptq(w, problem.gram->h, searched, options);
  if (!r)
    return r;
  // The first passes gain nearly all.
  RefineOptions few;
  few.passes = 4;
  few.tolerance = 5e-3;
  few.startError = r->error;
  auto refined = refine(w, problem.gram->h, r->weight, few);
  if (!refined)
    return refined.takeError();
  r->weight = std::move(refined->weight);
  r->weight.scheme = *scheme.codes;
  r->error = refined->error;
  if (r->keptRounding) // where refinement began, no more
    r->note.clear();
  return r;
}

Status Compressor::quantizeWhole(CompressedWeight &out, const std::vector<float> &sharedScales) {
  auto plain = quantize(problem.w, *scheme.codes);
  if (!plain)
    return plain.takeError();
  out.roundingError = relative(dequantized(*plain));
  if (scheme.alternate && pairSaves()) { // rounds by itself
    out.terms.emplace_back(std::move(*plain));
    return Status::ok();
  }
  switch (rounding()) {
  case Rounding::Gptq: {
    if (!problem.gram)
      return Error::at(problem.name, "gptq", "calibration statistics", "none");
    auto r = compensated(problem.w);
    if (!r)
      return r.takeError();
    out.note = r->note;
    out.terms.emplace_back(std::move(r->weight));
    keepRounding(out, std::move(*plain), relative(r->error));
    return Status::ok();
  }
  case Rounding::Awq:
    if (!problem.gram)
      return Error::at(problem.name, "awq", "calibration statistics", "none");
    if (Status s = awq(out, sharedScales); !s)
      return s;
    keepRounding(out, std::move(*plain), relative(out.dense()));
    return Status::ok();
  case Rounding::Hqq: {
    auto r = hqq(problem.w, *scheme.codes);
    if (!r)
      return r.takeError();
    out.terms.emplace_back(std::move(r->weight));
    out.error = relative(out.dense());
    return Status::ok();
  }
  default:
    out.terms.emplace_back(std::move(*plain));
    out.error = out.roundingError;
    return Status::ok();
  }
}

/// f16 factors hold what they are given to 11 bits; both of a term are brought to one magnitude
/// first. False if they are beyond its range all the same.
bool Compressor::addPair(CompressedWeight &out, LowRank factors,
                         std::optional<QuantizedLowRank> coded) const {
  if (coded) {
    out.terms.emplace_back(std::move(*coded));
    return true;
  }
  balance(factors);
  LowRankTerm term{Matrix<float>(factors.b.view()), Matrix<float>(factors.a.view())};
  bool fits = true;
  for (Matrix<float> *m : {&term.b, &term.a})
    for (int64_t i = 0; i < m->rows(); ++i)
      for (int64_t j = 0; j < m->cols(); ++j) {
        (*m)(i, j) = f16ToFloat(floatToF16((*m)(i, j)));
        fits &= std::isfinite((*m)(i, j));
      }
  if (fits)
    out.terms.emplace_back(std::move(term));
  return fits;
}

/// A pair is used only beside codes with which it stays below the weight in f16.
bool Compressor::pairSaves() const {
  int64_t m = problem.w.rows, n = problem.w.cols;
  return scheme.residualRank > 0 && storedBytes(scheme, m, n, 2 * m * n) < 2 * m * n;
}

Status Compressor::addResidual(CompressedWeight &out) {
  if (!pairSaves()) {
    out.note = "the pair would take more bytes than the weight in f16: left out";
    return Status::ok();
  }
  auto white = whitener();
  if (!white)
    return white.takeError();
  ResidualOptions options;
  options.rank = std::min({scheme.residualRank, problem.w.rows, problem.w.cols});
  options.factorScheme = scheme.factors;
  ConstMatrixD h = problem.gram ? problem.gram->h.view() : ConstMatrixD();
  Result<ResidualWeight> r = Error("");
  if (scheme.alternate) {
    BaseQuantizer quantizer = [&](ConstMatrixF w) -> Result<QuantizedWeight> {
      if (rounding() != Rounding::Gptq)
        return quantize(w, *scheme.codes);
      auto q = compensated(w);
      if (!q)
        return q.takeError();
      return std::move(q->weight);
    };
    r = alternate(problem.w, quantizer, *white, h, options);
  } else {
    r = lowRankResidual(problem.w, std::get<QuantizedWeight>(out.terms.front()), *white, h,
                        options);
  }
  if (!r)
    return r.takeError();
  auto before = std::get<QuantizedWeight>(std::move(out.terms.front()));
  double errorBefore = scheme.alternate ? out.roundingError : out.error;
  out.terms.clear();
  out.terms.emplace_back(std::move(r->base));
  if (r->factors.rank() > 0 && addPair(out, std::move(r->factors), std::move(r->codedPair))) {
    out.error = relative(out.dense());
    if (out.error < errorBefore)
      return Status::ok();
  }
  // Rounding of the factors took what they gave, or there was nothing to give.
  out.terms.clear();
  out.terms.emplace_back(std::move(before));
  out.error = errorBefore;
  out.note = "the pair was no gain";
  return Status::ok();
}

Status Compressor::factorize(CompressedWeight &out) {
  int64_t rank = rankForRatio(problem.w.rows, problem.w.cols, 1 - scheme.removed);
  out.roundingError = 1;
  if (!pairPays(scheme, problem.w.rows, problem.w.cols, problem.storedNow)) {
    out.note = "a low-rank pair saves no bytes";
    return Status::ok();
  }
  auto white = whitener();
  if (!white)
    return white.takeError();
  auto parts = decompose(Matrix<double>(problem.w), *white);
  if (!parts)
    return parts.takeError();
  LowRank factors = parts->factors(rank);
  std::optional<QuantizedLowRank> coded;
  if (scheme.factors) {
    auto q = quantizeFactors(factors, *scheme.factors);
    if (!q)
      return q.takeError();
    coded = std::move(*q);
  }
  if (!addPair(out, std::move(factors), std::move(coded))) {
    out.note = "factors beyond the range of f16";
    return Status::ok();
  }
  out.error = relative(out.dense());
  return Status::ok();
}

static Status checkStatistics(const WeightProblem &problem) {
  if (problem.gram && problem.gram->columns() != problem.w.cols)
    return Error::at(problem.name, "statistics", std::to_string(problem.w.cols) + " inputs",
                     std::to_string(problem.gram->columns()));
  return Status::ok();
}

Result<CompressedWeight> Compressor::run(const std::vector<float> &sharedScales) {
  CompressedWeight out;
  out.rows = problem.w.rows;
  out.cols = problem.w.cols;
  if (Status s = checkStatistics(problem); !s)
    return s.takeError();
  if (scheme.keep())
    return out;
  if (!problem.gram && roundsPlainly(scheme))
    return roundWeight(problem.name, problem.w, scheme);
  Status s = checkFinite(problem.w, problem.name);
  if (s && problem.gram)
    s = checkGram(problem.gram->h, problem.w.cols);
  if (s)
    s = scheme.codes ? quantizeWhole(out, sharedScales) : factorize(out);
  if (s && scheme.residualRank > 0)
    s = addResidual(out);
  if (!s)
    return s.error().message().find(problem.name) == std::string::npos ? s.error().in(problem.name)
                                                                       : s.takeError();
  return out;
}

Result<CompressedWeight> Compressor::run() { return run({}); }

bool needsStatistics(const WeightScheme &scheme) {
  return scheme.rounding == Rounding::Gptq || scheme.rounding == Rounding::Awq ||
         scheme.truncation == Truncation::SvdLlm || scheme.truncation == Truncation::SvdLlmV2 ||
         scheme.truncation == Truncation::Asvd;
}

bool roundsPlainly(const WeightScheme &scheme) {
  bool nearest = scheme.rounding == Rounding::Nearest || scheme.rounding == Rounding::Default;
  return scheme.codes && nearest && scheme.residualRank == 0;
}

Result<CompressedWeight> roundWeight(const std::string &name, const WeightSource &w,
                                     const WeightScheme &scheme) {
  auto q = quantize(w, *scheme.codes);
  if (!q)
    return q.error().in(name);
  CompressedWeight out;
  out.rows = w.rows();
  out.cols = w.cols();
  out.error = out.roundingError = relativeError(w, *q);
  out.terms.emplace_back(std::move(*q));
  return out;
}

Result<Spectrum> spectrumOf(const WeightProblem &problem, const WeightScheme &scheme) {
  Status s = checkStatistics(problem);
  if (s)
    s = checkFinite(problem.w, problem.name);
  if (!s)
    return s.takeError();
  Result<Whitener> white = Compressor(problem, scheme).whitener();
  if (!white)
    return white.error().in(problem.name);
  auto sigma = whitenedSpectrum(Matrix<double>(problem.w), *white);
  if (!sigma)
    return sigma.error().in(problem.name);
  if (problem.gram && problem.gram->samples > 0)
    for (double &s : *sigma)
      s /= std::sqrt(double(problem.gram->samples));
  return Spectrum{problem.w.rows, problem.w.cols, std::move(*sigma), {}};
}

std::vector<WeightScheme> allotRanks(const std::vector<Spectrum> &weights,
                                     const WeightScheme &scheme) {
  std::vector<int64_t> ranks = allocateRanks(weights, 1 - scheme.removed);
  std::vector<WeightScheme> schemes(weights.size(), scheme);
  for (size_t i = 0; i < weights.size(); ++i)
    if (ranks[i] > 0)
      schemes[i].removed = removedForRank(weights[i].rows, weights[i].cols, ranks[i]);
  return schemes;
}

bool pairPays(const WeightScheme &scheme, int64_t rows, int64_t cols, int64_t storedNow) {
  int64_t most = storedNow > 0 ? storedNow : INT64_MAX;
  return rankForRatio(rows, cols, 1 - scheme.removed) > 0 &&
         storedBytes(scheme, rows, cols, most) < most;
}

Result<CompressedWeight> compressWeight(const WeightProblem &problem, const WeightScheme &scheme) {
  return Compressor(problem, scheme).run();
}

Result<std::vector<CompressedWeight>> compressGroup(const std::vector<WeightProblem> &problems,
                                                    const std::vector<WeightScheme> &schemes) {
  std::vector<CompressedWeight> results;
  // One s for the weights that share scheme and input.
  std::vector<float> shared;
  std::optional<WeightScheme> sharedScheme;
  for (size_t i = 0; i < problems.size(); ++i) {
    bool awq = schemes[i].codes && schemes[i].rounding == Rounding::Awq && problems[i].gram;
    if (awq && !(sharedScheme && *sharedScheme == schemes[i])) {
      std::vector<ConstMatrixF> weights;
      for (size_t j = i; j < problems.size(); ++j)
        if (schemes[j] == schemes[i]) {
          if (Status s = checkFinite(problems[j].w, problems[j].name); !s)
            return s.takeError();
          weights.push_back(problems[j].w);
        }
      auto found = searchAwqScales(weights, *problems[i].gram, *schemes[i].codes);
      if (!found)
        return found.error().in(problems[i].name);
      shared = found->scales;
      sharedScheme = schemes[i];
    }
    auto r = Compressor(problems[i], schemes[i]).run(awq ? shared : std::vector<float>());
    if (!r)
      return r.takeError();
    results.push_back(std::move(*r));
  }
  return results;
}

} // namespace fingpt::compress
