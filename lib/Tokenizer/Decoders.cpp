#include "Decoders.h"
#include "BPE.h"
#include "Unicode.h"

#include <algorithm>

namespace fingpt::tokenizer {

namespace {

class Collector : public DecodeStep {
public:
  void part(std::string_view text) override { out += text; }
  void endToken() override {}
  void finish() override {}
  std::string out;
};

/// A step that needs a token whole.
class TokenStep : public DecodeStep {
public:
  void part(std::string_view text) final { token += text; }
  void endToken() final {
    std::string whole = std::move(token);
    token.clear();
    take(whole);
  }

protected:
  virtual void take(const std::string &token) = 0;
  void emit(std::string_view text) {
    next->part(text);
    next->endToken();
  }

private:
  std::string token;
};

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

class ByteLevelStep : public TokenStep {
public:
  void take(const std::string &token) override {
    size_t mark = pending.size();
    for (size_t i = 0; i < token.size();) {
      Decoded d = decodeUtf8(token, i);
      int byte = d.valid ? byteLevelByte(d.cp) : -1;
      if (byte < 0) { // no token of the alphabet: it stands for itself
        pending.resize(mark);
        pending += token;
        break;
      }
      pending += static_cast<char>(byte);
      i += d.length;
    }
    flush(false);
  }
  void finish() override {
    flush(true);
    next->endToken();
    next->finish();
  }

private:
  void flush(bool final) {
    std::string out;
    pending.erase(0, appendLossy(out, pending, final));
    if (!out.empty())
      next->part(out);
  }
  std::string pending;
};

class FuseStep : public DecodeStep {
public:
  void part(std::string_view text) override { next->part(text); }
  void endToken() override {}
  void finish() override {
    next->endToken();
    next->finish();
  }
};

class ByteFallbackStep : public TokenStep {
public:
  void take(const std::string &token) override {
    if (int byte = byteOfToken(token); byte >= 0) {
      run += static_cast<char>(byte);
      return;
    }
    flush();
    emit(token);
  }
  void finish() override {
    flush();
    next->finish();
  }

private:
  void flush() {
    if (run.empty())
      return;
    if (isValidUtf8(run))
      emit(run);
    else
      for (size_t i = 0; i < run.size(); ++i)
        emit(kReplacement);
    run.clear();
  }
  std::string run;
};

class LeadingSpaceStep : public TokenStep {
public:
  LeadingSpaceStep(std::string space, bool untilText)
      : space(std::move(space)), untilText(untilText) {}
  void take(const std::string &token) override {
    size_t cut = 0;
    if (active && token.compare(0, space.size(), space) == 0)
      cut = space.size();
    active = active && token.size() == cut && (untilText || cut == 0);
    emit(std::string_view(token).substr(cut));
  }

private:
  std::string space;
  bool untilText, active = true;
};

class RawByteStep : public TokenStep {
public:
  void take(const std::string &token) override {
    int byte = byteOfToken(token);
    emit(byte < 0 ? token : std::string(1, static_cast<char>(byte)));
  }
};

class Utf8Step : public DecodeStep {
public:
  void part(std::string_view text) override {
    pending += text;
    flush(false);
  }
  void endToken() override {}
  void finish() override {
    flush(true);
    next->endToken();
    next->finish();
  }

private:
  void flush(bool final) {
    std::string out;
    size_t i = 0;
    while (i < pending.size()) {
      Decoded d = decodeUtf8(pending, i);
      if (d.valid) {
        out.append(pending, i, d.length);
        i += d.length;
        continue;
      }
      std::string ignored;
      if (!final && appendLossy(ignored, std::string_view(pending).substr(i), false) == 0)
        break; // may still become a character
      out += kReplacement;
      ++i;
    }
    pending.erase(0, i);
    if (!out.empty())
      next->part(out);
  }
  std::string pending;
};

class MetaspaceStep : public DecodeStep {
public:
  MetaspaceStep(std::string replacement, bool dropFirst)
      : replacement(std::move(replacement)), drop(dropFirst) {}
  void part(std::string_view text) override {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      size_t found = text.find(replacement, at);
      out += text.substr(at, found - at);
      if (found == std::string_view::npos)
        break;
      if (!drop)
        out += ' ';
      at = found + replacement.size();
    }
    next->part(out);
  }
  void endToken() override {
    drop = false;
    next->endToken();
  }

private:
  std::string replacement;
  bool drop;
};

void replaceAll(std::string &text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string::npos; at = found + from.size()) {
    out.append(text, at, found - at);
    out += to;
  }
  if (at > 0) {
    out.append(text, at);
    text = std::move(out);
  }
}

