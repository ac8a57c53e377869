#include "AllocationCount.h"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<size_t> count{0};

size_t allocationCount() { return count.load(); }

// The linker sends the C functions here (--wrap, which prescribes the names); operator new, which
// the shared C++ library would call past the wrapper, is replaced.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wreserved-identifier"
#endif
extern "C" {
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__real_aligned_alloc(size_t, size_t);
int __real_posix_memalign(void **, size_t, size_t);

void *__wrap_malloc(size_t size) {
  ++count;
  return __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
  ++count;
  return __real_calloc(n, size);
}
void *__wrap_realloc(void *data, size_t size) {
  ++count;
  return __real_realloc(data, size);
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  ++count;
  return __real_aligned_alloc(alignment, size);
}
int __wrap_posix_memalign(void **data, size_t alignment, size_t size) {
  ++count;
  return __real_posix_memalign(data, alignment, size);
}
}

// ThreadSanitizer brings its own and lets nobody replace it.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FINGPT_KEEP_OPERATOR_NEW
#endif
#endif
#ifndef FINGPT_KEEP_OPERATOR_NEW
void *operator new(size_t size) {
  ++count;
  if (void *data = __real_malloc(size ? size : 1))
    return data;
  throw std::bad_alloc();
}
void *operator new[](size_t size) { return operator new(size); }
void operator delete(void *data) noexcept { std::free(data); }
void operator delete[](void *data) noexcept { std::free(data); }
void operator delete(void *data, size_t) noexcept { std::free(data); }
void operator delete[](void *data, size_t) noexcept { std::free(data); }
#endif
