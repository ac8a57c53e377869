# The readers of lib/Tokenizer; every target also encodes and decodes a little
# text with what it has read.
set(tokenizer_stages
  lib/Tokenizer/AddedTokens.cpp lib/Tokenizer/BPE.cpp lib/Tokenizer/CharsMap.cpp
  lib/Tokenizer/Decoders.cpp lib/Tokenizer/Pattern.cpp lib/Tokenizer/PatternEmitter.cpp lib/Tokenizer/PatternParser.cpp
  lib/Tokenizer/PreTokenizers.cpp lib/Tokenizer/Scanner.cpp lib/Tokenizer/Unigram.cpp)
fingpt_add_fuzzer(tokenizer-json
  SOURCES TokenizerJsonFuzzer.cpp
  LINK FingptTokenizer
  DICTIONARY tokenizer.dict
  COVERS lib/Tokenizer/TokenizerJson.cpp lib/Tokenizer/Components.cpp ${tokenizer_stages}
  TESTS TokenizerTests)
fingpt_add_fuzzer(tokenizer-sentencepiece
  SOURCES TokenizerSentencePieceFuzzer.cpp
  LINK FingptTokenizer
  COVERS lib/Tokenizer/SentencePieceModel.cpp lib/Tokenizer/SentencePiece.cpp
  TESTS TokenizerTests)
fingpt_add_fuzzer(tokenizer-gguf
  SOURCES TokenizerGGUFFuzzer.cpp
  LINK FingptTokenizer
  DICTIONARY gguf.dict
  COVERS lib/Tokenizer/GGUFVocabulary.cpp
  TESTS TokenizerTests)
fingpt_add_fuzzer(tokenizer-bin
  SOURCES TokenizerBinFuzzer.cpp
  LINK FingptTokenizer
  COVERS lib/Tokenizer/SentencePieceModel.cpp
  TESTS TokenizerTests)
