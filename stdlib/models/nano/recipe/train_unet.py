"""Trains the UNet of the decoder: the embedding of a picture's codes → the picture's latents.

v-prediction on the schedule of Stable Diffusion 2.1, as the public unCLIP decoder. One embedding in
ten is left out for guidance, and three in ten carry noise of some level, as in stable unCLIP.
Half of the pictures are tidy ones. Keeps a moving average of the weights. Resumes.
"""

import argparse
import copy
import math
import time

import codes
import data
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, PNDMScheduler
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.embeddings import get_timestep_embedding
from networks import EMPTY_PROMPT, NOISING, SCHEDULER, SEED, clip_text, unet, vae

CHECKPOINT = data.WORK / "unet.pt"


def prompt_states():
    """The text encoder is random: it reads the empty prompt only, and the UNet learns to know it."""
    torch.manual_seed(3)
    model = clip_text().eval()
    model.load_state_dict({k: v.bfloat16().float() for k, v in model.state_dict().items()})
    with torch.no_grad():
        return model, model(torch.tensor([EMPTY_PROMPT])).last_hidden_state


class Conditioner:
    """StableUnCLIPPipeline.noise_image_embeddings"""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std
        self.alphas = DDPMScheduler(**{k: v for k, v in NOISING.items() if k[0] != "_"}).alphas_cumprod

    def __call__(self, embeds, level, noise=None):
        alpha = self.alphas[level].view(-1, 1)
        x = alpha.sqrt() * (embeds - self.mean) / self.std
        if noise is not None:
            x = x + (1 - alpha).sqrt() * noise
        level = get_timestep_embedding(level, embeds.shape[1], flip_sin_to_cos=True, downscale_freq_shift=0)
        return torch.cat([x * self.std + self.mean, level], 1)


def autoencoder():
    saved = torch.load(data.WORK / "vae.pt", weights_only=True)
    model = vae().eval()
    model.load_state_dict({k: v.bfloat16().float() for k, v in saved["model"].items()})
    return model, saved["scaling_factor"]


@torch.no_grad()
def prepared():
    """Latents and embeddings of all pictures that are trained on."""
    cache = data.WORK / "latents.pt"
    if cache.exists() and cache.stat().st_mtime > max((data.WORK / n).stat().st_mtime for n in ["vae.pt", "tokenizer.pt"]):
        return torch.load(cache, weights_only=True)
    seed, (coder, factor) = codes.tokenizer(), autoencoder()
    parts = {}
    rng = np.random.default_rng(5)
    for stem in ["tidy", "pictures"]:
        made = codes.encoded(stem)
        rows = np.sort(rng.permutation(len(made.which))[:16000])
        latents, embeds = [], []
        for i in range(0, len(rows), 128):
            latents.append(coder.encode(made.pixels(rows[i : i + 128])).latent_dist.mean * factor)
            embeds.append(seed.image_embeds(made.codes[rows[i : i + 128]]))
        parts[stem] = {"latents": torch.cat(latents), "embeds": torch.cat(embeds)}
    torch.save(parts, cache)
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parts = prepared()
    embeds = torch.cat([p["embeds"] for p in parts.values()])
    conditioner = Conditioner(embeds.mean(0, keepdim=True), embeds.std(0, keepdim=True))
    states = prompt_states()[1]
    schedule = PNDMScheduler(**{k: v for k, v in SCHEDULER.items() if k[0] != "_"})
    alphas = schedule.alphas_cumprod
    torch.manual_seed(4)
    model = unet()
    model.set_attn_processor(AttnProcessor())  # faster here than the fused kernel, backwards
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-2)
    first = 0
    average = copy.deepcopy(model)
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
        torch.manual_seed(first)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    begun, total = time.time(), 0.0
    for step in range(first, args.steps):
        rate = min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = 1.2e-3 * rate
        half = args.batch // 2
        latents, given = [], []
        for part in parts.values():
            rows = torch.randint(len(part["embeds"]), (half,))
            latents.append(part["latents"][rows])
            given.append(part["embeds"][rows])
        latents, given = torch.cat(latents), torch.cat(given)
        count = len(latents)
        level = torch.where(torch.rand(count) < 0.7, 0, torch.randint(0, 400, (count,)))
        noise = torch.randn(count, SEED["image_embed_dim"]) * (level > 0).unsqueeze(1)
        labels = conditioner(given, level, noise) * (torch.rand(count, 1) > 0.1)
        times = torch.randint(0, 1000, (count,))
        alpha = alphas[times].view(-1, 1, 1, 1)
        noise = torch.randn_like(latents)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        wanted = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        with torch.autocast("cpu", torch.bfloat16):
            made = model(noisy, times, states.expand(count, -1, -1), class_labels=labels).sample
        loss = F.mse_loss(made.float(), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for a, b in zip(average.parameters(), model.parameters()):
                a.lerp_(b, 1 - min(0.998, (step + 1) / (step + 10)))
        total += float(loss.detach())
        if (step + 1) % 200 == 0:
            print(f"{step + 1} {time.time() - begun:.0f}s {total / 200:.4f}", flush=True)
            total = 0.0
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(),
                        "mean": conditioner.mean, "std": conditioner.std, "step": step + 1}, part)  # fmt: skip
            part.replace(CHECKPOINT)


if __name__ == "__main__":
    main()
