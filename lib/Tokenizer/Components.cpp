#include "Components.h"
#include "Normalizers.h"
#include "PreTokenizers.h"
#include "Properties.h"
#include "SentencePiece.h"
#include "Unicode.h"
#include "Vocabulary.h"

namespace fingpt::tokenizer {

namespace {

/// Reads members one after another; the first fault stays.
class Members {
public:
  explicit Members(const Component &component) : component(component) {}
  bool boolean(const char *key, bool fallback) {
    return take(component.boolean(key, fallback), fallback);
  }
  std::string string(const char *key) { return take(component.string(key), std::string()); }
  std::string string(const char *key, const char *fallback) {
    return take(component.string(key, fallback), std::string());
  }
  int64_t integer(const char *key, int64_t low, int64_t high) {
    return take(component.integer(key, low, high), int64_t(0));
  }
  Status problem;

private:
  template <typename T> T take(Result<T> result, T otherwise) {
    if (result)
      return *result;
    if (problem)
      problem = result.takeError();
    return otherwise;
  }
  const Component &component;
};

Status unknownKind(const Component &component, const char *what, const char *known) {
  auto type = component.string("type");
  if (!type)
    return type.takeError();
  return Error::at(component.where("type"), std::string("unsupported ") + what, known,
                   quote(*type));
}

std::string typeOf(const Component &component) {
  auto type = component.string("type", "");
  return type ? *type : std::string();
}

} // namespace

Result<Pattern> readPattern(const Component &component, const char *key) {
  const Json *value = component.find(key);
  if (value && value->is_string()) // older files
    return Pattern::literal(value->get<std::string>());
  auto object = component.member(key);
  if (!object)
    return object.takeError();
  if (object->has("String")) {
    auto text = object->string("String");
    if (!text)
      return text.takeError();
    return Pattern::literal(std::move(*text));
  }
  auto regex = object->string("Regex");
  if (!regex)
    return regex.takeError();
  return Pattern::compile(*regex, object->where("Regex"));
}

Status readNormalizer(const Component &component, NormalizerList &out) {
  std::string type = typeOf(component);
  Members m(component);
  if (type == "Sequence")
    return component.forEach(
        "normalizers", [&](const Component &item, size_t) { return readNormalizer(item, out); });
  if (type == "NFC")
    out.push_back(formNormalizer(NormalForm::C));
  else if (type == "NFD")
    out.push_back(formNormalizer(NormalForm::D));
  else if (type == "NFKC")
    out.push_back(formNormalizer(NormalForm::KC));
  else if (type == "NFKD")
    out.push_back(formNormalizer(NormalForm::KD));
  else if (type == "Lowercase")
    out.push_back(lowercaseNormalizer());
  else if (type == "StripAccents")
    out.push_back(stripAccentsNormalizer());
  else if (type == "ByteLevel")
    out.push_back(byteLevelNormalizer());
  else if (type == "Nmt")
    out.push_back(nmtNormalizer());
  else if (type == "Strip") {
    bool left = m.boolean("strip_left", true), right = m.boolean("strip_right", true);
    out.push_back(stripNormalizer(left, right));
  } else if (type == "Prepend") {
    out.push_back(prependNormalizer(m.string("prepend")));
  } else if (type == "Replace") {
    auto pattern = readPattern(component, "pattern");
    if (!pattern)
      return pattern.takeError();
    out.push_back(replaceNormalizer(std::move(*pattern), m.string("content")));
  } else if (type == "BertNormalizer") {
    BertNormalizerOptions options;
    options.cleanText = m.boolean("clean_text", true);
    options.spaceCjk = m.boolean("handle_chinese_chars", true);
    options.lowercase = m.boolean("lowercase", true);
    if (component.has("strip_accents"))
      options.stripAccents = m.boolean("strip_accents", true);
    out.push_back(bertNormalizer(options));
  } else if (type == "Precompiled") {
    std::string encoded = m.string("precompiled_charsmap"), blob;
    uint32_t bits = 0;
    unsigned count = 0;
    for (char c : encoded) {
      static constexpr std::string_view alphabet =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      size_t value = alphabet.find(c);
      if (c == '=')
        break;
      if (value == std::string_view::npos)
        return Error::at(component.where("precompiled_charsmap"), "invalid base64",
                         "letters, digits, + and /", quote(std::string(1, c)));
      bits = bits << 6 | static_cast<uint32_t>(value);
      if (++count % 4 != 1)
        blob += static_cast<char>(
            static_cast<unsigned char>(bits >> (6 - 2 * ((count - 1) % 4)) & 0xFF));
    }
    auto map = CharsMap::parse(blob, component.where("precompiled_charsmap"));
    if (!map)
      return map.takeError();
    out.push_back(precompiledNormalizer(std::move(*map)));
  } else {
    return unknownKind(component, "normalizer", "a normalizer of tokenizer.json");
  }
  return m.problem;
}

static Status readSplit(const Component &component, PreTokenizerList &out) {
  Members m(component);
  std::string behavior = m.string("behavior");
  bool invert = m.boolean("invert", false);
  if (!m.problem)
    return m.problem;
  static constexpr std::pair<std::string_view, SplitBehavior> behaviors[] = {
      {"Removed", SplitBehavior::Removed},
      {"Isolated", SplitBehavior::Isolated},
      {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
      {"MergedWithNext", SplitBehavior::MergedWithNext},
      {"Contiguous", SplitBehavior::Contiguous}};
  const auto *found = std::begin(behaviors);
  while (found != std::end(behaviors) && found->first != behavior)
    ++found;
  if (found == std::end(behaviors))
    return Error::at(component.where("behavior"), "unknown behavior",
                     "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
                     quote(behavior));
  // The patterns of known models cover every text, so matches kept apart and
  // gaps removed come to the same.
  const Json *pattern = component.find("pattern");
  if (pattern && pattern->is_object() && pattern->contains("Regex") &&
      (*pattern)["Regex"].is_string())
    if (auto scanner = scannerForPattern((*pattern)["Regex"].get_ref<const std::string &>())) {
      bool total = scanner->kind != Scanner::Numbers;
      if (found->second == SplitBehavior::Isolated ||
          (found->second == SplitBehavior::Removed && invert && total)) {
        out.push_back(std::make_unique<ScannerPreTokenizer>(*scanner));
        return Status::ok();
      }
    }
  auto compiled = readPattern(component, "pattern");
  if (!compiled)
    return compiled.takeError();
  out.push_back(splitPreTokenizer(std::move(*compiled), found->second, invert));
  return Status::ok();
}

static Status readMetaspace(const Component &component, PreTokenizerList &out) {
  Members m(component);
  std::string replacement = m.string("replacement", "\xE2\x96\x81");
  bool split = m.boolean("split", true);
  std::string scheme = m.string("prepend_scheme", "");
  if (scheme.empty()) // older files
    scheme = m.boolean("add_prefix_space", true) ? "always" : "never";
  if (!m.problem)
    return m.problem;
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return Error::at(component.where("prepend_scheme"), "unknown scheme", "always, first or never",
                     quote(scheme));
  if (replacement.empty() || decodeUtf8(replacement, 0).length != replacement.size())
    return Error::at(component.where("replacement"), "replacement", "one character",
                     quote(replacement));
  out.push_back(metaspacePreTokenizer(std::move(replacement),
                                      scheme == "always"  ? PrependScheme::Always
                                      : scheme == "first" ? PrependScheme::First
                                                          : PrependScheme::Never,
                                      split));
  return Status::ok();
}

Status readPreTokenizer(const Component &component, bool last, PreTokenizerReading &out) {
  std::string type = typeOf(component);
  Members m(component);
  PreTokenizerList &stages = out.stages;
  if (type == "Sequence") {
    const Json *list = component.find("pretokenizers");
    size_t count = list && list->is_array() ? list->size() : 0;
    return component.forEach("pretokenizers", [&](const Component &item, size_t index) {
      return readPreTokenizer(item, last && index + 1 == count, out);
    });
  }
  if (type == "ByteLevel") {
    bool prefix = m.boolean("add_prefix_space", true), regex = m.boolean("use_regex", true);
    bool leave = last && out.modelTakesBytes;
    out.leftBytes = out.leftBytes || leave;
    stages.push_back(byteLevelPreTokenizer(prefix, regex, !leave));
  } else if (type == "Split") {
    return readSplit(component, stages);
  } else if (type == "Metaspace") {
    return readMetaspace(component, stages);
  } else if (type == "Digits") {
    stages.push_back(classPreTokenizer(isNumeric, m.boolean("individual_digits", false)
                                                      ? SplitBehavior::Isolated
                                                      : SplitBehavior::Contiguous));
  } else if (type == "BertPreTokenizer") {
    stages.push_back(classPreTokenizer(isSpace, SplitBehavior::Removed));
    stages.push_back(classPreTokenizer(isBertPunctuation, SplitBehavior::Isolated));
  } else if (type == "Whitespace") {
    stages.push_back(whitespacePreTokenizer());
  } else if (type == "WhitespaceSplit") {
    stages.push_back(classPreTokenizer(isSpace, SplitBehavior::Removed));
  } else if (type == "Punctuation") {
    std::string behavior = m.string("behavior", "Isolated");
    static constexpr std::pair<std::string_view, SplitBehavior> behaviors[] = {
        {"Removed", SplitBehavior::Removed},
        {"Isolated", SplitBehavior::Isolated},
        {"MergedWithPrevious", SplitBehavior::MergedWithPrevious},
        {"MergedWithNext", SplitBehavior::MergedWithNext},
        {"Contiguous", SplitBehavior::Contiguous}};
    for (auto [name, value] : behaviors)
      if (name == behavior) {
        stages.push_back(classPreTokenizer(isBertPunctuation, value));
        return m.problem;
      }
    return Error::at(component.where("behavior"), "unknown behavior",
                     "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
                     quote(behavior));
  } else if (type == "CharDelimiterSplit") {
    stages.push_back(
        splitPreTokenizer(Pattern::literal(m.string("delimiter")), SplitBehavior::Removed, false));
  } else {
    return unknownKind(component, "pre-tokenizer", "a pre-tokenizer of tokenizer.json");
  }
  return m.problem;
}

Status readDecoder(const Component &component, std::vector<DecodeStepFactory> &out) {
  std::string type = typeOf(component);
  Members m(component);
  if (type == "Sequence")
    return component.forEach("decoders",
                             [&](const Component &item, size_t) { return readDecoder(item, out); });
  if (type == "ByteLevel") {
    out.push_back(byteLevelDecoder);
  } else if (type == "ByteFallback") {
    out.push_back(byteFallbackDecoder);
  } else if (type == "Fuse") {
    out.push_back(fuseDecoder);
  } else if (type == "Metaspace") {
    std::string replacement = m.string("replacement", "\xE2\x96\x81");
    std::string scheme = m.string("prepend_scheme", "");
    bool drop = scheme.empty() ? m.boolean("add_prefix_space", true) : scheme != "never";
    if (replacement.empty())
      return Error::at(component.where("replacement"), "replacement", "one character", "none");
    out.push_back([replacement, drop] { return metaspaceDecoder(replacement, drop); });
  } else if (type == "WordPiece") {
    std::string prefix = m.string("prefix", "##");
    bool cleanup = m.boolean("cleanup", true);
    out.push_back([prefix, cleanup] { return wordPieceDecoder(prefix, cleanup); });
  } else if (type == "Strip") {
    std::string content = m.string("content");
    auto start = static_cast<size_t>(m.integer("start", 0, 1 << 20));
    auto stop = static_cast<size_t>(m.integer("stop", 0, 1 << 20));
    if (m.problem && content.empty())
      return Error::at(component.where("content"), "content", "one character", "none");
    out.push_back([content, start, stop] { return stripDecoder(content, start, stop); });
  } else if (type == "Replace") {
    auto pattern = readPattern(component, "pattern");
    if (!pattern)
      return pattern.takeError();
    std::string content = m.string("content");
    const Json &raw = *component.find("pattern");
    const Json *text = raw.is_string() ? &raw : raw.contains("String") ? &raw["String"] : nullptr;
    if (text && !text->get_ref<const std::string &>().empty())
      out.push_back(
          [from = text->get<std::string>(), content] { return replaceDecoder(from, content); });
    else if (!text)
      out.push_back([pattern = std::move(*pattern), content] {
        return rewriteDecoder([pattern, content](const std::string &token) {
          std::string replaced = token;
          // Beyond the work limit a token stays as it is.
          return replaceMatches(pattern, content, replaced) ? replaced : token;
        });
      });
  } else if (type == "BPEDecoder") {
    out.push_back([suffix = m.string("suffix", "</w>")] { return suffixDecoder(suffix); });
  } else {
    return unknownKind(component, "decoder", "a decoder of tokenizer.json");
  }
  return m.problem;
}

namespace {

/// ["[SEP]", 102]
Status readPair(const Component &component, const char *key, int32_t &id) {
  const Json *pair = component.find(key);
  bool good = pair && pair->is_array() && pair->size() == 2 && (*pair)[0].is_string() &&
              (*pair)[1].is_number_integer();
  if (!good || (*pair)[1] < 0 || (*pair)[1] > kMaxTokenId)
    return Error::at(component.where(key), "special token", "[text, id]",
                     pair ? describe(*pair) : "nothing");
  id = (*pair)[1].get<int32_t>();
  return Status::ok();
}

Status readTemplate(const Component &component, std::vector<int32_t> &before,
                    std::vector<int32_t> &after) {
  bool sawSequence = false;
  std::vector<int32_t> head, tail;
  Status s = component.forEach("single", [&](const Component &item, size_t) -> Status {
    if (item.has("Sequence")) {
      if (sawSequence)
        return Error::at(item.where("Sequence"), "template", "the text once", "twice");
      sawSequence = true;
      return Status::ok();
    }
    auto special = item.member("SpecialToken");
    if (!special)
      return special.takeError();
    auto name = special->string("id");
    auto tokens = component.member("special_tokens");
    if (!name)
      return name.takeError();
    if (!tokens)
      return tokens.takeError();
    auto token = tokens->member(name->c_str());
    if (!token)
      return token.takeError();
    const Json *ids = token->find("ids");
    if (!ids || !ids->is_array())
      return Error::at(token->where("ids"), "wrong type", "an array",
                       ids ? describe(*ids) : "nothing");
    for (const Json &id : *ids) {
      if (!id.is_number_integer() || id < 0 || id > kMaxTokenId)
        return Error::at(token->where("ids"), "token id",
                         "an integer in [0, " + std::to_string(kMaxTokenId) + "]", describe(id));
      (sawSequence ? tail : head).push_back(id.get<int32_t>());
    }
    return Status::ok();
  });
  if (s && !sawSequence)
    return Error::at(component.where("single"), "template", "the text in it", "none");
  before.insert(before.begin(), head.begin(), head.end());
  after.insert(after.end(), tail.begin(), tail.end());
  return s;
}

} // namespace

Status readPostProcessor(const Component &component, std::vector<int32_t> &before,
                         std::vector<int32_t> &after) {
  std::string type = typeOf(component);
  if (type == "Sequence")
    return component.forEach("processors", [&](const Component &item, size_t) {
      return readPostProcessor(item, before, after);
    });
  if (type == "ByteLevel")
    return Status::ok(); // concerns offsets only
  if (type == "TemplateProcessing")
    return readTemplate(component, before, after);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    int32_t cls = 0, sep = 0;
    if (Status s = readPair(component, "cls", cls); !s)
      return s;
    if (Status s = readPair(component, "sep", sep); !s)
      return s;
    before.insert(before.begin(), cls);
    after.push_back(sep);
    return Status::ok();
  }
  return unknownKind(component, "post-processor", "a post-processor of tokenizer.json");
}

} // namespace fingpt::tokenizer
