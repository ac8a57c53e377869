#include "Normalizers.h"
#include "BPE.h"
#include "Unicode.h"

namespace fingpt::tokenizer {

Status replaceMatches(const Pattern &pattern, std::string_view content, std::string &text) {
  std::string out;
  // A replacement may be longer than its match, but not a bomb.
  size_t limit = 16 * (text.size() + 65536);
  bool grown = false;
  Status s = pattern.forEach(text, [&](size_t begin, size_t end, bool match) {
    std::string_view part = match ? content : std::string_view(text).substr(begin, end - begin);
    if (out.size() + part.size() > limit)
      grown = true;
    else
      out += part;
  });
  if (!s)
    return s;
  if (grown)
    return Error::at("text", "grows too much under normalization",
                     "at most " + std::to_string(limit) + " bytes", "more");
  text = std::move(out);
  return Status::ok();
}

namespace {

/// A normalizer that is a function of the text.
template <typename F> class FunctionNormalizer : public Normalizer {
public:
  explicit FunctionNormalizer(F function) : function(std::move(function)) {}
  Status apply(std::string &text) const override { return function(text); }

private:
  F function;
};
template <typename F> std::unique_ptr<Normalizer> make(F function) {
  return std::make_unique<FunctionNormalizer<F>>(std::move(function));
}

/// Rewrites every character: `each(out, decoded, bytes)`.
template <typename Each> void mapCharacters(std::string &text, Each &&each) {
  std::string out;
  out.reserve(text.size());
  std::string_view view = text;
  for (size_t at = 0; at < view.size();) {
    Decoded d = decodeUtf8(view, at);
    each(out, d, view.substr(at, d.length));
    at += d.length;
  }
  text = std::move(out);
}

void lowercase(std::string &text) {
  mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
    if (d.valid)
      appendLower(out, d.cp);
    else
      out += bytes;
  });
}

void bertNormalize(std::string &text, const BertNormalizerOptions &options) {
  if (options.cleanText)
    mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
      if (d.cp == 0 || d.cp == 0xFFFD || isBertRemoved(d.cp))
        return;
      if (categoryOf(d.cp) & kSpace)
        out += ' ';
      else
        out += bytes;
    });
  if (options.spaceCjk)
    mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
      bool cjk = isBertCjk(d.cp);
      if (cjk)
        out += ' ';
      out += bytes;
      if (cjk)
        out += ' ';
    });
  if (options.stripAccents.value_or(options.lowercase)) {
    text = toNormalForm(text, NormalForm::D);
    mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
      if (!isBertAccent(d.cp))
        out += bytes;
    });
  }
  if (options.lowercase)
    lowercase(text);
}

} // namespace

std::unique_ptr<Normalizer> formNormalizer(NormalForm form) {
  return make([form](std::string &text) {
    text = toNormalForm(text, form);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> lowercaseNormalizer() {
  return make([](std::string &text) {
    lowercase(text);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> stripNormalizer(bool left, bool right) {
  return make([left, right](std::string &text) {
    size_t begin = 0, end = text.size();
    while (left && begin < end) {
      Decoded d = decodeUtf8(text, begin);
      if (!isSpace(d.cp))
        break;
      begin += d.length;
    }
    while (right && end > begin) {
      size_t last = previousChar(text, end);
      if (!isSpace(decodeUtf8(text, last).cp))
        break;
      end = last;
    }
    text = text.substr(begin, end - begin);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> stripAccentsNormalizer() {
  return make([](std::string &text) {
    mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
      if (!isAccent(d.cp))
        out += bytes;
    });
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> replaceNormalizer(Pattern pattern, std::string content) {
  return make([pattern = std::move(pattern), content = std::move(content)](std::string &text) {
    return replaceMatches(pattern, content, text);
  });
}

std::unique_ptr<Normalizer> prependNormalizer(std::string prefix) {
  return make([prefix = std::move(prefix)](std::string &text) {
    if (!text.empty())
      text.insert(0, prefix);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> bertNormalizer(BertNormalizerOptions options) {
  return make([options](std::string &text) {
    bertNormalize(text, options);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> byteLevelNormalizer() {
  return make([](std::string &text) {
    text = toByteLevel(text);
    return Status::ok();
  });
}

std::unique_ptr<Normalizer> nmtNormalizer() {
  return make([](std::string &text) {
    mapCharacters(text, [](std::string &out, Decoded d, std::string_view bytes) {
      uint32_t c = d.cp;
      if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
          c == 0x9F)
        return;
      if (c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
          (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
          c == 0xFEFF || c == 0xFFFD)
        out += ' ';
      else
        out += bytes;
    });
    return Status::ok();
  });
}

} // namespace fingpt::tokenizer
