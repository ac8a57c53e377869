#include "CompressState.h"

#include "fingpt/Support/AtomicDirectory.h"

#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace fingpt {

static Error systemError(const std::string &path, const char *what) {
  return Error::at(escaped(path, 1000), std::string(what) + ": " + std::strerror(errno));
}

/// Where two documents first differ: "recipe/scheme: w4g64 then, w3g64 now".
static std::string difference(const Json &then, const Json &now, const std::string &where) {
  if (then.is_object() && now.is_object()) {
    for (const auto &[key, value] : now.items()) {
      std::string at = where.empty() ? key : where + "/" + key;
      if (!then.contains(key))
        return at + ": absent then, " + describe(value) + " now";
      if (then[key] != value)
        return difference(then[key], value, at);
    }
    for (const auto &[key, value] : then.items())
      if (!now.contains(key))
        return (where.empty() ? key : where + "/" + key) + ": " + describe(value) +
               " then, absent now";
  }
  return where + ": " + then.dump() + " then, " + now.dump() + " now";
}

/// "OUT.partial".
static std::string directoryOf(std::string output) {
  while (output.size() > 1 && output.back() == '/')
    output.pop_back();
  return output + ".partial";
}

/// The first file that no run has put there, empty if there is none.
static std::string foreignFile(const std::string &directory) {
  std::error_code ec;
  for (const fs::directory_entry &entry : fs::directory_iterator(directory, ec)) {
    std::string name = entry.path().filename().string();
    llvm::StringRef stem = llvm::StringRef(name).split(".partial-").first; // of an unfinished write
    if (stem != "lock" && stem != "state.json" && stem != "bases.safetensors" &&
        !stem.starts_with("segment-"))
      return name;
  }
  return "";
}

Status CompressState::takeLock() {
  std::string lockFile = directory + "/lock";
  lock = ::open(lockFile.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0)
    return systemError(lockFile, "cannot create");
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    return Error::at(escaped(directory, 1000), "another process is at work in it");
  return Status::ok();
}

Status CompressState::removeFinished(const std::string &output, const Json &fingerprint) {
  CompressState s;
  s.directory = directoryOf(output);
  std::error_code ec;
  if (!fs::is_directory(s.directory, ec))
    return Status::ok();
  if (Status locked = s.takeLock(); !locked)
    return locked;
  // Removal may have come past the state: it goes in any order.
  if (fs::exists(s.directory + "/state.json", ec)) {
    Result<Json> state = readJsonFile(s.directory + "/state.json");
    if (!state || !state->is_object() || state->value("fingerprint", Json()) != fingerprint)
      return Status::ok();
  }
  s.remove();
  return Status::ok();
}

Result<std::unique_ptr<CompressState>> CompressState::open(const std::string &output,
                                                           const Json &fingerprint, bool force) {
  std::unique_ptr<CompressState> s(new CompressState);
  s->directory = directoryOf(output);
  std::error_code ec;
  fs::create_directories(s->directory, ec);
  if (ec)
    return Error::at(escaped(s->directory, 1000), "cannot create: " + ec.message());
  if (std::string foreign = foreignFile(s->directory); !foreign.empty())
    return Error::at(escaped(s->directory, 1000), "is not used", "an unfinished run",
                     "a directory with " + quote(foreign));
  if (Status locked = s->takeLock(); !locked)
    return locked.takeError();

  std::string file = s->directory + "/state.json";
  if (fs::exists(file, ec)) {
    Result<Json> state = readJsonFile(file);
    if (!state)
      return state.takeError();
    bool readable = state->is_object() && state->value("format_version", 1) == FormatVersion;
    bool same = readable && state->value("fingerprint", Json()) == fingerprint;
    if (same) {
      s->state = std::move(*state);
    } else if (!force && !readable) {
      return Error::at(escaped(s->directory, 1000), "holds an unfinished run of another version of "
                                                    "fingpt; --force starts anew");
    } else if (!force) {
      Json then = state->value("fingerprint", Json::object());
      return Error::at(escaped(s->directory, 1000),
                       "holds an unfinished run of another recipe (" +
                           difference(then, fingerprint, "") +
                           "); --force starts anew, the old recipe goes on with it");
    }
  }
  if (s->state.is_null()) {
    for (const fs::directory_entry &entry : fs::directory_iterator(s->directory, ec))
      if (entry.path().filename() != "lock")
        fs::remove(entry.path(), ec);
    s->state = Json{{"format_version", FormatVersion}, {"fingerprint", fingerprint}};
    if (Status written = writeFileAtomically(file, s->state.dump(1) + "\n"); !written)
      return written.takeError();
  }
  for (;; ++s->done) {
    std::string name = s->tensorFile(s->done);
    name.replace(name.rfind('.'), std::string::npos, ".json");
    if (!fs::exists(name, ec))
      break;
  }
  return s;
}

CompressState::~CompressState() {
  if (lock >= 0)
    ::close(lock);
}

const Json &CompressState::get(const std::string &key) const {
  static const Json none;
  auto it = state.find(key);
  return it == state.end() ? none : *it;
}

CompressState::Limit CompressState::perplexityLimit(double initial) const {
  const Json &kept = get("tightened");
  Json rise = kept.is_object() ? kept.value("limit", Json()) : Json(),
       lowered = kept.is_object() ? kept.value("tries", Json()) : Json();
  if (!rise.is_number() || !lowered.is_number_integer())
    return {initial, 0};
  return {rise.get<double>(), lowered.get<int64_t>()};
}

Status CompressState::lowerPerplexityLimit(const Limit &limit) {
  return put("tightened", {{"limit", limit.logRise}, {"tries", limit.lowered}});
}

Status CompressState::put(const std::string &key, Json value) {
  state[key] = std::move(value);
  return writeFileAtomically(directory + "/state.json", state.dump(1) + "\n");
}

std::string CompressState::tensorFile(size_t i) const {
  char name[40];
  std::snprintf(name, sizeof name, "/segment-%04zu.safetensors", i);
  return directory + name;
}

Result<Json> CompressState::segment(size_t i) const {
  std::string name = tensorFile(i);
  name.replace(name.rfind('.'), std::string::npos, ".json");
  return readJsonFile(name);
}

Status CompressState::finishSegment(const Json &value) {
  std::string name = tensorFile(done);
  name.replace(name.rfind('.'), std::string::npos, ".json");
  Status s = writeFileAtomically(name, value.dump() + "\n");
  if (s)
    ++done;
  return s;
}

void CompressState::restart() {
  std::error_code ec;
  for (; done > 0; --done) {
    std::string name = tensorFile(done - 1);
    fs::remove(std::string(name).replace(name.rfind('.'), std::string::npos, ".json"), ec);
    fs::remove(name, ec);
  }
}

void CompressState::remove() {
  std::error_code ec;
  fs::remove_all(directory, ec);
}

} // namespace fingpt
