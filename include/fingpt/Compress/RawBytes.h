// Bytes that are not zeroed before they are written.
//
//   RawBytes codes(rows * rowBytes);      // undefined; every thread writes its rows
//
// A weight's codes are a quarter of the bytes that it is read from. Zeroing them on one thread, and
// having the system clear the pages before that, would take longer than rounding does. So large
// ones are not touched, lie in huge pages, and the last one that was freed serves the next weight.
#ifndef FINGPT_COMPRESS_RAWBYTES_H
#define FINGPT_COMPRESS_RAWBYTES_H

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace fingpt::compress {

/// Throws std::bad_alloc.
void *takeRawBytes(size_t bytes);
void giveRawBytes(void *data, size_t bytes);

template <typename T> struct RawAllocator {
  using value_type = T;
  RawAllocator() = default;
  template <typename U> RawAllocator(const RawAllocator<U> &) {}

  T *allocate(size_t n) { return static_cast<T *>(takeRawBytes(n * sizeof(T))); }
  void deallocate(T *data, size_t n) { giveRawBytes(data, n * sizeof(T)); }
  template <typename U> void construct(U *at) { ::new (static_cast<void *>(at)) U; }
  template <typename U, typename... Args> void construct(U *at, Args &&...args) {
    ::new (static_cast<void *>(at)) U(std::forward<Args>(args)...);
  }
  friend bool operator==(const RawAllocator &, const RawAllocator &) { return true; }
  friend bool operator!=(const RawAllocator &, const RawAllocator &) { return false; }
};

using RawBytes = std::vector<uint8_t, RawAllocator<uint8_t>>;

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_RAWBYTES_H
