"""Trains the AutoencoderKL of the decoder: 64 × 64 pictures ↔ 4 × 16 × 16 latents.

L1 on pixels and on their gradients, and a small KL term; diffusers' network. At the end the
scaling factor is measured, so that latents have unit variance. Resumes from its checkpoint.
"""

import argparse
import math
import time

import data
import numpy as np
import torch
from networks import pixels_of, vae

CHECKPOINT = data.WORK / "vae.pt"


def edges(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    index, pictures, _ = data.load()
    which = np.concatenate([np.arange(r["first"], r["first"] + r["count"]) for r in index if r["count"] > 1])
    model = vae().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=1e-3)
    first = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        first, rng = saved["step"], np.random.default_rng(saved["step"])
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    begun, total = time.time(), 0.0
    for step in range(first, args.steps):
        rate = min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * rate
        x = pixels_of(pictures[np.sort(rng.choice(which, args.batch))]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = model.encode(x).latent_dist
            y = model.decode(posterior.sample()).sample
        y = y.float()
        pixel = (y - x).abs().mean() + (y - x).square().mean()
        edge = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x)))
        loss = pixel + edge + 2e-4 * posterior.kl().float().mean() / 64
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += float((y.detach() - x).square().mean())
        if (step + 1) % 200 == 0:
            psnr = 10 * math.log10(4 / (total / 200))
            print(f"{step + 1} {time.time() - begun:.0f}s {psnr:.2f} dB, std {float(posterior.mean.detach().std()):.2f}", flush=True)
            total = 0.0
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            with torch.no_grad():
                z = model.encode(pixels_of(pictures[np.sort(rng.choice(which, 512, replace=False))])).latent_dist.mean
            part = CHECKPOINT.with_suffix(".part")
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state | {"scaling_factor": float(1 / z.std())}, part)
            part.replace(CHECKPOINT)


if __name__ == "__main__":
    main()
