// SentencePiece's .model (a protobuf message) and llama2.c's tokenizer.bin.
//
// ModelProto: 1 pieces* {1 piece, 2 score, 3 type}, 2 trainer_spec,
// 3 normalizer_spec. Everything else is skipped.

#include "BPE.h"
#include "Pipeline.h"
#include "SentencePiece.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace fingpt {

using namespace tokenizer;

namespace {

std::string hexOffset(size_t offset) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "0x%zx", offset);
  return buffer;
}

/// Walks the fields of one protobuf message. The first fault stays in
/// `problem`.
class Message {
public:
  Message(std::string_view bytes, size_t offset, const std::string &file)
      : bytes(bytes), offset(offset), file(file) {}

  unsigned field = 0, wire = 0;
  uint64_t number = 0;      ///< of a varint, fixed32 or fixed64
  std::string_view payload; ///< of a length-delimited field
  size_t payloadOffset = 0;
  Status problem;

  /// Reads the next field; false at the end or at a fault.
  bool next() {
    if (!problem || at == bytes.size())
      return false;
    start = at;
    uint64_t tag;
    if (!varint(tag))
      return false;
    field = static_cast<unsigned>(tag >> 3);
    wire = static_cast<unsigned>(tag & 7);
    if (tag >> 32 != 0 || field == 0)
      return fail("field number", "1 to 536870911", std::to_string(tag >> 3));
    if (wire == 0)
      return varint(number);
    if (wire == 1 || wire == 5)
      return fixed(wire == 1 ? 8 : 4);
    if (wire != 2)
      return fail("wire type", "0, 1, 2 or 5", std::to_string(wire));
    uint64_t length;
    if (!varint(length))
      return false;
    if (length > bytes.size() - at)
      return fail("field of " + std::to_string(length) + " bytes",
                  "at most " + std::to_string(bytes.size() - at), "more");
    payload = bytes.substr(at, static_cast<size_t>(length));
    payloadOffset = offset + at;
    at += static_cast<size_t>(length);
    return true;
  }
  /// Checks the wire type of the field just read.
  bool expect(unsigned type) {
    return wire == type || fail("wire type of field " + std::to_string(field), std::to_string(type),
                                std::to_string(wire));
  }
  bool fail(const std::string &what, const std::string &expected, const std::string &got) {
    if (problem)
      problem =
          Error::at(escaped(file, 1000) + ":" + hexOffset(offset + start), what, expected, got);
    return false;
  }

private:
  bool varint(uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at == bytes.size())
        return fail("number", "more bytes", "the end");
      auto byte = static_cast<unsigned char>(bytes[at++]);
      value |= uint64_t(byte & 0x7F) << shift;
      if (byte < 0x80)
        return true;
    }
    return fail("number", "at most 10 bytes", "more");
  }
  bool fixed(size_t size) {
    if (bytes.size() - at < size)
      return fail("number", std::to_string(size) + " bytes", std::to_string(bytes.size() - at));
    number = 0;
    std::memcpy(&number, bytes.data() + at, size);
    at += size;
    return true;
  }

  std::string_view bytes;
  size_t offset, at = 0, start = 0;
  const std::string &file;
};

float asFloat(uint64_t bits) {
  auto low = static_cast<uint32_t>(bits);
  float value;
  std::memcpy(&value, &low, 4);
  return value;
}

class ModelReader {
public:
  ModelReader(std::string_view bytes, const std::string &name) : bytes(bytes), name(name) {}

  Status read() {
    Message message(bytes, 0, name);
    while (message.next()) {
      if (message.field < 1 || message.field > 3)
        continue;
      if (!message.expect(2))
        break;
      Message part(message.payload, message.payloadOffset, name);
      bool good = message.field == 1   ? piece(part)
                  : message.field == 2 ? trainer(part)
                                       : normalizer(part);
      if (!good)
        return part.problem;
    }
    if (!message.problem)
      return message.problem;
    auto missing = [&](const char *what) {
      return Error::at(escaped(name, 1000) + ":" + hexOffset(bytes.size()), "missing", what,
                       "the end");
    };
    if (pieces.scores.empty())
      return missing("pieces");
    if (!sawTrainer)
      return missing("a trainer_spec");
    if (!sawNormalizer)
      return missing("a normalizer_spec");
    if (pieces.unknown < 0)
      return missing("a piece of type UNKNOWN");
    if (modelType != 1 && modelType != 2)
      return Error::at(escaped(name, 1000), "model type", "1 (unigram) or 2 (BPE)",
                       std::to_string(modelType));
    return Status::ok();
  }

