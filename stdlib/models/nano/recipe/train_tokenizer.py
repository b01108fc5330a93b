"""Trains the SEED-2 tokenizer: pictures → 32 causal codes → the embedding that the decoder draws.

The published tokenizer distils BLIP-2 and CLIP. Here there is nothing to distil, so the codes are
trained end to end: a small convolutional decoder (dropped afterwards) must redraw the picture from
the embedding, and linear classifiers (dropped too) must name the thing from the image's tokens, from
the codes and from the embedding, in any of the restyled drawings. The first steps train the image
transformer alone, which is much faster. Resumes from its checkpoint.
"""

import argparse
import math
import time

import data
import numpy as np
import torch
import torch.nn.functional as F
from networks import SEED, SeedTokenizer, pixels_of
from torch import nn

CHECKPOINT = data.WORK / "tokenizer.pt"


class Redraw(nn.Module):
    """Embedding → 32 × 32 picture; only there to give the embedding its content."""

    def __init__(self, dim=SEED["image_embed_dim"]):
        super().__init__()
        widths = [128, 96, 64, 32]
        self.start = nn.Linear(dim, 16 * widths[0])
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(8, b), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 3, 3, padding=1))

    def forward(self, x):
        x = self.start(x).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        return self.layers(x)


class Trainee(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.seed = SeedTokenizer()
        self.redraw = Redraw()
        c = SEED
        self.from_image = nn.Linear(c["vit_width"], classes)
        self.from_codes = nn.Linear(c["num_query_tokens"] * c["codebook_dim"], classes)
        self.from_embedding = nn.Linear(c["image_embed_dim"], classes)
        self.colour = nn.Linear(c["num_query_tokens"] * c["codebook_dim"], len(data.COLOURS))
        self.register_buffer("uses", torch.ones(c["codebook_size"]))
        self.register_buffer("sums", torch.zeros(c["codebook_size"], c["codebook_dim"]))


@torch.no_grad()
def start_codebook(model, pixels):
    z = model.seed.features(pixels)[1].float().flatten(0, 1)
    picked = z[torch.randperm(len(z))[: SEED["codebook_size"]]].clone()
    for _ in range(8):
        nearest = torch.cdist(z, picked).argmin(1)
        count = torch.bincount(nearest, minlength=len(picked)).unsqueeze(1)
        sums = torch.zeros_like(picked).index_add_(0, nearest, z)
        picked = torch.where(count > 0, sums / count.clamp(min=1), z[torch.randint(len(z), (len(picked),))])
    model.seed.quantize.embedding.weight.copy_(picked)
    model.sums.copy_(picked)
    model.uses.fill_(1)


@torch.no_grad()
def update_codebook(model, z, codes, decay=0.99):
    """Moving averages (van den Oord et al. 2017, appendix A.1); codes out of use start again."""
    z, codes = z.float().flatten(0, 1), codes.flatten()
    model.uses.mul_(decay).add_(torch.bincount(codes, minlength=len(model.uses)), alpha=1 - decay)
    model.sums.mul_(decay).add_(torch.zeros_like(model.sums).index_add_(0, codes, z), alpha=1 - decay)
    dead = (model.uses < 0.02 * model.uses.mean()).nonzero().flatten()
    if len(dead):
        model.sums[dead] = z[torch.randint(len(z), (len(dead),))]
        model.uses[dead] = 1.0
    model.seed.quantize.embedding.weight.copy_(model.sums / model.uses.unsqueeze(1))


def disturb(pixels):
    """What rendering cannot do: noise, grey pictures, missing patches, blur."""
    n, _, h, w = pixels.shape
    pick = lambda p: (torch.rand(n, 1, 1, 1) < p).float()
    grey = pixels.mean(1, keepdim=True)
    pixels = torch.lerp(pixels, grey.expand_as(pixels), pick(0.1))
    pixels = torch.lerp(pixels, F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1), pick(0.15))
    seen = pixels + pick(0.3) * 0.08 * torch.randn_like(pixels)
    ys, xs = torch.arange(h).view(1, 1, h, 1), torch.arange(w).view(1, 1, 1, w)
    y, x, s = (torch.randint(a, b, (n, 1, 1, 1)) for a, b in [(0, h), (0, w), (6, 18)])
    hole = ((ys - y).abs() < s / 2) & ((xs - x).abs() < s / 2) & (torch.rand(n, 1, 1, 1) < 0.3)
    return torch.where(hole, torch.ones_like(seen), seen), pixels


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--see-until", type=int, default=1800, help="steps that train the image transformer alone")
    parser.add_argument("--quantize-from", type=int, default=2200)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)

    index, pictures, colours = data.load()
    trained = [row for row in index if row["count"] > 1 and row["noun"]]
    labels = sorted({row["noun"] for row in trained})
    number = {label: i for i, label in enumerate(labels)}
    which = np.concatenate([np.arange(r["first"], r["first"] + r["count"]) for r in trained])
    label_of = np.concatenate([np.full(r["count"], number[r["noun"]]) for r in trained])
    fx = [r for r in index if r["set"] == data.HELD_OUT_SET and r["noun"] in number]
    fx_pixels = pixels_of(np.stack([pictures[r["first"]] for r in fx]))
    fx_labels = torch.tensor([number[r["noun"]] for r in fx])

    model = Trainee(len(labels))
    inner = [n for n, p in model.named_parameters() if p.ndim == 2 and ".weight" in n and ("blocks" in n or "encoder.layer" in n)]
    matrices = [p for n, p in model.named_parameters() if n in inner]
    others = [p for n, p in model.named_parameters() if n not in inner and "quantize" not in n]
    # Orthogonalised steps (Jordan et al. 2024) for the transformers' matrices, AdamW for the rest.
    optimizers = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.98), weight_decay=0.02),
    ]
    first = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        first = saved["step"]
        rng = np.random.default_rng(first)
        torch.manual_seed(first)
        print("resumed at", first)
    print(f"{len(labels)} classes, {len(which)} pictures, {sum(p.numel() for p in model.seed.parameters()):,} parameters", flush=True)

    def save(step):
        part = CHECKPOINT.with_suffix(".part")
        torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step}, part)
        part.replace(CHECKPOINT)

    begun, sums = time.time(), {}

    def improve(loss):
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()

    def note(shown, step):
        for key, value in shown.items():
            sums[key] = sums.get(key, 0) + float(value.detach())
        if (step + 1) % 100 == 0:
            line = " ".join(f"{k} {v / 100:.3f}" for k, v in sums.items())
            print(f"{step + 1} {(time.time() - begun):.0f}s {line}", flush=True)
            sums.clear()
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            look(step)
            save(step + 1)

    @torch.no_grad()
    def look(step):
        model.eval()
        image, z = model.seed.features(fx_pixels)
        codes = model.seed.nearest(z)
        vectors = model.seed.quantize.embedding(codes) if step >= args.quantize_from else z
        among = lambda y: (y.argmax(1) == fx_labels).float().mean()
        print(
            f"   held-out style: {among(model.from_image(image.mean(1))):.3f} from the image,"
            f" {among(model.from_codes(vectors.flatten(1))):.3f} from the codes; {codes.unique().numel()} codes used",
            flush=True,
        )
        model.train()

    for step in range(first, args.steps):
        rate = min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * rate
        rows = np.sort(rng.integers(len(which), size=args.batch))
        pixels = pixels_of(pictures[which[rows]])
        target = torch.from_numpy(label_of[rows])
        tint = torch.from_numpy(colours[which[rows]].astype(np.int64))
        quantized = step >= args.quantize_from
        if step == args.quantize_from:
            some = np.sort(rng.choice(which, 1024))
            model.eval()
            start_codebook(model, pixels_of(pictures[some]))
            model.train()
        seen, wanted = disturb(pixels)
        if step < args.see_until:
            with torch.autocast("cpu", torch.bfloat16):
                image = model.seed.ln_vision(model.seed.visual_encoder(seen))
                by_image = model.from_image(image.mean(1)).float()
            loss = F.cross_entropy(by_image, target, label_smoothing=0.1)
            improve(loss)
            note({"image": loss, "right": (by_image.argmax(1) == target).float().mean()}, step)
            continue
        with torch.autocast("cpu", torch.bfloat16):
            image, z = model.seed.features(seen)
        z = z.float()
        vectors, commit = z, torch.zeros(())
        if quantized:
            codes = model.seed.nearest(z.detach())
            chosen = model.seed.quantize.embedding(codes).detach()
            commit = F.mse_loss(z, chosen)
            vectors = z + (chosen - z).detach()
            # Some pictures pass unquantized, so that the gradient is right now and then.
            loose = (torch.rand(len(z), 1, 1) < 0.1).float()
            vectors = torch.lerp(vectors, z, loose)
        with torch.autocast("cpu", torch.bfloat16):
            embedding = model.seed.reverse(vectors)
            drawn = model.redraw(embedding).float()
            by_image = model.from_image(image.mean(1)).float()
            by_codes = model.from_codes(F.dropout(vectors, 0.1).flatten(1)).float()
            by_embedding = model.from_embedding(embedding).float()
            tints = model.colour(vectors.flatten(1)).float()
        if quantized:
            update_codebook(model, z.detach(), codes)
        redraw = F.mse_loss(drawn, F.avg_pool2d(wanted, 2))
        names = [F.cross_entropy(y, target, label_smoothing=0.1) for y in (by_image, by_codes, by_embedding)]
        loss = 8 * redraw + names[0] + names[1] + 0.3 * names[2] + 0.3 * F.cross_entropy(tints, tint) + 0.5 * commit
        improve(loss)
        shown = {"redraw": redraw, "image": names[0], "codes": names[1], "embedding": names[2], "commit": commit,
                 "right": (by_codes.argmax(1) == target).float().mean()}  # fmt: skip
        note(shown, step)


if __name__ == "__main__":
    main()
