// Strict reading of JSON that comes from strangers, on nlohmann::json.
//
// Refused, with the byte offset: syntax errors, duplicate keys, nesting deeper
// than 128, numbers that overflow to infinity, invalid UTF-8. Integers that do
// not fit 64 bits are floats. Typed access reports a JSON pointer:
//   error: config.json:/hidden_size: expected a positive integer, got "big"
#ifndef FINGPT_SUPPORT_JSON_H
#define FINGPT_SUPPORT_JSON_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fingpt {

using Json = nlohmann::ordered_json;

/// Parses `text`; errors begin with the byte offset ("0x1f: ...").
Result<Json> parseJson(std::string_view text, unsigned maxDepth = 128);
/// Reads and parses a file; errors begin with "PATH:".
Result<Json> readJsonFile(const std::string &path, size_t limit = 256u << 20);

/// Short text of a value for "got ...": type and the value if small.
std::string describe(const Json &value);

/// Typed, located access to a JSON object: `JsonObject(value, "config.json", "/rope")`.
class JsonObject {
public:
  JsonObject(const Json &value, std::string file, std::string pointer = "")
      : value(&value), file(std::move(file)), pointer(std::move(pointer)) {}
  /// Error unless the value is an object.
  Status expectObject() const;
  bool has(const char *key) const;         ///< present and not null
  const Json *find(const char *key) const; ///< null if absent or null
  const Json &json() const { return *value; }
  /// FILE:POINTER/key, for messages.
  std::string where(std::string_view key = "") const;

  /// Integer in [low, high]; `fallback` if absent. Without fallback: required.
  Result<int64_t> integer(const char *key, int64_t low, int64_t high) const;
  Result<int64_t> integer(const char *key, int64_t low, int64_t high, int64_t fallback) const;
  /// Finite number (integer or float).
  Result<double> number(const char *key) const;
  Result<double> number(const char *key, double fallback) const;
  Result<bool> boolean(const char *key, bool fallback) const;
  Result<std::string> string(const char *key) const;
  Result<std::string> string(const char *key, std::string fallback) const;
  /// Member object, with its own pointer; required.
  Result<JsonObject> object(const char *key) const;

private:
  const Json *value;
  std::string file, pointer;
};

} // namespace fingpt

#endif // FINGPT_SUPPORT_JSON_H
