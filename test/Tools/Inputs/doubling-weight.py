"""A graph whose weight uses its predecessor twice, DEPTH times over: 2^DEPTH paths."""
import sys

depth = int(sys.argv[1])
matrix = "tensor<8x8xf32>"
ids, h = "tensor<?x?xi32>", "tensor<?x?x8xf32>"
print('module attributes {fin.model = #fin.model<arch = "llama", context_length = 16, '
      'vocab_size = 8, layers = 1>, fin.params = "splat:0.5"} {')
print(f"func.func @forward(%tokens: {ids}) -> {h} {{")
print(f'%table = fin.param "embed.weight" : {matrix}')
print(f"%h = fin.embedding %tokens, %table : {ids}, {matrix}")
print(f'%w0 = fin.param "model.layers.0.w.weight" : {matrix}')
for i in range(depth):
    print(f"%w{i + 1} = fin.sum %w{i}, %w{i} : {matrix}")
print(f"%y = fin.linear %h, %w{depth} : {h}, {matrix}")
print(f"return %y : {h}\n}}\n}}")
