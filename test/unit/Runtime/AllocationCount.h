// Counts requests to the heap, from any thread, in code linked into this
// binary.
#ifndef FINGPT_TEST_RUNTIME_ALLOCATIONCOUNT_H
#define FINGPT_TEST_RUNTIME_ALLOCATIONCOUNT_H

#include <cstddef>

size_t allocationCount();

#endif // FINGPT_TEST_RUNTIME_ALLOCATIONCOUNT_H
