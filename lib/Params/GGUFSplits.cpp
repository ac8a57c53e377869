// A model in several GGUF files: NAME-00001-of-0000N.gguf and so on, as gguf-split
// writes them. The first holds the metadata; each says its number and their count.
#include "fingpt/Params/GGUFFile.h"

#include <cstdio>

namespace fingpt {

static Status checkSplits(const GGUFSplits &files) {
  auto count = static_cast<int64_t>(files.size());
  size_t tensors = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    for (auto [key, wanted] :
         {std::pair("split.no", static_cast<int64_t>(i)), std::pair("split.count", count)}) {
      Result<int64_t> value = files[i]->integer(key);
      if (!value)
        return value.takeError();
      if (*value != wanted)
        return Error::at(escaped(files[i]->path(), 1000) + ":" + key, "wrong split",
                         std::to_string(wanted), std::to_string(*value));
    }
    tensors += files[i]->tensors().size();
  }
  Result<int64_t> total = files[0]->integer("split.tensors.count");
  if (!total)
    return total.takeError();
  if (static_cast<uint64_t>(*total) != tensors)
    return Error::at(escaped(files[0]->path(), 1000) + ":split.tensors.count",
                     "tensors in all splits", std::to_string(*total), std::to_string(tensors));
  return Status::ok();
}

Result<GGUFSplits> openSplits(std::shared_ptr<const GGUFFile> file) {
  GGUFSplits files{std::move(file)};
  const std::string &first = files[0]->path();
  Result<int64_t> count = files[0]->integer("split.count", 1);
  if (!count)
    return count.takeError();
  if (*count <= 1 || !files[0]->mapping())
    return files;
  std::string where = escaped(first, 1000) + ":split.count";
  if (*count > 99999)
    return Error::at(where, "splits", "at most 99999", std::to_string(*count));
  auto suffix = [&](int64_t number) {
    char text[40];
    std::snprintf(text, sizeof text, "-%05d-of-%05d.gguf", static_cast<int>(number),
                  static_cast<int>(*count));
    return std::string(text);
  };
  std::string end = suffix(1);
  if (first.size() < end.size() || first.compare(first.size() - end.size(), end.size(), end) != 0)
    return Error::at(where, "name of the first split", "an end of " + quote(end), quote(first));
  std::string stem = first.substr(0, first.size() - end.size());
  for (int64_t number = 2; number <= *count; ++number) {
    auto next = GGUFFile::open(stem + suffix(number));
    if (!next)
      return next.takeError();
    files.push_back(std::move(*next));
  }
  if (Status s = checkSplits(files); !s)
    return s.takeError();
  return files;
}

} // namespace fingpt
