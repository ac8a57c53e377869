// Reading the parts of a tokenizer.json into stages.
#ifndef FINGPT_LIB_TOKENIZER_COMPONENTS_H
#define FINGPT_LIB_TOKENIZER_COMPONENTS_H

#include "Decoders.h"
#include "Pattern.h"
#include "Stages.h"
#include "fingpt/Support/Json.h"

namespace fingpt::tokenizer {

/// A JSON object that knows its file and pointer, so that its members do too.
class Component : public JsonObject {
public:
  Component(const Json &value, std::string file, std::string pointer = "")
      : JsonObject(value, file, pointer), file(std::move(file)), pointer(std::move(pointer)) {}

  /// A member that is present and an object.
  Result<Component> member(const char *key) const {
    auto object = this->object(key);
    if (!object)
      return object.takeError();
    return Component(object->json(), file, pointer + "/" + key);
  }
  /// Calls `each(Component, index)` for the objects of the array `key`.
  template <typename Each> Status forEach(const char *key, Each &&each) const {
    const Json *list = find(key);
    if (!list || !list->is_array())
      return Error::at(where(key), "wrong type", "an array", list ? describe(*list) : "nothing");
    size_t index = 0;
    for (const Json &item : *list) {
      Component object(item, file, pointer + "/" + key + "/" + std::to_string(index));
      if (Status s = object.expectObject(); !s)
        return s;
      if (Status s = each(object, index++); !s)
        return s;
    }
    return Status::ok();
  }
  const std::string &fileName() const { return file; }

private:
  std::string file, pointer;
};

/// {"String": "x"} or {"Regex": "x+"}.
Result<Pattern> readPattern(const Component &component, const char *key);

Status readNormalizer(const Component &component, NormalizerList &out);

struct PreTokenizerReading {
  PreTokenizerList stages;
  /// The model is BPE: a ByteLevel at the end may leave the bytes to it.
  bool modelTakesBytes = false;
  /// Set when it did.
  bool leftBytes = false;
};
/// `last`: nothing follows this component.
Status readPreTokenizer(const Component &component, bool last, PreTokenizerReading &out);

Status readDecoder(const Component &component, std::vector<DecodeStepFactory> &out);

/// Ids that the post-processor puts before and after the text.
Status readPostProcessor(const Component &component, std::vector<int32_t> &before,
                         std::vector<int32_t> &after);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_COMPONENTS_H
