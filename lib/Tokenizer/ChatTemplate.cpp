// Chat formats. A template is a program in Jinja, and programs of strangers are
// not run; but nearly all of them are one of a few formats, which their text
// gives away. Details that vary inside a family (a default system prompt, a
// space, the token at the start) are read out of the template's string
// literals.

#include "Unicode.h"
#include "fingpt/Tokenizer/Tokenizer.h"

#include <algorithm>

namespace fingpt {

using namespace tokenizer;

namespace {

using Messages = std::vector<ChatMessage>;

/// Python's str.strip(): white space of Unicode, and the four separators.
bool isStripped(uint32_t cp) { return isSpace(cp) || (cp >= 0x1C && cp <= 0x1F); }
std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    Decoded d = decodeUtf8(text, 0);
    if (!isStripped(d.cp))
      break;
    text.remove_prefix(d.length);
  }
  while (!text.empty()) {
    size_t last = previousChar(text, text.size());
    if (!isStripped(decodeUtf8(text, last).cp))
      break;
    text = text.substr(0, last);
  }
  return text;
}
std::string_view stripNewlines(std::string_view text, bool left, bool right) {
  while (left && !text.empty() && text.front() == '\n')
    text.remove_prefix(1);
  while (right && !text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  return text;
}

class Renderer {
public:
  Renderer(const Tokenizer &tokenizer, const Messages &messages, bool prompt)
      : tokenizer(tokenizer), source(*tokenizer.chatTemplate()), messages(messages),
        prompt(prompt) {}

  Status render() {
    if (messages.empty())
      return Error::at("messages", "chat", "at least one message", "none");
    for (size_t i = 0; i < messages.size(); ++i) {
      const std::string &role = messages[i].role;
      bool plain = !role.empty();
      for (char c : role)
        plain = plain && ((c >= 'a' && c <= 'z') || c == '_');
      if (!plain) // it is put between special tokens
        return roleError(i, "a lower-case word");
    }
    struct Family {
      std::initializer_list<const char *> marks;
      Status (Renderer::*render)();
    };
    static const Family families[] = {
        {{"<|im_start|>", "<|im_sep|>"}, &Renderer::phi4},
        {{"<|im_start|>", "<|im_end|>", "</think>", "last_query_index"}, &Renderer::qwen3},
        {{"<|im_start|>", "<|im_end|>"}, &Renderer::chatML},
        {{"<|start_header_id|>", "<|eot_id|>"}, &Renderer::llama3},
        {{"[INST]", "<<SYS>>"}, &Renderer::llama2},
        {{"[INST]"}, &Renderer::mistral},
        {{"<start_of_turn>", "<end_of_turn>"}, &Renderer::gemma},
        {{"<|end|>", "<|assistant|>"}, &Renderer::phi3},
        {{"<|user|>", "<|assistant|>", "eos_token"}, &Renderer::zephyr},
    };
    for (const Family &family : families)
      if (std::all_of(family.marks.begin(), family.marks.end(),
                      [&](const char *mark) { return has(mark); }))
        return (this->*family.render)();
    return Error::at("chat template", "unknown format",
                     "ChatML, Llama 2 or 3, Mistral, Gemma, Phi or Zephyr", quote(source, 120));
  }

  std::string out;
  std::vector<std::pair<size_t, size_t>> contents; ///< byte ranges of strangers' text

private:
  bool has(std::string_view text) const { return source.find(text) != std::string::npos; }
  /// A string literal of the template, in either kind of quotes.
  bool hasLiteral(const std::string &text) const {
    return has("'" + text + "'") || has("\"" + text + "\"");
  }
  Status roleError(size_t index, const char *expected) const {
    return Error::at("messages/" + std::to_string(index), "role", expected,
                     quote(messages[index].role));
  }
  void content(std::string_view text) {
    if (text.empty())
      return;
    contents.push_back({out.size(), out.size() + text.size()});
    out += text;
  }
  std::string special(std::optional<int32_t> id) const {
    return id ? tokenizer.tokenText(*id) : std::string();
  }
  std::string bos() const { return special(tokenizer.special().bos); }
  std::string eos() const { return special(tokenizer.special().eos); }

  /// The constant text of '<|im_start|>system\nTEXT<|im_end|>' in the template.
  std::string defaultSystem(std::string_view open, std::string_view close) const {
    for (size_t at = 0; (at = source.find(open, at)) != std::string::npos;) {
      at += open.size();
      size_t end = source.find(close, at);
      if (end == std::string::npos)
        break;
      std::string text = source.substr(at, end - at);
      if (text.empty() || text.find_first_of("'\"{}") != std::string::npos)
        continue;
      std::string plain;
      for (size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n')
          plain += '\n', ++i;
        else
          plain += text[i];
      return plain;
    }
    return {};
  }

  Status chatML() {
    if (has("bos_token"))
      out += bos();
    std::string system = defaultSystem("<|im_start|>system\\n", "<|im_end|>");
    if (system.empty())
      system = defaultSystem("<|im_start|>system\n", "<|im_end|>");
    if (!system.empty() && messages[0].role != "system")
      out += "<|im_start|>system\n" + system + "<|im_end|>\n";
    bool trims = has("message['content'] | trim") || has("message['content']|trim") ||
                 has("message.content | trim") || has("message.content|trim");
    for (const ChatMessage &m : messages) {
      out += "<|im_start|>" + m.role + "\n";
      content(trims ? strip(m.content) : std::string_view(m.content));
      out += "<|im_end|>\n";
    }
    if (prompt)
      out += "<|im_start|>assistant\n";
    return Status::ok();
  }

  /// ChatML; thoughts of earlier turns are left out.
  Status qwen3() {
    size_t lastQuery = messages.size() - 1;
    for (size_t i = messages.size(); i-- > 0;)
      if (messages[i].role == "user") {
        lastQuery = i;
        break;
      }
    constexpr std::string_view kOpen = "<think>", kClose = "</think>";
    for (size_t i = 0; i < messages.size(); ++i) {
      const ChatMessage &m = messages[i];
      if (m.role != "user" && m.role != "system" && m.role != "assistant")
        return roleError(i, "system, user or assistant");
      out += "<|im_start|>" + m.role + "\n";
      std::string_view text = m.content, thought;
      if (m.role == "assistant") {
        if (size_t first = text.find(kClose); first != std::string_view::npos) {
          thought = stripNewlines(text.substr(0, first), false, true);
          if (size_t open = thought.rfind(kOpen); open != std::string_view::npos)
            thought = thought.substr(open + kOpen.size());
          thought = stripNewlines(thought, true, false);
          text = stripNewlines(text.substr(text.rfind(kClose) + kClose.size()), true, false);
        }
        if (i > lastQuery && (i + 1 == messages.size() || !thought.empty())) {
          out += "<think>\n";
          content(stripNewlines(thought, true, true));
          out += "\n</think>\n\n";
          text = stripNewlines(text, true, false);
        }
      }
      content(text);
      out += "<|im_end|>\n";
    }
    if (prompt)
      out += "<|im_start|>assistant\n";
    return Status::ok();
  }

  Status phi4() {
    for (const ChatMessage &m : messages) {
      out += "<|im_start|>" + m.role + "<|im_sep|>";
      content(m.content);
      out += "<|im_end|>";
    }
    if (prompt)
      out += "<|im_start|>assistant<|im_sep|>";
    return Status::ok();
  }

  Status llama3() {
    out += bos();
    auto header = [&](const std::string &role) {
      out += "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
    };
    size_t i = 0;
    if (has("Cutting Knowledge Date")) { // 3.1 and later always have a system
                                         // turn
      header("system");
      out += "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
      if (messages[0].role == "system")
        content(strip(messages[i++].content));
      out += "<|eot_id|>";
    }
    for (; i < messages.size(); ++i) {
      header(messages[i].role);
      content(strip(messages[i].content));
      out += "<|eot_id|>";
    }
    if (prompt)
      header("assistant");
    return Status::ok();
  }

  /// user, assistant, user … from `first` on, as these templates demand.
  Status alternate(size_t first) const {
    for (size_t i = first; i < messages.size(); ++i) {
      const char *wanted = (i - first) % 2 == 0 ? "user" : "assistant";
      if (messages[i].role != wanted)
        return roleError(i, wanted);
    }
    return first < messages.size() ? Status::ok()
                                   : Error::at("messages", "chat", "a user message", "none");
  }
  bool startsWithSystem() const { return messages[0].role == "system"; }

  Status llama2() {
    size_t first = startsWithSystem() ? 1 : 0;
    if (Status s = alternate(first); !s)
      return s;
    for (size_t i = first; i < messages.size(); ++i) {
      if (messages[i].role == "assistant") {
        out += " ";
        content(strip(messages[i].content));
        out += " " + eos();
        continue;
      }
      out += bos() + "[INST] ";
      if (i == 1 && first == 1) { // the end is stripped as one text
        out += "<<SYS>>\n";
        content(messages[0].content);
        out += "\n<</SYS>>\n\n";
        std::string_view user = messages[1].content;
        while (!user.empty() && user.size() != strip(user).size() &&
               isStripped(decodeUtf8(user, previousChar(user, user.size())).cp))
          user = user.substr(0, previousChar(user, user.size()));
        if (user.empty()) // nothing of the user's: the stripping goes on before
                          // it
          out.resize(out.size() - 2);
        content(user);
      } else {
        content(strip(messages[i].content));
      }
      out += " [/INST]";
    }
    return Status::ok();
  }

  Status mistral() {
    bool ownSystem = has("[SYSTEM_PROMPT]");
    bool systemFirst = has("loop.first and system_message");
    bool systemLast = has("loop.last and system_message");
    size_t first = startsWithSystem() ? 1 : 0;
    if (first == 1 && !ownSystem && !systemFirst && !systemLast)
      return roleError(0, "user or assistant, as the format has no system role");
    if (Status s = alternate(first); !s)
      return s;
    std::string open = hasLiteral("[INST] ") || has("[INST] ' +") ? "[INST] " : "[INST]";
    std::string close = hasLiteral(" [/INST]") ? " [/INST]" : "[/INST]";
    bool spaceBefore = has("' ' + message") || has("\" \" + message") || has("\" \" + content");
    bool spaceAfter = has("eos_token + ' '") || has("eos_token + \" \"") || has("eos_token+ ' '");
    bool trims = has("message[\"content\"]|trim") || has("message['content']|trim") ||
                 has("message['content'] | trim") || has("message[\"content\"] | trim");
    out += bos();
    if (first == 1 && ownSystem) {
      out += "[SYSTEM_PROMPT]";
      content(messages[0].content);
      out += "[/SYSTEM_PROMPT]";
    }
    for (size_t i = first; i < messages.size(); ++i) {
      const ChatMessage &m = messages[i];
      if (m.role == "user") {
        out += open;
        bool here = systemFirst ? i == first : i + 1 == messages.size();
        if (first == 1 && !ownSystem && here) {
          content(messages[0].content);
          out += "\n\n";
        }
        content(m.content);
        out += close;
      } else {
        out += spaceBefore ? " " : "";
        content(trims ? strip(m.content) : std::string_view(m.content));
        out += eos();
        out += spaceAfter ? " " : "";
      }
    }
    return Status::ok();
  }

  Status gemma() {
    size_t first = startsWithSystem() ? 1 : 0;
    if (first == 1 && !has("first_user_prefix"))
      return roleError(0, "user or assistant, as the format has no system role");
    if (Status s = alternate(first); !s)
      return s;
    out += bos();
    for (size_t i = first; i < messages.size(); ++i) {
      out += std::string("<start_of_turn>") + (messages[i].role == "assistant" ? "model" : "user") +
             "\n";
      if (i == 1 && first == 1) {
        content(messages[0].content);
        out += "\n\n";
      }
      content(strip(messages[i].content));
      out += "<end_of_turn>\n";
    }
    if (prompt)
      out += "<start_of_turn>model\n";
    return Status::ok();
  }

  Status phi3() {
    bool generic = has("'<|' + message['role'] + '|>'") || has("\"<|\" + message[\"role\"]");
    std::string newline = generic ? "" : "\n";
    // The first edition opens the answer with the question.
    bool answerOpened = has("<|assistant|>' + '\\n'}}") || has("'<|assistant|>' + '\\n' }}");
    bool old = answerOpened && !has("add_generation_prompt");
    if (has("bos_token"))
      out += bos();
    for (size_t i = 0; i < messages.size(); ++i) {
      const ChatMessage &m = messages[i];
      if (old && m.role != "user" && m.role != "assistant")
        return roleError(i, "user or assistant, as the format has no other role");
      if (!(old && m.role == "assistant"))
        out += "<|" + m.role + "|>" + newline;
      content(m.content);
      out += "<|end|>" + newline;
      if (old && m.role == "user")
        out += "<|assistant|>\n";
    }
    if (old)
      return Status::ok();
    if (prompt)
      out += "<|assistant|>" + newline;
    else if (has("eos_token"))
      out += eos();
    return Status::ok();
  }

  Status zephyr() {
    for (size_t i = 0; i < messages.size(); ++i) {
      const ChatMessage &m = messages[i];
      if (m.role != "user" && m.role != "system" && m.role != "assistant")
        return roleError(i, "system, user or assistant");
      out += "<|" + m.role + "|>\n";
      content(m.content);
      out += eos() + "\n";
    }
    if (prompt)
      out += "<|assistant|>\n";
    return Status::ok();
  }

  const Tokenizer &tokenizer;
  const std::string &source;
  const Messages &messages;
  bool prompt;
};

Result<Renderer> render(const Tokenizer &tokenizer, const Messages &messages,
                        bool addGenerationPrompt) {
  if (!tokenizer.chatTemplate())
    return Error::at("chat template", "missing", "a model with a chat template", "none");
  Renderer renderer(tokenizer, messages, addGenerationPrompt);
  if (Status s = renderer.render(); !s)
    return s.takeError();
  return renderer;
}

} // namespace

Result<std::string> renderChat(const Tokenizer &tokenizer, const Messages &messages,
                               bool addGenerationPrompt) {
  auto rendered = render(tokenizer, messages, addGenerationPrompt);
  if (!rendered)
    return rendered.takeError();
  return std::move(rendered->out);
}

Result<std::vector<int32_t>> encodeChat(const Tokenizer &tokenizer, const Messages &messages,
                                        bool addGenerationPrompt) {
  auto rendered = render(tokenizer, messages, addGenerationPrompt);
  if (!rendered)
    return rendered.takeError();
  EncodeOptions options;
  options.addSpecial = false; // the format has them where it wants them
  options.literal = std::move(rendered->contents);
  return tokenizer.encode(rendered->out, options);
}

} // namespace fingpt
