// A two-layer decoder of 32 tokens with random parameters, as text.
#ifndef FINGPT_TEST_UNIT_DRIVER_TINYMODEL_H
#define FINGPT_TEST_UNIT_DRIVER_TINYMODEL_H

#include <string>

namespace fingpt::test {

inline std::string tinyModel() {
  const std::string h = "tensor<?x?x64xf32>", kv = "tensor<?x?x32xf32>", ids = "tensor<?x?xi32>";
  std::string text =
      "module attributes {fin.model = #fin.model<arch = \"llama\", context_length = 128, "
      "vocab_size = 32, layers = 2>, fin.params = \"random:7\"} {\n"
      "func.func @forward(%tokens: " +
      ids +
      ") -> tensor<?x?x32xf32> {\n"
      "%table = fin.param \"embed.weight\" : tensor<32x64xf32>\n"
      "%h0 = fin.embedding %tokens, %table : " +
      ids +
      ", tensor<32x64xf32>\n"
      "%pos = fin.positions %tokens : " +
      ids + "\n";
  for (int l = 0; l < 2; ++l) {
    std::string n = std::to_string(l), m = std::to_string(l + 1), k = "model.layers." + n + ".";
    text += "%g" + n + " = fin.param \"" + k +
            "norm.weight\" : tensor<64xf32>\n"
            "%n" +
            n + " = fin.rms_norm %h" + n + ", %g" + n + " {eps = 1.0e-5 : f64} : " + h +
            ", tensor<64xf32>\n"
            "%wq" +
            n + " = fin.param \"" + k +
            "q.weight\" : tensor<64x64xf32>\n"
            "%wk" +
            n + " = fin.param \"" + k +
            "k.weight\" : tensor<32x64xf32>\n"
            "%wv" +
            n + " = fin.param \"" + k +
            "v.weight\" : tensor<32x64xf32>\n"
            "%q" +
            n + " = fin.linear %n" + n + ", %wq" + n + " : " + h +
            ", tensor<64x64xf32>\n"
            "%k" +
            n + " = fin.linear %n" + n + ", %wk" + n + " : " + h +
            ", tensor<32x64xf32>\n"
            "%v" +
            n + " = fin.linear %n" + n + ", %wv" + n + " : " + h +
            ", tensor<32x64xf32>\n"
            "%qr" +
            n + " = fin.rope half %q" + n +
            " at %pos {base = 1.0e4 : f64, head_dim = 16 : i64}"
            " : " +
            h + ", " + ids +
            "\n"
            "%kr" +
            n + " = fin.rope half %k" + n +
            " at %pos {base = 1.0e4 : f64, head_dim = 16 : i64}"
            " : " +
            kv + ", " + ids +
            "\n"
            "%a" +
            n + " = fin.attention %qr" + n + " at %pos, %kr" + n + ", %v" + n +
            " {heads = 4 : i64, kv_heads = 2 : i64, causal, scale = 0.25 : f64} : (" + h + ", " +
            ids + ", " + kv + ", " + kv + ") -> " + h +
            "\n"
            "%m" +
            n + " = arith.addf %h" + n + ", %a" + n + " : " + h +
            "\n"
            "%s" +
            n + " = fin.silu %m" + n + " : " + h +
            "\n"
            "%h" +
            m + " = arith.addf %m" + n + ", %s" + n + " : " + h + "\n";
  }
  return text + "%y = fin.linear %h2, %table : " + h +
         ", tensor<32x64xf32>\nreturn %y : tensor<?x?x32xf32>\n}}\n";
}

} // namespace fingpt::test

#endif // FINGPT_TEST_UNIT_DRIVER_TINYMODEL_H