  std::unique_ptr<Pipeline> pipeline = std::make_unique<Pipeline>();
  ScoredPieces pieces;
  SentencePieceNormalizerOptions options;
  CharsMap map;
  uint64_t modelType = 1;
  std::string bosPiece = "<s>", eosPiece = "</s>", padPiece = "<pad>";

private:
  bool piece(Message &m) {
    std::string_view text;
    float score = 0;
    uint64_t type = 1;
    while (m.next()) {
      if (m.field == 1 && m.expect(2))
        text = m.payload;
      else if (m.field == 2 && m.expect(5))
        score = asFloat(m.number);
      else if (m.field == 3 && m.expect(0))
        type = m.number;
    }
    if (!m.problem)
      return false;
    if (text.empty())
      return m.fail("piece", "a text", "none");
    if (type < 1 || type > 6)
      return m.fail("piece type", "1 to 6", std::to_string(type));
    if (!std::isfinite(score))
      return m.fail("score", "a finite number", "another");
    size_t id = pieces.scores.size();
    if (id > static_cast<size_t>(kMaxTokenId))
      return m.fail("pieces", "at most " + std::to_string(kMaxTokenId + 1), "more");
    auto kind = static_cast<PieceType>(type);
    if (kind == PieceType::Byte && byteOfToken(text) < 0)
      return m.fail("byte piece", "<0x00> to <0xFF>", quote(text));
    if (kind != PieceType::Normal && kind != PieceType::Byte && text.size() > kMaxAddedTokenBytes)
      return m.fail("special piece", "at most " + std::to_string(kMaxAddedTokenBytes) + " bytes",
                    std::to_string(text.size()));
    if (kind == PieceType::Unknown) {
      if (pieces.unknown >= 0)
        return m.fail("pieces of type UNKNOWN", "one", "a second, " + quote(text));
      pieces.unknown = static_cast<int32_t>(id);
    }
    if (pipeline->vocabulary.add(text, static_cast<int32_t>(id)) != Vocabulary::Added::Ok)
      return m.fail("duplicate piece", "distinct texts", quote(text));
    pieces.scores.push_back(score);
    pieces.types.push_back(kind);
    return true;
  }

  bool trainer(Message &m) {
    sawTrainer = true;
    while (m.next()) {
      if (m.field == 3 && m.expect(0))
        modelType = m.number;
      else if (m.field == 24 && m.expect(0))
        options.spaceAsSuffix = m.number != 0;
      else if (m.field == 35 && m.expect(0))
        pieces.byteFallback = m.number != 0;
      else if (m.field == 46 && m.expect(2))
        bosPiece = m.payload;
      else if (m.field == 47 && m.expect(2))
        eosPiece = m.payload;
      else if (m.field == 48 && m.expect(2))
        padPiece = m.payload;
    }
    return bool(m.problem);
  }

  bool normalizer(Message &m) {
    sawNormalizer = true;
    while (m.next()) {
      if (m.field == 2 && m.expect(2)) {
        auto parsed =
            CharsMap::parse(m.payload, escaped(name, 1000) + ":" + hexOffset(m.payloadOffset));
        if (!parsed) {
          m.problem = parsed.takeError();
          return false;
        }
        map = std::move(*parsed);
      } else if (m.field == 3 && m.expect(0)) {
        options.addDummyPrefix = m.number != 0;
      } else if (m.field == 4 && m.expect(0)) {
        options.removeExtraSpaces = m.number != 0;
      } else if (m.field == 5 && m.expect(0)) {
        options.escapeSpaces = m.number != 0;
      }
    }
    return bool(m.problem);
  }

  std::string_view bytes;
  const std::string &name;
  bool sawTrainer = false, sawNormalizer = false;
};

} // namespace

