#include "JITEntry.h"

#include <array>
#include <utility>

namespace fingpt {

using Pointers = std::array<void *, kMaxArguments>;

template <size_t> using Pointer = void *;
template <size_t... I>
static void callOf(void *address, void *table, Pointers &a, std::index_sequence<I...>) {
  reinterpret_cast<void (*)(void *, Pointer<I>...)>(address)(table, a[I]...);
}
template <size_t... N>
static void callCounted(void *address, void *table, Pointers &a, size_t count,
                        std::index_sequence<N...>) {
  ((count == N ? callOf(address, table, a, std::make_index_sequence<N>()) : void()), ...);
}

void callPacked(void *address, const void *const *table, std::vector<Descriptor> &args) {
  Pointers a{};
  for (size_t i = 0; i < args.size(); ++i)
    a[i] = &args[i];
  void *t = static_cast<void *>(const_cast<const void **>(table));
  callCounted(address, t, a, args.size(), std::make_index_sequence<kMaxArguments + 1>());
}

} // namespace fingpt
