"""Trains the language model on both directions at once: codes → words, words → codes.

Captions learn from all renderings, painting from the tidy ones. Only replies count in the loss.
Codes in prompts are now and then exchanged for a near neighbour in the codebook, so that small
changes of a picture do not matter. Resumes from its checkpoint.
"""

import argparse
import math
import random
import time

import codes
import data
import text
import torch
import torch.nn.functional as F
from networks import llama
from torch import nn

CHECKPOINT = data.WORK / "llm.pt"


def start_rows(model, vocabulary, codebook):
    """Codes that are near in the codebook start near in the model."""
    generator = torch.Generator().manual_seed(0)
    rows = slice(vocabulary.first_image, vocabulary.first_image + len(codebook))
    z = (codebook - codebook.mean(0)) / codebook.std()
    for table in [model.model.embed_tokens.weight, model.lm_head.weight]:
        spread = torch.randn(z.shape[1], table.shape[1], generator=generator) / math.sqrt(z.shape[1])
        table.data[rows] = 0.02 * (z @ spread + 0.3 * torch.randn(len(z), table.shape[1], generator=generator))


class Exchange:
    """Some codes become one of their 6 nearest neighbours."""

    def __init__(self, codebook):
        self.near = torch.cdist(codebook, codebook).argsort(1)[:, 1:7]

    def __call__(self, rng, row):
        if rng.random() < 0.4:
            return row
        share = rng.uniform(0, 0.25)
        return [int(self.near[c, rng.randrange(6)]) if rng.random() < share else c for c in row]


def pick(rng, pool):
    return pool[0] if rng.random() < 0.5 else rng.choice(pool)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--see", type=int, default=32, help="captions in a batch")
    parser.add_argument("--draw", type=int, default=24, help="paintings in a batch")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(2)
    vocabulary = text.Vocabulary()
    seen, tidy = codes.encoded("pictures"), codes.encoded("tidy")
    seen_codes, tidy_codes = seen.codes.tolist(), tidy.codes.tolist()
    codebook = codes.tokenizer().quantize.embedding.weight.detach()
    exchange = Exchange(codebook)
    model = llama(vocabulary.size)
    start_rows(model, vocabulary, codebook)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    optimizers = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    first = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        first = saved["step"]
    rng = random.Random(first)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters; {len(seen_codes)} + {len(tidy_codes)} pictures", flush=True)
    begun, sums = time.time(), [0.0, 0.0]
    for step in range(first, args.steps):
        rate = min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * rate
        pairs = []
        for _ in range(args.see):
            i = rng.randrange(len(seen_codes))
            prompt = vocabulary.caption_prompt(pick(rng, text.CAPTION), exchange(rng, seen_codes[i]))
            pairs.append((prompt, vocabulary.caption_reply(seen.words[i])))
        for _ in range(args.draw):
            i = rng.randrange(len(tidy_codes))
            prompt = vocabulary.paint_prompt(pick(rng, text.PAINT), tidy.words[i])
            pairs.append((prompt, vocabulary.paint_reply(tidy_codes[i])))
        longest = max(len(p) + len(r) for p, r in pairs)
        ids = torch.zeros(len(pairs), longest, dtype=torch.long)
        drawn = torch.zeros(len(pairs), longest - 1, dtype=torch.bool)
        said = torch.zeros_like(drawn)
        for row, (prompt, reply) in enumerate(pairs):
            ids[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
            (said if row < args.see else drawn)[row, len(prompt) - 1 : len(prompt) + len(reply) - 1] = True
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.model(ids[:, :-1]).last_hidden_state
            words = model.lm_head(hidden[said]).float()
            pictures = model.lm_head(hidden[drawn]).float()
        words = F.cross_entropy(words, ids[:, 1:][said])
        pictures = F.cross_entropy(pictures, ids[:, 1:][drawn])
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        (words + 0.5 * pictures).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        sums[0] += float(words.detach())
        sums[1] += float(pictures.detach())
        if (step + 1) % 100 == 0:
            print(f"{step + 1} {time.time() - begun:.0f}s words {sums[0] / 100:.3f} pictures {sums[1] / 100:.3f}", flush=True)
            sums = [0.0, 0.0]
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1}, part)
            part.replace(CHECKPOINT)


if __name__ == "__main__":
    main()
