#ifndef FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD
#define FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FinDecompose : Pass<"fin-decompose"> {
  let summary = "rewrite fin ops into the upstream ops that define them";
  let description = [{
    Replaces every op that implements `DecomposeOpInterface` by its definition
    in `linalg`, `tensor`, `arith`, `math` and `scf`. Executed in f64 the result
    is the oracle for every kernel and rewrite; executed after
    `fin-hoist-weights` and `fin-relax-reductions` it is the fallback that runs
    any op on any target.

    ```mlir
    %y = fin.linear %x, %w : tensor<4x576xf32>, tensor<192x576xf32>
    // becomes
    %0 = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x192xf32>)
    %y = linalg.generic { ... ["parallel", "parallel", "reduction"] }
           ins(%x, %w) outs(%0) { mulf, addf }
    ```

    Refused: a name in `only` or `except` that is no op with a definition.
  }];
  let dependentDialects = ["::fingpt::fin::FinDialect"];
  let options = [
    ListOption<"only", "only", "std::string",
      "Decompose only these ops (`linear`, `rope`, …); default: all">,
    ListOption<"except", "except", "std::string", "Leave these ops alone">
  ];
}

def FinAddKVCache : Pass<"fin-add-kv-cache", "::mlir::ModuleOp"> {
  let summary = "make @prefill and @decode from @forward";
  let description = [{
    Makes token-by-token generation possible. `@forward(%tokens)` stays the one
    source; this pass clones it twice, threads one stacked cache
    `[layers, 2, batch, context, kv_heads·head_dim]` through the attentions and
    takes positions from outside:

    ```mlir
    func.func @decode(%tokens, %positions, %cache) -> (%logits, %cache)
    func.func @prefill(%tokens, %positions, %lengths, %cache) -> (%last_logits, %cache)
    // in each layer
    %c1 = fin.cache_append %c[%layer], %k, %v at %positions
    %k1, %v1 = fin.cache_read %c1[%layer]
    %a = fin.attention %q at %positions, %k1, %v1 {...}
    ```

    `%cache` is donated (`bufferization.writable`): it is updated in place.
    `@prefill` projects the last valid token of each sequence only
    (`%lengths` counts the valid tokens of each row). After `fin-quantize-kv` the
    cache holds the bytes of quantized rows. Refused: a module without `@forward`, attention that is not causal or not positioned by
    `fin.positions` of the tokens, layers whose keys and values differ in width.
  }];
}

def FinQuantizeKV : Pass<"fin-quantize-kv", "::mlir::ModuleOp"> {
  let summary = "keys and values of 8 or 4 bits";
  let description = [{
    Rounds the keys and values of every attention of `@forward` to `bits` bits, with a scale and a
    minimum per token and run of `group-size` elements of a head (the greatest common divisor with
    the size of a head, if that is less). `fin-add-kv-cache` puts its cache between the two ops: it
    holds 9 or 5 bits per element at groups of 32, in place of 32 bits.

    ```mlir
    %q1 = fin.hadamard %q {size = 64 : i64} : tensor<?x?x576xf32>
    %k1 = fin.hadamard %k {size = 64 : i64} : tensor<?x?x192xf32>
    %kq = fin.quantize_rows %k1 {bits = 4 : i64, group_size = 64 : i64} : …
    %kd = fin.dequantize_rows %kq {bits = 4 : i64, group_size = 64 : i64} : …
    %a = fin.attention %q1 at %positions, %kd, %vd {…}
    ```

    With `rotate`, queries and keys are turned by a Hadamard matrix per head before, which their
    product does not see, and values before and after: outlier channels are spread over the head
    (QuaRot, arXiv 2404.00456). Heads whose size is no power of two stay as they are, and keys that
    `fin-rotate=online` has turned are not turned again.

    Refused: bits other than 4 and 8, a `@forward` without attention, keys or values that are
    quantized already.
  }];
  let options = [
    Option<"bits", "bits", "int64_t", "8", "8 or 4">,
    Option<"groupSize", "group-size", "int64_t", "32", "Elements with one scale, at most">,
    Option<"rotate", "rotate", "bool", "true", "Turn heads by a Hadamard matrix first">
  ];
  let statistics = [
    Statistic<"numQuantized", "quantized", "Attentions whose keys and values are rounded">
  ];
}

