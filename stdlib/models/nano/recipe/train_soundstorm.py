"""Trains SoundStorm: the acoustic codes of an utterance from its semantic codes and a voice prompt.

As in Borsos et al. 2023, section 3.3: a random beginning of the utterance is the prompt; behind
it one random level is masked at random positions (cosine schedule) and all levels above it are
masked; the loss counts the masked codes of that level. Utterances of one voice follow each other
in a row, so that a prompt may be another sentence; every fifth row has no prompt. Each row of a
batch has its own level. Resumes from its checkpoint.
"""

import argparse
import math
import random
import time

import audio_codes
import data
import torch
import torch.nn.functional as F
from soundstorm import CONFIG, SoundStorm
from torch import nn
from train_speech_tokenizer import trained_on

CHECKPOINT = data.WORK / "soundstorm.pt"
LEVELS, MASK = CONFIG["num_quantizers"], CONFIG["codebook_size"]


def voices():
    """The utterances of each voice and pitch, those of more utterances more often: (lists, weights)."""
    found = {}
    for row in audio_codes.speech():
        if trained_on(row):
            found.setdefault((row["voice"], round(row["pitch"] * 20)), []).append(row["codes"])
    found = [codes for codes in found.values() if len(codes) > 2]
    return found, [len(codes) for codes in found]


def batch(rng, lists, weights, rows, frames):
    """→ codes (rows, frames, 8), what is given of the acoustic ones, each row's level, which frames are asked"""
    full = torch.zeros(rows, frames, LEVELS + 1, dtype=torch.long)
    asked, hidden = torch.zeros(rows, frames, dtype=torch.bool), torch.zeros(rows, frames, dtype=torch.bool)
    levels = torch.tensor([rng.choice([0, 0, *range(1, LEVELS)]) for _ in range(rows)])
    for i in range(rows):
        said = rng.sample(rng.choices(lists, weights)[0], 3)
        joined = torch.cat(said, 1).T
        # Half begin where an utterance does, as a prompt and a sentence do.
        first = 0 if rng.random() < 0.5 else rng.randrange(max(1, len(joined) - frames))
        cut = joined[first : first + frames]
        full[i, : len(cut)] = cut
        prompt = 0 if rng.random() < 0.2 else rng.randrange(min(len(cut), frames) - 8)
        share = math.cos(rng.random() * math.pi / 2)
        behind = torch.arange(prompt, len(cut))
        asked[i, behind[torch.tensor([rng.random() for _ in behind]) < max(share, 0.05)]] = True
        hidden[i, prompt:] = True
    given = full[:, :, 1:].clone()
    of = torch.arange(LEVELS)[None, None]
    # Everything above a row's level is masked behind its prompt.
    given[hidden[..., None] & (of > levels[:, None, None])] = MASK
    given[asked[..., None] & (of == levels[:, None, None])] = MASK
    return full, given, levels, asked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=144)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(5)
    lists, weights = voices()
    model = SoundStorm()
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    optimizers = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    start = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        if "optimizers" in saved:
            for optimizer, state in zip(optimizers, saved["optimizers"]):
                optimizer.load_state_dict(state)
        start = saved["step"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {sum(weights)} utterances, {len(lists)} voices", flush=True)
    begun, sums, counts = time.time(), torch.zeros(LEVELS, 2), torch.zeros(LEVELS)
    for step in range(start, args.steps):
        rng = random.Random(step)
        rate = min(1, (step + 1) / 300) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps)) + 0.01
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.rate * rate
        full, given, levels, asked = batch(rng, lists, weights, args.batch, args.frames)
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(full[:, :, 0], given, levels)
        target = full[:, :, 1:].gather(2, levels[:, None, None].expand(-1, args.frames, 1))[..., 0]
        losses = F.cross_entropy(logits[asked].float(), target[asked], reduction="none")
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        losses.mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        right = (logits[asked].argmax(-1) == target[asked]).float()
        of = levels[:, None].expand_as(asked)[asked]
        sums.index_add_(0, of, torch.stack([losses.detach(), right], 1))
        counts += of.bincount(minlength=LEVELS)
        if (step + 1) % 250 == 0:
            means = sums / counts[:, None].clamp(min=1)
            print(f"{step + 1} {time.time() - begun:.0f}s", " ".join(f"{a:.2f}/{100 * b:.0f}%" for a, b in means.tolist()), flush=True)
            sums.zero_(), counts.zero_()
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1}, part)
            part.replace(CHECKPOINT)


if __name__ == "__main__":
    main()
