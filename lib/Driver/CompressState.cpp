#include "CompressState.h"

#include "fingpt/Support/AtomicDirectory.h"
#include "fingpt/Support/MappedFile.h"

#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

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

static std::string hashOf(std::string_view bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

/// Of a file; null if it cannot be read.
static Json fileHash(const std::string &path) {
  Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  return file ? Json(hashOf((*file)->view())) : Json();
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
    if (!state && !force)
      return Error(state.error().message() + "; --force starts anew");
    bool readable = state && state->is_object() &&
                    state->value("format_version", Json(1)) == Json(FormatVersion);
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
    fs::remove(file, ec); // first: without it nothing else counts
    for (const fs::directory_entry &entry : fs::directory_iterator(s->directory, ec))
      if (entry.path().filename() != "lock")
        fs::remove(entry.path(), ec);
    s->state = Json{{"format_version", FormatVersion}, {"fingerprint", fingerprint}};
    if (Status written = writeFileAtomically(file, s->state.dump(1) + "\n"); !written)
      return written.takeError();
  }
  while (s->isWhole(s->done))
    ++s->done;
  s->damaged = fs::exists(s->recordFile(s->done), ec);
  s->forgetFrom(s->done);
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

std::string CompressState::recordFile(size_t i) const {
  std::string name = tensorFile(i);
  return name.replace(name.rfind('.'), std::string::npos, ".json");
}

bool CompressState::isWhole(size_t i) const {
  Result<Json> record = readJsonFile(recordFile(i));
  return record && record->is_object() && record->contains("value") &&
         record->value("hash", Json()) == hashOf(record->at("value").dump()) &&
         record->value("tensors", Json(false)) == fileHash(tensorFile(i));
}

Result<Json> CompressState::segment(size_t i) const {
  Result<Json> record = readJsonFile(recordFile(i));
  if (!record)
    return record.takeError();
  return std::move(record->at("value"));
}

Status CompressState::finishSegment(const Json &value) {
  Json record = {
      {"hash", hashOf(value.dump())}, {"tensors", fileHash(tensorFile(done))}, {"value", value}};
  Status s = writeFileAtomically(recordFile(done), record.dump() + "\n");
  if (s)
    ++done;
  return s;
}

void CompressState::forgetFrom(size_t first) {
  std::error_code ec;
  size_t end = first;
  while (fs::exists(recordFile(end), ec) || fs::exists(tensorFile(end), ec))
    ++end;
  for (; end > first; --end) {
    fs::remove(recordFile(end - 1), ec);
    fs::remove(tensorFile(end - 1), ec);
  }
}

void CompressState::restart() {
  forgetFrom(0);
  done = 0;
}

bool CompressState::hasFile(const std::string &name) const {
  const Json &hash = get("file " + name);
  return !hash.is_null() && hash == fileHash(file(name));
}

Status CompressState::keepFile(const std::string &name) {
  return put("file " + name, fileHash(file(name)));
}

void CompressState::remove() {
  std::error_code ec;
  fs::remove(directory + "/state.json", ec); // first: what is left then is of no run
  fs::remove_all(directory, ec);
}

} // namespace fingpt
