// The stages of a tokenizer before and beside its model.
//
//   "Héllo  you" ─normalizers→ "hello  you" ─pre-tokenizers→ [hello][  ][you]
//
// A normalizer rewrites a whole text; a pre-tokenizer cuts (and may rewrite)
// one piece at a time and hands the parts on, so no list of pieces is ever
// held.
#ifndef FINGPT_LIB_TOKENIZER_STAGES_H
#define FINGPT_LIB_TOKENIZER_STAGES_H

#include "FunctionRef.h"
#include "Scanner.h"
#include "fingpt/Support/Result.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fingpt::tokenizer {

class Normalizer {
public:
  virtual ~Normalizer() = default;
  /// Fails only for text that exceeds the work or growth limits.
  virtual Status apply(std::string &text) const = 0;
};

struct Piece {
  std::string_view text; ///< not empty
  bool first;            ///< begins where the whole input begins
};
using PieceSink = FunctionRef<void(Piece)>;

class PreTokenizer {
public:
  virtual ~PreTokenizer() = default;
  virtual Status split(Piece piece, PieceSink sink) const = 0;
};

/// A known pattern, every match and every stretch between a piece of its own.
class ScannerPreTokenizer : public PreTokenizer {
public:
  explicit ScannerPreTokenizer(Scanner scanner) : scanner(scanner) {}
  Status split(Piece piece, PieceSink sink) const override {
    const char *begin = piece.text.data();
    scanner.split(piece.text, [&](std::string_view part) {
      sink({part, piece.first && part.data() == begin});
    });
    return Status::ok();
  }

private:
  Scanner scanner;
};

using NormalizerList = std::vector<std::unique_ptr<Normalizer>>;
using PreTokenizerList = std::vector<std::unique_ptr<PreTokenizer>>;

Status normalize(const NormalizerList &steps, std::string &text);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_STAGES_H
