// tokenize-lines: the bridge from Python tests to the tokenizer.
//
//   tokenize-lines encode TOKENIZER FILE [--no-special] [--no-parse]
//   tokenize-lines decode TOKENIZER FILE [--keep-special] [--stream]
//   tokenize-lines file TOKENIZER FILE [--no-special] [--no-parse]
//
//   tokenize-lines chat TOKENIZER FILE [--no-prompt] [--ids]
//
// `encode` reads one JSON string per line and prints a JSON array of ids per
// line; `decode` reads arrays and prints strings; `file` encodes a whole file
// as one text and prints its ids on one line; `chat` reads arrays of {role,
// content} and prints the rendered text or its ids. An error is printed as a
// JSON object.
#include "fingpt/Support/MappedFile.h"
#include "fingpt/Tokenizer/Tokenizer.h"

#include <chrono>
#include <cstdio>
#include <cstring>

using namespace fingpt;

static int usage() {
  std::fprintf(stderr, "usage: tokenize-lines encode|decode|file|chat "
                       "TOKENIZER FILE [OPTION]\n");
  return 2;
}

static void print(const Json &value) { std::printf("%s\n", value.dump().c_str()); }

int main(int argc, char **argv) {
  if (argc < 4)
    return usage();
  std::string mode = argv[1];
  EncodeOptions options;
  bool skipSpecial = true, stream = false, prompt = true, ids = false;
  for (int i = 4; i < argc; ++i) {
    std::string_view option = argv[i];
    if (option == "--no-special")
      options.addSpecial = false;
    else if (option == "--no-parse")
      options.parseSpecial = false;
    else if (option == "--keep-special")
      skipSpecial = false;
    else if (option == "--stream")
      stream = true;
    else if (option == "--no-prompt")
      prompt = false;
    else if (option == "--ids")
      ids = true;
    else
      return usage();
  }
  auto tokenizer = Tokenizer::load(argv[2]);
  if (!tokenizer) {
    std::fprintf(stderr, "error: %s\n", tokenizer.error().message().c_str());
    return 1;
  }
  auto input = readFile(argv[3]);
  if (!input) {
    std::fprintf(stderr, "error: %s\n", input.error().message().c_str());
    return 1;
  }
  auto encode = [&](std::string_view text) {
    auto ids = (*tokenizer)->encode(text, options);
    if (ids)
      print(*ids);
    else
      print({{"error", ids.error().message()}});
  };
  if (mode == "file") {
    auto start = std::chrono::steady_clock::now();
    encode(*input);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::fprintf(stderr, "%.3f s, %.2f MB/s with printing\n", took.count(),
                 static_cast<double>(input->size()) / 1e6 / took.count());
    return 0;
  }
  std::string_view rest = *input;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    auto json = parseJson(line);
    if (!json) {
      std::fprintf(stderr, "error: %s\n", json.error().message().c_str());
      return 1;
    }
    if (mode == "encode") {
      encode(json->get<std::string>());
    } else if (mode == "decode") {
      auto ids = json->get<std::vector<int32_t>>();
      std::string text;
      if (stream) {
        StreamDecoder decoder(**tokenizer, skipSpecial);
        for (int32_t id : ids)
          text += decoder.push(id);
        text += decoder.finish();
      } else {
        text = (*tokenizer)->decode(ids, skipSpecial);
      }
      print(text);
    } else if (mode == "chat") {
      std::vector<ChatMessage> messages;
      for (const Json &m : *json)
        messages.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
      auto show = [](const auto &result) {
        if (result)
          print(*result);
        else
          print({{"error", result.error().message()}});
      };
      if (ids)
        show(encodeChat(**tokenizer, messages, prompt));
      else
        show(renderChat(**tokenizer, messages, prompt));
    } else {
      return usage();
    }
  }
  return 0;
}
