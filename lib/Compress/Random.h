// Random numbers that are the same with every standard library (normal ones up to
// the last bits of its log and cos).
#ifndef FINGPT_LIB_COMPRESS_RANDOM_H
#define FINGPT_LIB_COMPRESS_RANDOM_H

#include <cmath>
#include <cstdint>

namespace fingpt::compress {

/// SplitMix64.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Standard normal (Box–Muller).
  double normal() {
    double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

private:
  uint64_t state;
};

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_RANDOM_H
