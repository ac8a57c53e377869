// Errors are values: a function that can fail returns Result<T> (or Status).
//
//   Result<Config> readConfig(const std::string &path) {
//     auto json = readJsonFile(path);
//     if (!json) return json.takeError();
//     ...
//     return Error::at(path + ":/hidden_size", "hidden size", "a positive integer", "-3");
//   }
//
// An Error is one line: where, what, expected, found. Foreign text inside it is
// escaped and cut (see `quote`), so a hostile name cannot forge output.
#ifndef FINGPT_SUPPORT_RESULT_H
#define FINGPT_SUPPORT_RESULT_H

#include <cassert>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace fingpt {

/// Escapes control characters and invalid UTF-8 and cuts to `limit` bytes, for
/// foreign text in a message. No quotes are added.
std::string escaped(std::string_view text, size_t limit = 200);
/// `escaped` in double quotes.
std::string quote(std::string_view text, size_t limit = 200);

/// Length of the longest prefix of `text` that is valid UTF-8.
size_t validUtf8Prefix(std::string_view text);

class [[nodiscard]] Error {
public:
  explicit Error(std::string message) : text(std::move(message)) {}
  /// "WHERE: WHAT"
  static Error at(std::string_view where, std::string_view what);
  /// "WHERE: WHAT, expected X, got Y"
  static Error at(std::string_view where, std::string_view what, std::string_view expected,
                  std::string_view got);
  const std::string &message() const { return text; }
  /// The same error with "PREFIX:" in front, for a caller that knows the file.
  Error in(std::string_view prefix) const;

private:
  std::string text;
};

template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const { return state.index() == 0; }
  T &operator*() & { return std::get<0>(state); }
  const T &operator*() const & { return std::get<0>(state); }
  T &&operator*() && { return std::move(std::get<0>(state)); }
  T *operator->() { return &std::get<0>(state); }
  const T *operator->() const { return &std::get<0>(state); }
  const Error &error() const { return std::get<1>(state); }
  Error takeError() { return std::move(std::get<1>(state)); }

private:
  std::variant<T, Error> state;
};

/// Success, or an Error. `if (Status s = f(); !s) return s.takeError();`
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error e) : problem(std::move(e)) {}
  static Status ok() { return {}; }
  explicit operator bool() const { return !problem; }
  const Error &error() const { return *problem; }
  Error takeError() { return std::move(*problem); }

private:
  std::optional<Error> problem;
};

} // namespace fingpt

#endif // FINGPT_SUPPORT_RESULT_H
