#!/usr/bin/env python3
"""fingpt run against transformers (f32, same weights), in one run, interleaved.

    tools/bench/inference.py [ROUNDS]

Prints medians and ranges of decode (64 tokens) and prefill (512 tokens) and their
ratios per round; then fingpt's time to the first token and peak memory.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/python"))
import torch  # noqa: E402

from smollm2 import gguf_path, reference  # noqa: E402

BINARY = str(ROOT / "build/bin/fingpt")
TEXT = (ROOT / "test/data/text/markets.txt").read_text()


def fingpt(tokens_of_prompt, n):
    out = subprocess.run([BINARY, "run", gguf_path(), "--prompt", tokens_of_prompt, "-n", str(n),
                          "--ignore-eos", "--json", "--quiet"], capture_output=True, text=True,
                         check=True).stdout
    return json.loads(out)


def prompt_of(tokens):
    """The longest beginning of the text with at most `tokens` tokens."""
    low, high = 1, len(TEXT)
    while high - low > 8:
        middle = (low + high) // 2
        if len(fingpt(TEXT[:middle], 0)["prompt_tokens"]) <= tokens:
            low = middle
        else:
            high = middle
    return TEXT[:low]


def torch_rates(ids, n):
    model = reference()
    with torch.inference_mode():
        start = time.perf_counter()
        out = model(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        prefill = time.perf_counter() - start
        token, cache = out.logits[0, -1].argmax(), out.past_key_values
        start = time.perf_counter()
        for _ in range(n):
            out = model(token.view(1, 1), past_key_values=cache, use_cache=True)
            token = out.logits[0, -1].argmax()
        decode = time.perf_counter() - start
    return len(ids) / prefill, n / decode


def show(name, ours, theirs):
    ratios = [a / b for a, b in zip(ours, theirs)]
    print(f"{name:8} fingpt {statistics.median(ours):7.1f} tok/s   transformers f32 "
          f"{statistics.median(theirs):7.1f} tok/s   ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f})")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    torch.set_num_threads(2)
    long_prompt = prompt_of(512)
    ids = fingpt(long_prompt, 0)["prompt_tokens"]
    torch_rates(ids[:8], 2)  # warm
    decode, prefill = ([], []), ([], [])
    for _ in range(rounds):
        ours = fingpt(long_prompt, 65)["timings"]
        p, d = torch_rates(ids, 64)
        prefill[0].append(ours["prefill_tokens_per_second"])
        prefill[1].append(p)
        decode[0].append(ours["decode_tokens_per_second"])
        decode[1].append(d)
    show("decode", *decode)
    show(f"prefill {len(ids)}", *prefill)
    for label, extra in (("cold", ["--no-cache"]), ("warm", [])):
        start = time.perf_counter()
        run = subprocess.run(["/usr/bin/env", "python3", "-c", (
            "import resource,subprocess,sys;"
            "subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,check=True);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"),
            BINARY, "run", gguf_path(), "--prompt", "The stock market is", "-n", "1", "--quiet",
            *extra], capture_output=True, text=True, check=True)
        print(f"first token, {label} code cache: {time.perf_counter() - start:.2f} s, "
              f"peak memory {int(run.stdout) / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