def FinHoistWeights : Pass<"fin-hoist-weights", "::mlir::ModuleOp"> {
  let summary = "compute once per load what depends on parameters alone";
  let description = [{
    Every value that a pure computation makes of parameters and constants, and
    that something else uses, becomes a parameter of its own, computed by
    `@prepare`. Expressions of one form share one function, so that code size
    does not grow with depth; one expression used in several functions is
    computed once.

    ```mlir
    %w = fin.dequantize %codes scales %s mins %m {...}
    %y = fin.linear %x, %w
    // becomes
    func.func private @prepare_0(%bytes, %s, %m) -> tensor<576x576xf32> { ... }
    func.func @prepare() {
      %w = call @prepare_0(...)
      fin.store %w, "prepared/model.layers.0.self_attn.q_proj.weight"
      ... }
    %w = fin.param "prepared/model.layers.0.self_attn.q_proj.weight"
    %y = fin.linear %x, %w
    ```
  }];
}

def FinOutlineLayers : Pass<"fin-outline-layers", "::mlir::ModuleOp"> {
  let summary = "one function per distinct layer";
  let description = [{
    Groups the ops of a function by the layer number in the keys of the
    parameters that they use (`model.layers.7.…`) and moves each layer into a
    private function of its inputs and parameters; layers that are equal up to
    their parameters share one. Compile time then does not grow with depth.

    The hidden state that layer i hands to layer i+1 is written into the buffer
    that came in, so a chain of layers allocates nothing.

    ```mlir
    %h1 = call @forward_layer(%h0, %positions, %w0_0, %w0_1, …)
    %h2 = call @forward_layer(%h1, %positions, %w1_0, %w1_1, …)
    ```
  }];
}

