"""Quality of f32 weights against a reference: perplexity, KL divergence, same top token.

The protocol is llama-perplexity's: chunks of 512 tokens, each from an empty cache and
without a BOS token; the logits at positions 256..510 score targets 257..511, 255 per
chunk. KL is KL(reference || candidate) per scored position, in nats.

A candidate is a function from the 512 token ids of a chunk to its 255 x vocabulary logits,
so that a model of another shape (sliced, low rank) is measured as its own forward pass;
`logits_of` makes one from a state dict under Hugging Face names.

Reference logits of 32 chunks take 1.6 GB. What is kept is the hidden state before the head,
[chunks, 255, 576] or 19 MB, from which one product with the embedding gives them exactly.
"""
import hashlib
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/python"))
from smollm2 import dequantized, llama  # noqa: E402

CONTEXT = 512
SCORED = slice(CONTEXT // 2, CONTEXT - 1)
CHUNKS, QUICK_CHUNKS = 32, 10


def digest(*parts):
    """Short name of files and values for the cache: contents of paths, repr of the rest."""
    h = hashlib.sha256()
    for part in parts:
        h.update(part.read_bytes() if isinstance(part, pathlib.Path) else repr(part).encode())
    return h.hexdigest()[:12]


def tokenizer_of(gguf_path):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(gguf_path.parent, gguf_file=gguf_path.name)


def token_chunks(tokenizer, text_path, chunks, cache):
    """The first `chunks` x 512 tokens of a text, without special tokens: i64 [chunks, 512]."""
    kept = cache / f"tokens-{digest(text_path, chunks)}.npy"
    if not kept.exists():
        text = text_path.read_text().removesuffix("\n")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) < chunks * CONTEXT:
            raise SystemExit(f"error: {text_path}: {len(ids)} tokens, "
                             f"{chunks} chunks need {chunks * CONTEXT}")
        np.save(kept, np.array(ids[:chunks * CONTEXT]).reshape(chunks, CONTEXT))
    return torch.from_numpy(np.load(kept))


def hidden_of(state):
    """chunk ids [512] -> hidden states of the scored positions [255, width], after the norm."""
    body = llama(state).model
    return lambda ids: body(ids[None]).last_hidden_state[0, SCORED]


def logits_of(state):
    hidden = hidden_of(state)
    head = state.get("lm_head.weight", state["model.embed_tokens.weight"])
    return lambda ids: hidden(ids) @ head.T


class Reference:
    """A model's dequantized weights and its scored hidden states on a held-out text."""

    def __init__(self, gguf_path, text_path, cache):
        self.gguf_path, self.text_path, self.cache = gguf_path, text_path, cache
        cache.mkdir(parents=True, exist_ok=True)
        self.key = digest(gguf_path)
        self.tokenizer = tokenizer_of(gguf_path)
        self.state = dequantized(gguf_path)
        self.chunks = token_chunks(self.tokenizer, text_path, CHUNKS, cache)
        kept = cache / f"hidden-{self.key}-{digest(text_path)}.safetensors"
        if not kept.exists():
            hidden = hidden_of(self.state)
            save_file({"hidden": torch.stack([hidden(ids) for ids in self.chunks])}, kept)
        self.hidden = load_file(kept)["hidden"]

    def logits(self, chunk):
        return self.hidden[chunk] @ self.state["model.embed_tokens.weight"].T

    def measure(self, candidate, chunks=CHUNKS):
        """{ppl, kl, kl_99, same_top, chunk_nll, chunk_kl} of a logits function."""
        nll, kl, same = [], [], []
        for c, ids in enumerate(self.chunks[:chunks]):
            p = self.logits(c).log_softmax(-1)
            q = candidate(ids).log_softmax(-1)
            targets = ids[CONTEXT // 2 + 1:, None]
            nll.append(-q.gather(1, targets).double().mean())
            kl.append((p.exp() * (p - q)).double().sum(-1))
            same.append((p.argmax(-1) == q.argmax(-1)).double())
        nll, kl, same = torch.stack(nll), torch.stack(kl), torch.stack(same)
        return {"chunks": len(nll), "ppl": nll.mean().exp().item(), "kl": kl.mean().item(),
                "kl_99": kl.flatten().quantile(0.99).item(), "same_top": same.mean().item(),
                "chunk_nll": nll.tolist(), "chunk_kl": kl.mean(-1).tolist()}

    def measure_self(self, chunks=CHUNKS):
        chunk = iter(range(chunks))
        return self.measure(lambda _: self.logits(next(chunk)), chunks)

    def measure_file(self, dense, chunks=CHUNKS):
        """Of a safetensors file of f32 weights; kept beside the file's name in the cache."""
        stat = dense.stat()
        name = digest(str(dense), stat.st_size, stat.st_mtime_ns, self.key,
                      self.text_path, chunks)
        kept = self.cache / f"measure-{name}.json"
        if not kept.exists():
            kept.write_text(json.dumps(self.measure(logits_of(load_file(dense)), chunks)))
        return json.loads(kept.read_text())


def tensor_bytes(gguf_path):
    """{tensor name: (type name, bytes)} of a GGUF file."""
    return {t.name: (t.tensor_type.name, int(t.n_bytes))
            for t in gguf.GGUFReader(gguf_path).tensors}
