"""Trains SoundStorm: the acoustic codes of an utterance from its semantic codes and a voice prompt.

As in Borsos et al. 2023, section 3.3: a random beginning of the utterance is the prompt; behind
it one random level is masked at random positions (cosine schedule) and all levels above it are
masked; the loss counts the masked codes of that level. Two utterances of one voice follow each
other in a row, so that a prompt may be another sentence. Resumes from its checkpoint.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(5)
    rows = [row for row in audio_codes.speech() if trained_on(row)]
    # An utterance and its pitch variants are neighbours of voice and pitch.
    voices = {}
    for row in rows:
        voices.setdefault((row["voice"], round(row["pitch"] * 20)), []).append(row["codes"])
    voices = [v for v in voices.values() if len(v) > 1]
    weights = [len(v) for v in voices]
    model = SoundStorm()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    start = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(rows)} utterances, {len(voices)} voices", flush=True)
    begun, sums, counts = time.time(), torch.zeros(LEVELS, 2), torch.zeros(LEVELS)
    for step in range(start, args.steps):
        rng = random.Random(step)
        rate = min(1, (step + 1) / 300) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps)) + 0.01
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * rate
        level = rng.choice([0, 0, 1, 2, 3, 4, 5, 6])
        full = torch.zeros(args.batch, args.frames, LEVELS + 1, dtype=torch.long)
        asked = torch.zeros(args.batch, args.frames, dtype=torch.bool)
        hidden = torch.zeros_like(asked)
        for i in range(args.batch):
            pair = rng.sample(rng.choices(voices, weights)[0], 2)
            joined = torch.cat(pair, 1).T
            first = rng.randrange(max(1, len(joined) - args.frames))
            cut = joined[first : first + args.frames]
            full[i, : len(cut)] = cut
            prompt = rng.randrange(len(cut) - 8)
            share = math.cos(rng.random() * math.pi / 2)
            behind = torch.arange(prompt, len(cut))
            chosen = behind[torch.rand(len(behind)) < max(share, 0.05)]
            asked[i, chosen] = True
            hidden[i, prompt:] = True
        given = full[:, :, 1:].clone()
        target = given[:, :, level].clone()
        # Everything above the level is masked behind the prompt.
        given[:, :, level + 1 :][hidden] = MASK
        given[:, :, level][asked] = MASK
        model.train()
        logits = model(full[:, :, 0], given)[:, :, level]
        loss = F.cross_entropy(logits[asked], target[asked])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right = (logits[asked].argmax(-1) == target[asked]).float().mean()
        sums[level] += torch.tensor([float(loss.detach()), float(right)])
        counts[level] += 1
        if (step + 1) % 250 == 0:
            means = sums / counts[:, None].clamp(min=1)
            print(f"{step + 1} {time.time() - begun:.0f}s", " ".join(f"{a:.2f}/{100 * b:.0f}%" for a, b in means.tolist()), flush=True)
            sums.zero_(), counts.zero_()
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, part)
            part.replace(CHECKPOINT)


if __name__ == "__main__":
    main()