def FinBindParams : Pass<"fin-bind-params", "::mlir::ModuleOp"> {
  let summary = "parameters become one table of pointers";
  let description = [{
    The ABI of compiled code. Every public function takes a pointer `%P` to a
    table of parameter pointers as its first argument and lists the keys, in
    table order, in its attribute `fin.params`; the parameters of one call of an
    outlined function are consecutive, and the callee takes the address of its
    first slot. A `fin.param` becomes a read-only tensor over the pointer.

    Results of public functions become destinations: one more argument each,
    donated, unless the result is the new value of a donated argument.

    `@prepare` becomes data: the module attribute `fin.prepare` lists function,
    parameter keys and result key of each of its calls; the functions become
    public with the same ABI.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect"];
}

def FinRelaxReductions : Pass<"fin-relax-reductions"> {
  let summary = "allow reassociation in sums of static extent";
  let description = [{
    A sum in the definition of an op is strictly ordered. Where its extent is
    static (a width, not the context), this pass marks the addition
    `reassoc, contract` and the product `contract`, so that LLVM vectorizes it.
    Sums over the context keep their order: rows then do not depend on how many
    tokens are processed together.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def FinConvertPrecision : Pass<"fin-convert-precision", "::mlir::ModuleOp"> {
  let summary = "run the graph in another float type";
  let description = [{
    Every float tensor that is no parameter takes the element type `to`;
    parameters keep their stored type and are converted where they are used.
    `to=f64` is the oracle of every kernel and rewrite.

    ```mlir
    %w = fin.param "w" : tensor<64x64xf16>
    %w64 = arith.extf %w : tensor<64x64xf16> to tensor<64x64xf64>
    %y = fin.linear %x, %w64 : tensor<?x?x64xf64>, tensor<64x64xf64>
    ```
  }];
  let options = [
    Option<"to", "to", "std::string", "\"f32\"", "f16, bf16, f32 or f64">
  ];
}

def FinUseKernels : Pass<"fin-use-kernels"> {
  let summary = "linear layers and attention become fin_kernel ops";
  let description = [{
    Replaces f32 `fin.linear` and `fin.attention` by destination-style
    `fin_kernel` ops, which survive bufferization and become calls of the
    runtime's kernels. Whatever the kernels do not take stays and is decomposed.
  }];
  let dependentDialects = ["::fingpt::fin_kernel::FinKernelDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FinObserve : Pass<"fin-observe", "::mlir::ModuleOp"> {
  let summary = "@forward returns what calibration reads";
  let description = [{
    Adds to the results of `@forward` every distinct input of its linear layers: compiled, it hands
    out activations beside its logits. `fin.tap` on a result lists the weights that read it, by the
    names that all passes use; a weight of several linears is listed where it is used first.

    ```mlir
    func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x49152xf32> {
      …
      %q = fin.linear %n, %wq : …
      %k = fin.linear %n, %wk : …
      …
      return %logits : …
    // becomes
    func.func @forward(%tokens: tensor<?x?xi32>) -> (
        tensor<?x?x49152xf32>,
        tensor<?x?x576xf32> {fin.tap = ["layers.0.q_proj.weight", "layers.0.k_proj.weight"]},
        …) {
      …
      return %logits, %n, … : …
    ```

    With `residual` the points of the residual stream follow, `fin.tap = ["residual.0"]` and so on:
    the values at which one float tensor is all that is alive, two for a layer that adds twice.
    These are the names of `fingpt calibrate --residual` and of the bases of `fin-slice`. A point
    that linears read itself (post-norm models) is one result with all of its names.

    The graph is not changed otherwise: taps are values that exist already. Runs before
    `fin-add-kv-cache` and `fin-hoist-weights`. Refused: a `@forward` that has taps already, is
    called, or has several blocks; an input that exists inside a region only; a regular expression
    that cannot be read.
  }];
  let options = [
    Option<"only", "only", "std::string", "\"\"", "Regular expression: weights by name">,
    Option<"skip", "skip", "std::string", "\"\"", "Regular expression: weights to leave out">,
    Option<"residual", "residual", "bool", "false", "Points of the residual stream too">
  ];
  let statistics = [
    Statistic<"numTaps", "taps", "Distinct inputs of linears that are returned">,
    Statistic<"numPoints", "points", "Points of the residual stream that are returned">
  ];
}

def FinQuantizeWeights : Pass<"fin-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "weights become codes, scales and residual pairs";
  let description = [{
    Rounds the weights of linear layers to the format that `scheme` spells (see the table in
    `QuantScheme.h`: w2…w8, groups, nf4, fp4, mxfp4, nvfp4, `-sym`, `-min`, `-clip`, `-dq`). `:gptq`,
    `:awq`, `:hqq` or `:rtn` after it names the method; without one it is GPTQ where `stats` has the
    inputs, rounding to nearest otherwise. `+lrN` adds a low-rank pair that carries what rounding
    lost, `+lrN:loftq` alternates both.

    ```mlir
    %w = fin.param "model.layers.0.mlp.up_proj.weight" : tensor<1536x576xf32>
    // becomes, with scheme=w4g64
    %q = fin.param "model.layers.0.mlp.up_proj.weight.q.codes" : tensor<1536x576xui4>
    %s = fin.param "model.layers.0.mlp.up_proj.weight.q.scales" : tensor<1536x9xf16>
    %z = fin.param "model.layers.0.mlp.up_proj.weight.q.zeros" : tensor<1536x9xui4>
    %w = fin.dequantize %q scales %s zeros %z {group_size = 64 : i64} : …
    // and with scheme=w3g64+lr16
    %w = fin.sum (fin.dequantize …), (fin.low_rank %b, %a)
    ```

    The factors of a weight that is a low-rank pair already are rounded each by itself, under the
    statistics that each one's input has. A weight of any other form is evaluated and rounded anew.
    Tables that tokens are looked up in stay, tied heads with them, unless `embeddings` is set.

    Refused: a scheme or regular expression that cannot be read, statistics of another model, weights
    that are not finite (named).
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"w4g128\"", "Format and method, such as w4g64:gptq+lr16">,
    Option<"stats", "stats", "std::string", "\"\"", "Statistics from fingpt calibrate">,
    Option<"only", "only", "std::string", "\"\"", "Regular expression: weights by name">,
    Option<"skip", "skip", "std::string", "\"\"", "Regular expression: weights to leave alone">,
    Option<"embeddings", "embeddings", "bool", "false", "Token tables and tied heads too">
  ];
  let statistics = [
    Statistic<"numQuantized", "quantized", "Weights that were quantized">,
    Statistic<"bytesBefore", "bytes-before", "Stored bytes of those weights before">,
    Statistic<"bytesAfter", "bytes-after", "Stored bytes of those weights after">
  ];
}

def FinFactorize : Pass<"fin-factorize", "::mlir::ModuleOp"> {
  let summary = "weights become low-rank pairs";
  let description = [{
    Truncates the singular value decomposition of a weight, `svdPERCENT` removing that share of its
    parameters. With `stats` the weight is whitened by the Cholesky factor of its inputs' Gram matrix
    (SVD-LLM), so that the least output error is lost; `:asvd` scales by mean|x|^½, `:svd` does
    neither. Ranks are multiples of 8; where a pair would not save bytes the weight stays.

    ```mlir
    %w = fin.param "model.layers.0.mlp.gate_proj.weight" : tensor<1536x576xf32>
    // becomes
    %b = fin.param "model.layers.0.mlp.gate_proj.weight.lr.b" : tensor<1536x312xf16>
    %a = fin.param "model.layers.0.mlp.gate_proj.weight.lr.a" : tensor<312x576xf16>
    %w = fin.low_rank (arith.extf %b), (arith.extf %a)
    ```

    `svd25+w8` rounds the factors to 8 bits in the same step. With `:svd-llm-v2` the share is that of
    all weights together: ranks follow the spectra.
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"svd25\"", "svdPERCENT, with :svd, :asvd, :svd-llm or :svd-llm-v2">,
    Option<"stats", "stats", "std::string", "\"\"", "Statistics from fingpt calibrate">,
    Option<"only", "only", "std::string", "\"\"", "Regular expression: weights by name">,
    Option<"skip", "skip", "std::string", "\"\"", "Regular expression: weights to leave alone">
  ];
  let statistics = [
    Statistic<"numFactorized", "factorized", "Weights that became pairs">,
    Statistic<"bytesBefore", "bytes-before", "Stored bytes of those weights before">,
    Statistic<"bytesAfter", "bytes-after", "Stored bytes of those weights after">
  ];
}

def FinMaterializeWeights : Pass<"fin-materialize-weights", "::mlir::ModuleOp"> {
  let summary = "weight expressions become dense parameters";
  let description = [{
    Evaluates every weight of a linear layer or table and replaces it by one dense f32 parameter,
    "NAME.dense": what a compressed model looks like to a tool that knows no expressions.

    ```mlir
    %w = fin.dequantize %codes scales %s {group_size = 32 : i64} : …
    // becomes
    %w = fin.param "model.layers.0.mlp.up_proj.weight.dense" : tensor<1536x576xf32>
    ```
  }];
  let options = [
    Option<"only", "only", "std::string", "\"\"", "Regular expression: weights by name">
  ];
  let statistics = [
    Statistic<"numMaterialized", "materialized", "Weights that became dense">
  ];
}

def FinWriteParams : Pass<"fin-write-params", "::mlir::ModuleOp"> {
  let summary = "write the parameters of the graph to a safetensors file";
  let description = [{
    Writes every parameter that the graph refers to, made by passes or read from files, and names
    the file in `fin.params`. With the graph written beside it, both are a model again:

    ```
    fingpt-opt model.gguf --fin-quantize-weights=scheme=w4g64 \\
        --fin-write-params=file=small.safetensors -o small.mlir
    fingpt run small.mlir --tokenizer model.gguf --prompt "Once"
    ```
  }];
  let options = [
    Option<"file", "file", "std::string", "\"\"", "Path of the safetensors file">
  ];
}

def FinFoldNorms : Pass<"fin-fold-norms", "::mlir::ModuleOp"> {
  let summary = "norms give their parameters to the weights behind them";
  let description = [{
    Moves gain and bias of every norm into the linear layers that read it, so that the norm keeps
    no parameters and commutes with a change of basis. Exact; what `fin-rotate` and `fin-slice`
    need.

    ```mlir
    %n = fin.layer_norm %h weight %g bias %b {eps = 1.0e-5 : f64} : …
    %q = fin.linear %n, %w bias %c : …
    // becomes
    %n = fin.layer_norm %h {eps = 1.0e-5 : f64} : …
    %w1 = fin.param "h.0.attn.q_proj.weight.folded"    // w·diag(g)
    %c1 = fin.param "h.0.attn.q_proj.bias.folded"      // c + w·b, made if there was no c
    %q = fin.linear %n, %w1 bias %c1 : …
    ```

    A head that is tied to the token table gets values of its own when the final norm folds into
    it: a remark says so. Left alone, because no weight can take their parameters: norms that
    something else than linear layers reads (q and k norms before rope, the norms on Gemma 2's
    branches, BERT's after its sums).

    With `center` LayerNorm becomes RMSNorm where that is exact: if only layer norms read a
    residual stream and only linear layers and tables write it, the rows of the tables and the
    outputs of the linears are centred, so that there is no mean left to subtract. That holds for
    GPT-2, OPT and Phi; streams that an RMSNorm reads (whose output depends on the mean) or that
    a norm writes (BERT, OPT-350M) stay as they are.

    ```mlir
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : …
    ```

    New weights are computed in f64 and stored in f32, also those that were 16-bit or compressed.
  }];
  let options = [
    Option<"center", "center", "bool", "false",
           "Make LayerNorm an RMSNorm where that is exact">
  ];
  let statistics = [
    Statistic<"numFolded", "folded", "Norms that gave up their parameters">,
    Statistic<"numLeft", "left", "Norms that keep them">,
    Statistic<"numUntied", "untied", "Heads that were tied to their table">,
    Statistic<"numCentered", "centered", "LayerNorms that became RMSNorms">
  ];
}

def FinRotate : Pass<"fin-rotate", "::mlir::ModuleOp"> {
  let summary = "orthogonal changes of basis that spread outliers";
  let description = [{
    Turns the residual stream by an orthogonal Q and the heads' values by a Hadamard matrix, and
    folds both into the weights (QuaRot). The model computes the same; its weights and activations
    lose their outliers, which is worth a bit or so when they are rounded to few bits.

    ```mlir
    %h = fin.embedding %tokens, %table     // table·Q
    %n = fin.rms_norm %h {…}               // has no parameters: run fin-fold-norms first
    %v = fin.linear %n, %wv                // w·Q, outputs × H per head
    %a = fin.attention %q …, %k, %v {…}
    %o = fin.linear %a, %wo                // Qᵀ·w, inputs × H per head
    ```

    Keys get the suffix `.rotated`. `kind=hadamard` is a Hadamard matrix with random signs (a
    random orthogonal factor stands for an odd part that has none), `random` a dense random one.
    Heads whose size is no power of two keep their values.

    With `online` the inputs of the MLPs' last linears, and queries and keys after rope, are
    rotated while the model runs: `fin.hadamard` in runs of the largest power of two that divides
    the width, of a head for q and k. That makes activations and the KV cache fit for 4 bits.
    Where no rope stands between, the weights of q and k take it.

    ```mlir
    %x = fin.hadamard %u {size = 512 : i64} : tensor<?x?x1536xf32>
    %d = fin.linear %x, %wd                // Qᵀ·w, inputs × H per run of 512
    ```

    Refused: a residual stream that something pins, which is named: norms that keep parameters
    (Gemma 2 and 3, BERT), a layer_norm (`fin-fold-norms=center` removes it where that is exact).
  }];
  let options = [
    Option<"kind", "kind", "std::string", "\"hadamard\"", "hadamard or random">,
    Option<"seed", "seed", "uint64_t", "0", "Decides signs and random matrices">,
    Option<"online", "online", "bool", "false",
           "Rotate MLP activations, queries and keys while the model runs">
  ];
  let statistics = [
    Statistic<"numRotated", "rotated", "Weights that were multiplied">,
    Statistic<"numHeads", "heads", "Attentions whose values are turned per head">,
    Statistic<"numOnline", "online-ops", "fin.hadamard ops that were inserted">
  ];
}

def FinDropLayers : Pass<"fin-drop-layers", "::mlir::ModuleOp"> {
  let summary = "leave whole layers out";
  let description = [{
    Hands a layer's input on in place of its result (ShortGPT) and takes it off the model's number
    of layers. The others keep their names; `fin-add-kv-cache`, which runs later, numbers them
    anew.

    ```mlir
    %h3 = …                                      // of layer 2
    %n = fin.rms_norm %h3, %g3 {…}               // layer 3 …
    %h4 = arith.addf %r3, %d3 : …                // … up to here
    %m = fin.rms_norm %h4, %g4 {…}               // layer 4
    // becomes, with layers=3
    %h3 = …
    %m = fin.rms_norm %h3, %g4 {…}
    ```

    Needs no parameters; runs before or after the norms are folded. Refused: a number that no
    layer has, the first and the last layer without `force`, all layers, a layer whose inner
    values others use.
  }];
  let options = [
    ListOption<"layers", "layers", "int64_t", "Numbers of the layers, such as 3,7">,
    Option<"force", "force", "bool", "false", "The first and the last layer too">
  ];
  let statistics = [
    Statistic<"numDropped", "dropped", "Layers that were left out">
  ];
}

def FinSlice : Pass<"fin-slice", "::mlir::ModuleOp"> {
  let summary = "narrow the residual stream to the coordinates that bases name";
  let description = [{
    Deletes rows and columns of every weight that touches the residual stream (SliceGPT). `bases`
    is a safetensors file with one tensor `residual.I` F64 [D, k] of orthonormal columns for every
    point of the stream: point 0 is the sum of the embeddings (times a multiplier, if there is
    one), the others are the sums with a branch in program order, two for a layer, one where
    attention and MLP stand side by side. Widths may differ from point to point.

    ```mlir
    %h = fin.embedding %tokens, %e : …, tensor<49152x576xf32>
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : tensor<?x?x576xf32>
    …
    %o = fin.linear %a, %wo : tensor<?x?x576xf32>, tensor<576x576xf32>
    %h1 = arith.addf %h, %o : tensor<?x?x576xf32>
    // becomes, with k = 448 at both points
    %h = fin.embedding %tokens, %e0 : …, tensor<49152x448xf32>
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64, width = 576 : i64} : tensor<?x?x448xf32>
    …
    %o = fin.linear %a, %wo1 : tensor<?x?x576xf32>, tensor<448x576xf32>
    %s = fin.param "layers.0.self_attn.o_proj.shortcut.weight" : tensor<448x448xf32>
    %r = fin.linear %h, %s : tensor<?x?x448xf32>, tensor<448x448xf32>
    %h1 = arith.addf %r, %o : tensor<?x?x448xf32>
    ```

    Readers take (w·Q)[:, :k], writers (Qᵀ·w)[:k, :] and their biases Qᵀ·c, the residual a shortcut
    (Q_fromᵀ·Q_to)ᵀ, unless both bases are the same. If the file has no tensor for the last point,
    the stream returns to its D coordinates there and the head stays as it is; otherwise the head
    is sliced too. Norms keep dividing by D (`width`).

    Exact as far as the bases hold the stream; the rest is lost, which is what makes the model
    smaller. Shortcuts and an untied head are stored: OPT-125M at k = 608 has 147,250,880
    parameters, more than the 125.2 million of the tied dense model.

    With `stats` in place of `bases` these are the principal directions of the points' second moments
    in a file of `fingpt calibrate`, the first (100 − `percent`)% of them, in multiples of 8, turned
    at random among themselves by `seed`; the last point is not sliced. They should be those of the
    graph at hand (for LayerNorm: behind `fin-fold-norms=center`). `fingpt compress` does better: it
    takes each point's basis from what the sliced points before it leave.

    Refused: as `fin-rotate`; a stream that is sliced already; a basis that is missing, of another
    size or type, or not orthonormal to 1e-6; bases of more points than the model has.
  }];
  let options = [
    Option<"bases", "bases", "std::string", "\"\"", "Path of the safetensors file of bases">,
    Option<"stats", "stats", "std::string", "\"\"", "Calibration statistics, instead of bases">,
    Option<"percent", "percent", "double", "25", "With stats: how much of the width to remove">,
    Option<"seed", "seed", "uint64_t", "0", "With stats: of the turns">
  ];
  let statistics = [
    Statistic<"numSliced", "sliced", "Linears that were narrowed">,
    Statistic<"numShortcuts", "shortcuts", "Shortcuts that were added">
  ];
}

def FinVerifyImported : Pass<"fin-verify-imported", "::mlir::ModuleOp"> {
  let summary = "check what every importer promises";
  let description = [{
    The contract between import and everything after it: the module carries
    `fin.model`; `@forward` exists, is public, takes i32 tokens [batch, tokens]
    first and returns one float tensor [batch, tokens, width], and taps
    (`fin-observe`) besides; every op is of `fin` or an upstream tensor-level
    dialect; a key has one type.
  }];
}

def FinVerifyLowered : Pass<"fin-verify-lowered", "::mlir::ModuleOp"> {
  let summary = "check the code before it is translated to LLVM";
  let description = [{
    No `fin` or `fin_kernel` op, no tensor and no returned buffer is left; nothing is allocated
    inside a loop. Errors name the op and the function.
  }];
}

#endif // FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD
