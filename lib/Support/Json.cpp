#include "fingpt/Support/Json.h"
#include "fingpt/Support/MappedFile.h"

#include <cmath>
#include <cstdio>
#include <unordered_set>
#include <vector>

namespace fingpt {

namespace {

/// Builds the document while refusing what the header of Json.h lists.
class StrictBuilder : public nlohmann::json_sax<Json> {
public:
  StrictBuilder(std::string_view text, unsigned maxDepth) : text(text), maxDepth(maxDepth) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(number_integer_t v) override { return add(v); }
  bool number_unsigned(number_unsigned_t v) override { return add(v); }
  bool number_float(number_float_t v, const string_t &literal) override {
    if (!std::isfinite(v))
      return refuse("number out of range: " + escaped(literal, 40));
    // An integer that does not fit 64 bits arrives here too: tokenizer_config.json has 10^30 for
    // "no limit". It is a float, which no reader of integers takes.
    return add(v);
  }
  bool string(string_t &v) override { return add(std::move(v)); }
  bool binary(binary_t &) override { return refuse("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override {
    keys.pop_back();
    stack.pop_back();
    return true;
  }
  bool end_array() override { return end_object(); }
  bool key(string_t &k) override {
    if (!keys.back().insert(k).second)
      return refuse("duplicate key " + quote(k));
    pendingKey = std::move(k);
    return true;
  }
  bool parse_error(std::size_t position, const std::string &token,
                   const nlohmann::detail::exception &e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 9: WHAT",
    // and WHAT may quote the text, with colons of its own.
    std::string what = e.what();
    size_t colon = what.find(": ");
    if (message.empty()) {
      offset = position ? position - 1 : 0;
      message = "invalid JSON: " +
                escaped(colon == std::string::npos ? what : what.substr(colon + 2), 120);
    }
    return false;
  }

  Json root;
  std::string message;
  size_t offset = 0;

private:
  bool refuse(std::string what) {
    if (message.empty())
      message = std::move(what);
    return false;
  }
  Json *place(Json value) {
    if (stack.empty()) {
      root = std::move(value);
      return &root;
    }
    Json &parent = *stack.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    // Keys are unique, so append without ordered_json's linear search.
    auto &object = parent.get_ref<Json::object_t &>();
    using Base = std::vector<Json::object_t::value_type, Json::object_t::allocator_type>;
    static_cast<Base &>(object).emplace_back(std::move(pendingKey), std::move(value));
    return &object.back().second;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (stack.size() >= maxDepth)
      return refuse("nesting deeper than " + std::to_string(maxDepth));
    Json *p = place(std::move(value));
    stack.push_back(p);
    keys.emplace_back();
    return true;
  }

  std::string_view text;
  unsigned maxDepth;
  std::vector<Json *> stack;
  std::vector<std::unordered_set<std::string>> keys;
  std::string pendingKey;
};

/// Iterator that remembers how far the lexer has read.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char *;
  using reference = const char &;
  const char *p = nullptr;
  const char **furthest = nullptr;
  reference operator*() const { return *p; }
  CountingIterator &operator++() {
    ++p;
    *furthest = p;
    return *this;
  }
  bool operator==(const CountingIterator &o) const { return p == o.p; }
  bool operator!=(const CountingIterator &o) const { return p != o.p; }
};

std::string hex(size_t v) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "0x%zx", v);
  return buffer;
}

} // namespace

Result<Json> parseJson(std::string_view text, unsigned maxDepth) {
  StrictBuilder builder(text, maxDepth);
  const char *begin = text.data(), *furthest = begin;
  CountingIterator first{begin, &furthest};
  CountingIterator last{begin + text.size(), &furthest};
  bool ok = Json::sax_parse(first, last, &builder);
  if (ok && builder.message.empty())
    return std::move(builder.root);
  size_t at = builder.offset ? builder.offset : static_cast<size_t>(furthest - begin);
  return Error::at(hex(at), builder.message.empty() ? "invalid JSON" : builder.message);
}