void tokenizer::buildSentencePiece(Pipeline &pipeline, ScoredPieces pieces, bool unigram,
                                   CharsMap map, SentencePieceNormalizerOptions options) {
  std::vector<std::string> userDefined;
  for (size_t i = 0; i < pieces.types.size(); ++i)
    if (pieces.types[i] == PieceType::UserDefined)
      userDefined.emplace_back(pipeline.vocabulary.text(static_cast<int32_t>(i)));
  pipeline.normalizers.push_back(
      sentencePieceNormalizer(std::move(map), options, std::move(userDefined)));
  if (unigram)
    pipeline.model =
        std::make_unique<Unigram>(pipeline.vocabulary, std::move(pieces), UnigramOptions());
  else
    pipeline.model = std::make_unique<SentencePieceBPE>(pipeline.vocabulary, std::move(pieces));
  if (options.addDummyPrefix || options.removeExtraSpaces)
    pipeline.decoders.push_back([all = options.removeExtraSpaces] {
      return leadingSpaceDecoder(std::string(kSpaceSymbol), all);
    });
  pipeline.decoders.push_back([] { return replaceDecoder(std::string(kSpaceSymbol), " "); });
  pipeline.decoders.push_back(rawByteDecoder);
  pipeline.decoders.push_back(utf8Decoder);
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::fromSentencePiece(std::string_view bytes,
                                                                const std::string &name) {
  ModelReader reader(bytes, name);
  if (Status s = reader.read(); !s)
    return s.takeError();
  Pipeline &pipeline = *reader.pipeline;
  SpecialTokens &special = pipeline.specialForUpdate();
  special.unk = reader.pieces.unknown;
  auto control = [&](const std::string &text) -> std::optional<int32_t> {
    auto id = pipeline.vocabulary.idOf(text);
    return id && reader.pieces.types[static_cast<size_t>(*id)] == PieceType::Control ? id
                                                                                     : std::nullopt;
  };
  special.bos = control(reader.bosPiece);
  special.eos = control(reader.eosPiece);
  special.pad = control(reader.padPiece);
  // The file does not say which of them a model wants: BPE models are Llama's
  // heirs and begin with BOS, unigram models T5's and end with EOS.
  bool unigram = reader.modelType == 1;
  if (!unigram && special.bos)
    pipeline.before.push_back(*special.bos);
  if (unigram && special.eos)
    pipeline.after.push_back(*special.eos);
  finishSpecial(pipeline);
  for (size_t i = 0; i < reader.pieces.types.size(); ++i) {
    PieceType type = reader.pieces.types[i];
    if (type != PieceType::Control && type != PieceType::Unknown)
      continue;
    AddedToken token;
    token.id = static_cast<int32_t>(i);
    token.content = std::string(pipeline.vocabulary.text(token.id));
    token.special = true;
    if (Status s = pipeline.addToken(token); !s)
      return s.takeError();
  }
  buildSentencePiece(pipeline, std::move(reader.pieces), unigram, std::move(reader.map),
                     reader.options);
  return std::unique_ptr<Tokenizer>(std::move(reader.pipeline));
}

/// i32 longest; then per token f32 score, i32 length, bytes. Ids 0 unknown, 1
/// BOS, 2 EOS, then the 256 bytes. Pieces have plain spaces for ▁.
Result<std::unique_ptr<Tokenizer>> Tokenizer::fromLlama2C(std::string_view bytes,
                                                          const std::string &name) {
  size_t at = 4;
  auto fail = [&](const std::string &what, const std::string &expected, const std::string &got) {
    return Error::at(escaped(name, 1000) + ":" + hexOffset(at), what, expected, got);
  };
  if (bytes.size() < 4) {
    at = 0;
    return fail("longest token", "4 bytes", std::to_string(bytes.size()));
  }
  auto pipeline = std::make_unique<Pipeline>();
  ScoredPieces pieces;
  while (at < bytes.size()) {
    if (bytes.size() - at < 8)
      return fail("token", "8 bytes of score and length", std::to_string(bytes.size() - at));
    float score;
    int32_t length;
    std::memcpy(&score, bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    if (!std::isfinite(score))
      return fail("score", "a finite number", std::to_string(score));
    if (length < 1 || static_cast<size_t>(length) > bytes.size() - at - 8)
      return fail("token length", "1 to " + std::to_string(bytes.size() - at - 8),
                  std::to_string(length));
    std::string_view text = bytes.substr(at + 8, static_cast<size_t>(length));
    size_t id = pieces.scores.size();
    if (id > static_cast<size_t>(kMaxTokenId))
      return fail("tokens", "at most " + std::to_string(kMaxTokenId + 1), "more");
    if (id >= 3 && id < 259 && byteOfToken(text) != static_cast<int>(id - 3))
      return fail("byte token " + std::to_string(id), "<0x00> to <0xFF> in order", quote(text));
    // Writing a space for ▁ can make two pieces alike; the first is found.
    pipeline->vocabulary.addAllowingTwins(text, static_cast<int32_t>(id));
    pieces.scores.push_back(score);
    pieces.types.push_back(id == 0    ? PieceType::Unknown
                           : id < 3   ? PieceType::Control
                           : id < 259 ? PieceType::Byte
                                      : PieceType::Normal);
    at += 8 + static_cast<size_t>(length);
  }
  if (pieces.scores.size() < 259)
    return fail("tokens", "at least 259", std::to_string(pieces.scores.size()));
  pieces.unknown = 0;
  pieces.byteFallback = true;
  SpecialTokens &special = pipeline->specialForUpdate();
  special.unk = 0;
  special.bos = 1;
  special.eos = 2;
  special.stop = {2, 1}; // stories end where the next one begins
  special.addBos = true;
  pipeline->before = {1};
  pipeline->specialIds = {0, 1, 2};
  SentencePieceNormalizerOptions options;
  options.removeExtraSpaces = options.escapeSpaces = false;
  options.keepInvalid = true;
  pipeline->normalizers.push_back(sentencePieceNormalizer({}, options, {}));
  pipeline->model = std::make_unique<SentencePieceBPE>(pipeline->vocabulary, std::move(pieces));
  pipeline->decoders = {[] { return leadingSpaceDecoder(" ", false); }, rawByteDecoder,
                        utf8Decoder};
  return std::unique_ptr<Tokenizer>(std::move(pipeline));
}

} // namespace fingpt
