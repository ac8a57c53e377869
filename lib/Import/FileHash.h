#ifndef FINGPT_LIB_IMPORT_FILEHASH_H
#define FINGPT_LIB_IMPORT_FILEHASH_H

#include "fingpt/Support/MappedFile.h"
#include "fingpt/Support/Result.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <xxhash.h>

namespace fingpt {

/// XXH3-64 of a file's bytes, 16 hexadecimal digits. Pages are dropped behind.
inline Result<std::string> hashFile(const std::string &path) {
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  constexpr size_t kStep = 64u << 20;
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                 XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (size_t at = 0; at < (*file)->size(); at += kStep) {
    size_t n = std::min(kStep, (*file)->size() - at);
    XXH3_64bits_update(state.get(), (*file)->data() + at, n);
    (*file)->dropPages(at, n);
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(XXH3_64bits_digest(state.get())));
  return std::string(text);
}

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_FILEHASH_H