Result<Json> readJsonFile(const std::string &path, size_t limit) {
  Result<std::string> text = readFile(path, limit);
  if (!text)
    return text.takeError();
  Result<Json> json = parseJson(*text);
  if (!json)
    return json.error().in(escaped(path, 1000));
  return json;
}

std::string describe(const Json &value) {
  switch (value.type()) {
  case Json::value_t::object:
    return "an object";
  case Json::value_t::array:
    return "an array of " + std::to_string(value.size());
  case Json::value_t::string:
    return quote(value.get_ref<const std::string &>(), 60);
  case Json::value_t::null:
    return "null";
  case Json::value_t::boolean:
    return value.get<bool>() ? "true" : "false";
  case Json::value_t::number_integer:
    return std::to_string(value.get<int64_t>());
  case Json::value_t::number_unsigned:
    return std::to_string(value.get<uint64_t>());
  case Json::value_t::number_float: {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.9g", value.get<double>());
    return buffer;
  }
  default:
    return "an unknown value";
  }
}

std::string JsonObject::where(std::string_view key) const {
  std::string out = escaped(file, 1000) + ":" + pointer;
  if (!key.empty())
    out += "/" + escaped(key);
  else if (pointer.empty())
    out += "/";
  return out;
}

Status JsonObject::expectObject() const {
  if (!value->is_object())
    return Error::at(where(), "wrong type", "an object", describe(*value));
  return Status::ok();
}

const Json *JsonObject::find(const char *key) const {
  if (!value->is_object())
    return nullptr;
  auto it = value->find(key);
  return it == value->end() || it->is_null() ? nullptr : &*it;
}
bool JsonObject::has(const char *key) const { return find(key) != nullptr; }

Result<int64_t> JsonObject::integer(const char *key, int64_t low, int64_t high) const {
  const Json *v = find(key);
  std::string expected =
      "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]";
  if (!v)
    return Error::at(where(key), "missing", expected, "nothing");
  bool isLarge = v->is_number_unsigned()
                     ? v->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)
                     : v->is_number_float() && std::fabs(v->get<double>()) >= 0x1p63;
  if (isLarge)
    return Error::at(where(key), "out of range", expected, describe(*v));
  if (!v->is_number_integer())
    return Error::at(where(key), "wrong type", expected, describe(*v));
  int64_t n = v->get<int64_t>();
  if (n < low || n > high)
    return Error::at(where(key), "out of range", expected, describe(*v));
  return n;
}

Result<int64_t> JsonObject::integer(const char *key, int64_t low, int64_t high,
                                    int64_t fallback) const {
  return has(key) ? integer(key, low, high) : Result<int64_t>(fallback);
}

Result<double> JsonObject::number(const char *key) const {
  const Json *v = find(key);
  if (!v)
    return Error::at(where(key), "missing", "a number", "nothing");
  if (!v->is_number())
    return Error::at(where(key), "wrong type", "a number", describe(*v));
  return v->get<double>();
}
Result<double> JsonObject::number(const char *key, double fallback) const {
  return has(key) ? number(key) : Result<double>(fallback);
}

Result<bool> JsonObject::boolean(const char *key, bool fallback) const {
  const Json *v = find(key);
  if (!v)
    return fallback;
  if (!v->is_boolean())
    return Error::at(where(key), "wrong type", "true or false", describe(*v));
  return v->get<bool>();
}

Result<std::string> JsonObject::string(const char *key) const {
  const Json *v = find(key);
  if (!v)
    return Error::at(where(key), "missing", "a string", "nothing");
  if (!v->is_string())
    return Error::at(where(key), "wrong type", "a string", describe(*v));
  return v->get<std::string>();
}
Result<std::string> JsonObject::string(const char *key, std::string fallback) const {
  return has(key) ? string(key) : Result<std::string>(std::move(fallback));
}

Result<JsonObject> JsonObject::object(const char *key) const {
  const Json *v = find(key);
  if (!v)
    return Error::at(where(key), "missing", "an object", "nothing");
  JsonObject member(*v, file, pointer + "/" + escaped(key));
  if (Status s = member.expectObject(); !s)
    return s.takeError();
  return member;
}

} // namespace fingpt