class WordPieceStep : public TokenStep {
public:
  WordPieceStep(std::string prefix, bool cleanup) : prefix(std::move(prefix)), cleanup(cleanup) {}
  void take(const std::string &token) override {
    std::string text = token;
    if (!first) {
      if (text.compare(0, prefix.size(), prefix) == 0)
        text.erase(0, prefix.size());
      else
        text.insert(0, " ");
    }
    first = false;
    if (cleanup) {
      static constexpr std::pair<std::string_view, std::string_view> rules[] = {
          {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
          {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
          {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
      for (auto [from, to] : rules)
        replaceAll(text, from, to);
    }
    emit(text);
  }

private:
  std::string prefix;
  bool cleanup, first = true;
};

class StripStep : public DecodeStep {
public:
  StripStep(std::string content, size_t start, size_t stop)
      : content(std::move(content)), start(start), stop(stop), left(start) {}
  void part(std::string_view text) override {
    while (left > 0 && !text.empty()) {
      if (text.substr(0, content.size()) != content) {
        left = 0;
        break;
      }
      text.remove_prefix(content.size());
      --left;
    }
    if (text.empty())
      return;
    left = 0;
    if (stop == 0) {
      next->part(text);
      return;
    }
    // Hold back what may turn out to be the end of the token.
    held += text;
    size_t keep = 0;
    while (keep < stop && held.size() >= (keep + 1) * content.size() &&
           held.compare(held.size() - (keep + 1) * content.size(), content.size(), content) == 0)
      ++keep;
    size_t out = held.size() - keep * content.size();
    next->part(std::string_view(held).substr(0, out));
    held.erase(0, out);
  }
  void endToken() override {
    held.clear();
    left = start;
    next->endToken();
  }

private:
  std::string content;
  size_t start, stop, left;
  std::string held;
};

class ReplaceStep : public DecodeStep {
public:
  ReplaceStep(std::string pattern, std::string content)
      : pattern(std::move(pattern)), content(std::move(content)) {}
  void part(std::string_view text) override {
    held += text;
    std::string out;
    size_t at = 0;
    for (size_t found; (found = held.find(pattern, at)) != std::string::npos;
         at = found + pattern.size()) {
      out.append(held, at, found - at);
      out += content;
    }
    // The longest end that may be the beginning of a match stays.
    size_t keep = std::min(pattern.size() - 1, held.size() - at);
    while (keep > 0 && held.compare(held.size() - keep, keep, pattern, 0, keep) != 0)
      --keep;
    out.append(held, at, held.size() - keep - at);
    held.erase(0, held.size() - keep);
    if (!out.empty())
      next->part(out);
  }
  void endToken() override {
    if (!held.empty())
      next->part(held);
    held.clear();
    next->endToken();
  }

private:
  std::string pattern, content, held;
};

class SuffixStep : public TokenStep {
public:
  explicit SuffixStep(std::string suffix) : suffix(std::move(suffix)) {}
  void take(const std::string &token) override {
    if (have)
      emitHeld(" ");
    held = token;
    have = true;
  }
  void finish() override {
    if (have)
      emitHeld("");
    next->finish();
  }

private:
  void emitHeld(std::string_view space) {
    if (!suffix.empty())
      replaceAll(held, suffix, space);
    emit(held);
  }
  std::string suffix, held;
  bool have = false;
};

class JoinStep : public DecodeStep {
public:
  void part(std::string_view text) override {
    if (between)
      next->part(" ");
    between = false;
    next->part(text);
  }
  void endToken() override {
    between = true;
    next->endToken();
  }

private:
  bool between = false;
};

class RewriteStep : public TokenStep {
public:
  explicit RewriteStep(std::function<std::string(const std::string &)> rewrite)
      : rewrite(std::move(rewrite)) {}
  void take(const std::string &token) override { emit(rewrite(token)); }

private:
  std::function<std::string(const std::string &)> rewrite;
};

} // namespace

std::unique_ptr<DecodeStep> byteLevelDecoder() { return std::make_unique<ByteLevelStep>(); }
std::unique_ptr<DecodeStep> fuseDecoder() { return std::make_unique<FuseStep>(); }
std::unique_ptr<DecodeStep> byteFallbackDecoder() { return std::make_unique<ByteFallbackStep>(); }
std::unique_ptr<DecodeStep> rawByteDecoder() { return std::make_unique<RawByteStep>(); }
std::unique_ptr<DecodeStep> utf8Decoder() { return std::make_unique<Utf8Step>(); }
std::unique_ptr<DecodeStep> leadingSpaceDecoder(std::string space, bool untilText) {
  return std::make_unique<LeadingSpaceStep>(std::move(space), untilText);
}
std::unique_ptr<DecodeStep> metaspaceDecoder(std::string replacement, bool dropFirst) {
  return std::make_unique<MetaspaceStep>(std::move(replacement), dropFirst);
}
std::unique_ptr<DecodeStep> wordPieceDecoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceStep>(std::move(prefix), cleanup);
}
std::unique_ptr<DecodeStep> stripDecoder(std::string content, size_t start, size_t stop) {
  return std::make_unique<StripStep>(std::move(content), start, stop);
}
std::unique_ptr<DecodeStep> replaceDecoder(std::string pattern, std::string content) {
  return std::make_unique<ReplaceStep>(std::move(pattern), std::move(content));
}
std::unique_ptr<DecodeStep> suffixDecoder(std::string suffix) {
  return std::make_unique<SuffixStep>(std::move(suffix));
}
std::unique_ptr<DecodeStep> joinDecoder() { return std::make_unique<JoinStep>(); }
std::unique_ptr<DecodeStep>
rewriteDecoder(std::function<std::string(const std::string &)> rewrite) {
  return std::make_unique<RewriteStep>(std::move(rewrite));
}

DecodeChain::DecodeChain(const std::vector<DecodeStepFactory> &factories) {
  for (const DecodeStepFactory &factory : factories)
    steps.push_back(factory());
  steps.push_back(std::make_unique<Collector>());
  for (size_t i = 0; i + 1 < steps.size(); ++i)
    steps[i]->next = steps[i + 1].get();
  first = steps.front().get();
}

std::string &DecodeChain::collected() { return static_cast<Collector &>(*steps.back()).out; }

} // namespace fingpt::tokenizer
