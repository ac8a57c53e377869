// Philox4x32-10 (Salmon et al., SC'11) and Box-Muller. Logarithm, sine and
// cosine are our own polynomials: those of libm differ between systems. Built
// with -ffp-contract=off for the same reason.
#include "RandomNormal.h"

#include <cmath>
#include <cstddef>
#include <cstring>

namespace fingpt {

static uint64_t mix(uint64_t z) { // splitmix64's finalizer
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

uint64_t randomKey(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ull; // FNV-1a
  for (char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix(mix(seed + 0x9e3779b97f4a7c15ull) + hash);
}

static void philox(uint64_t key, uint64_t counter, uint32_t out[4]) {
  uint32_t c0 = static_cast<uint32_t>(counter & 0xffffffff);
  uint32_t c1 = static_cast<uint32_t>(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = static_cast<uint32_t>(key & 0xffffffff);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = 0xD2511F53ull * c0, b = 0xCD9E8D57ull * c2;
    uint32_t n0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
    uint32_t n2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(b & 0xffffffff);
    c3 = static_cast<uint32_t>(a & 0xffffffff);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/// Natural logarithm of u in (0, 1], to about 1e-13 relative.
static double logarithm(double u) {
  uint64_t bits;
  std::memcpy(&bits, &u, 8);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull; // [1, 2)
  double m;
  std::memcpy(&m, &bits, 8);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  double s = (m - 1) / (m + 1), z = s * s; // |s| ≤ 0.1716: ln m = 2 artanh s
  double p = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  p = p * z + 1.0;
  return exponent * 0.69314718055994530942 + 2 * s * p;
}

/// Sine and cosine of 2π·k/2³².
static void sineCosine(uint32_t k, double &sine, double &cosine) {
  // The nearest multiple of a quarter turn, and the rest in [−1/8, 1/8) turn.
  uint32_t shifted = k + 0x20000000u, quarter = shifted >> 30;
  double x = (static_cast<double>(shifted & 0x3fffffffu) - 536870912.0) *
             (6.283185307179586477 / 4294967296.0);
  double z = x * x;
  double s = 1.0 / 6227020800.0; // 13!
  s = s * z - 1.0 / 39916800;    // 11!
  s = s * z + 1.0 / 362880;
  s = s * z - 1.0 / 5040;
  s = s * z + 1.0 / 120;
  s = s * z - 1.0 / 6;
  s = (s * z + 1.0) * x;
  double c = -1.0 / 87178291200.0; // 14!
  c = c * z + 1.0 / 479001600;
  c = c * z - 1.0 / 3628800;
  c = c * z + 1.0 / 40320;
  c = c * z - 1.0 / 720;
  c = c * z + 1.0 / 24;
  c = c * z - 1.0 / 2;
  c = c * z + 1.0;
  bool swap = quarter & 1;
  double a = swap ? c : s, b = swap ? s : c;
  sine = quarter >= 2 ? -a : a;
  cosine = quarter == 1 || quarter == 2 ? -b : b;
}

void randomNormal4(uint64_t key, uint64_t block, double out[4]) {
  uint32_t r[4];
  philox(key, block, r);
  for (size_t i = 0; i < 4; i += 2) {
    double u = (static_cast<double>(r[i]) + 1.0) * 0x1p-32; // (0, 1]
    double radius = std::sqrt(-2 * logarithm(u)), sine, cosine;
    sineCosine(r[i + 1], sine, cosine);
    out[i] = radius * cosine;
    out[i + 1] = radius * sine;
  }
}

} // namespace fingpt
