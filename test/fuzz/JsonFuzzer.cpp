// The strict JSON reader and every typed access to what it accepted.
#include "Fuzz.h"

#include "fingpt/Support/Json.h"

using namespace fingpt;
using namespace fingpt::fuzz;

template <typename R> static void check(const R &result) {
  if (!result)
    checkRefusal(result.error(), "c.json:/");
}

static void readObject(const JsonObject &object, unsigned depth) {
  if (!object.expectObject())
    return;
  for (const auto &[name, value] : object.json().items()) {
    const char *key = name.c_str(); // up to a NUL: another key, perhaps none
    Result<int64_t> n = object.integer(key, -5, 1000);
    check(n);
    require(!n || (*n >= -5 && *n <= 1000));
    check(object.integer(key, 0, 9, 7));
    check(object.number(key));
    check(object.number(key, 0.5));
    check(object.boolean(key, true));
    check(object.string(key));
    check(object.string(key, "x"));
    Result<JsonObject> member = object.object(key);
    check(member);
    if (member && depth < 3)
      readObject(*member, depth + 1);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  Result<Json> json = parseJson(text);
  if (!json) {
    checkRefusal(json.error(), "0x");
    return 0;
  }
  require(!describe(*json).empty());
  // What was accepted is JSON: written and read again it is the same.
  Result<Json> again = parseJson(json->dump());
  require(again && *again == *json);
  JsonObject root(*json, "c.json");
  check(root.expectObject());
  readObject(root, 0);
  return 0;
}
