// Counter-based normal random numbers: element i depends on (key, i) alone, so
// any part of a tensor can be made anywhere, in any order, with the same bits.
#ifndef FINGPT_LIB_PARAMS_RANDOMNORMAL_H
#define FINGPT_LIB_PARAMS_RANDOMNORMAL_H

#include <cstdint>
#include <string_view>

namespace fingpt {

/// Key of the tensor `name` under `seed`.
uint64_t randomKey(uint64_t seed, std::string_view name);

/// Four independent standard normal values: elements 4·block … 4·block+3.
void randomNormal4(uint64_t key, uint64_t block, double out[4]);

} // namespace fingpt

#endif // FINGPT_LIB_PARAMS_RANDOMNORMAL_H
