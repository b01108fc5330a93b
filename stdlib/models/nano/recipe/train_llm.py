"""Trains the language model on all tasks of tasks.py at once, in two stages.

    python train_llm.py --stage pictures   codes of pictures and words, 4,500 steps
    python train_llm.py --stage all        every medium, from there on

Only what the assistant says counts in the loss. The second stage begins with the weights of the
first, which `--start` may name: a checkpoint of stage one, or the model.safetensors of an earlier
bundle. Resumes from its checkpoint.
"""

import argparse
import math
import random
import time
from pathlib import Path

import codes
import data
import text
import torch
import torch.nn.functional as F
from networks import llama
from safetensors.torch import load_file
from tasks import MUSICAL, PICTURES, WEIGHTS, Tasks, drawn
from torch import nn

# Tokens of one forward pass, padding included: what one core does best.
GROUP = 6144
# How much a token of text, image, speech and music counts; each kind's loss is a mean.
SHARES = [1.0, 0.5, 0.8, 0.8]


def start_rows(model, first, codebook, scale=0.02):
    """Codes that are near in the codebook start near in the model."""
    generator = torch.Generator().manual_seed(first)
    z = (codebook - codebook.mean(0)) / codebook.std()
    for table in [model.model.embed_tokens.weight, model.lm_head.weight]:
        spread = torch.randn(z.shape[1], table.shape[1], generator=generator) / math.sqrt(z.shape[1])
        table.data[first : first + len(z)] = scale * (z @ spread + 0.3 * torch.randn(len(z), table.shape[1], generator=generator))


def sound_codebooks():
    """The codebook of the first layer of speech, those of music."""
    speech = torch.load(data.WORK / "speech_tokenizer.pt", weights_only=True)["model"]
    music = torch.load(data.WORK / "music_codec.pt", weights_only=True)["model"]
    name = "quantizer.vq.layers.{}._codebook.embed"
    return speech[name.format(0)], [music[name.format(i)] for i in range(4)]


def begin(model, vocabulary, path):
    """Rows of the new media take their codebooks' shape; everything else comes from stage one.

    Weights that know all media already, such as those that are shipped, are taken whole.
    """
    state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)["model"]
    tables = ["model.embed_tokens.weight", "lm_head.weight"]
    if all(len(state[name]) == vocabulary.size for name in tables):
        model.load_state_dict({k: v.float() for k, v in state.items()})
        return
    model.load_state_dict({k: v.float() for k, v in state.items() if k not in tables}, strict=False)
    kept = vocabulary.ids["<eoim>"] + 1
    own = dict(model.named_parameters())
    for name in tables:
        own[name].data[:kept] = state[name][:kept].float()
    start_sound_rows(model, vocabulary, speech=True)


def start_sound_rows(model, vocabulary, speech):
    """Rows of music, and of speech too."""
    scale = float(model.lm_head.weight.data[vocabulary.first[0] : vocabulary.ids["<eoim>"] + 1].std())
    semantic, music = sound_codebooks()
    if speech:
        start_rows(model, vocabulary.first[1], semantic, scale)
    for i, book in enumerate(music):
        start_rows(model, vocabulary.first[2] + i * len(book), book, scale)


def kinds(vocabulary):
    """Of every id: 0 text, 1 image, 2 speech, 3 music."""
    kind = torch.zeros(vocabulary.size, dtype=torch.long)
    for i, (first, (_, count, *_)) in enumerate(zip(vocabulary.first, text.MEDIA)):
        kind[first : first + count + 2] = i + 1
    return kind


def groups(rows):
    """Rows of about the same length, few enough that padding and memory stay small."""
    rows = sorted(rows, key=lambda row: len(row[0]))
    group = []
    for row in rows:
        if group and len(row[0]) * (len(group) + 1) > GROUP:
            yield group
            group = []
        group.append(row)
    yield group


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["pictures", "all"], default="all")
    parser.add_argument("--start", type=Path, default=data.WORK / "llm-pictures.pt")
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(2)
    pictures = args.stage == "pictures"
    checkpoint = data.WORK / ("llm-pictures.pt" if pictures else "llm.pt")
    vocabulary = text.Vocabulary()
    codebook = codes.tokenizer().quantize.embedding.weight.detach()
    tasks = Tasks(vocabulary, codebook, sound=not pictures)
    model = llama(vocabulary.size)
    start_rows(model, vocabulary.first[0], codebook)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    optimizers = [
        torch.optim.Muon(matrices, lr=1.0, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1.0, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        first = saved["step"]
        if not pictures and tasks.pieces and not saved["music"]:
            start_sound_rows(model, vocabulary, speech=False)
    elif not pictures:
        begin(model, vocabulary, args.start)
    kind, weights = kinds(vocabulary), PICTURES if pictures else WEIGHTS
    if not pictures and not tasks.pieces:
        print("no codes of music yet: the tasks with music are left out; start again when they are there", flush=True)
        weights = {name: weight for name, weight in WEIGHTS.items() if name not in MUSICAL}
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters; {sum(weights.values()):.0f} conversations a step", flush=True)
    begun, sums, counts, seen = time.time(), torch.zeros(4), torch.zeros(4), 0
    for step in range(first, args.steps):
        rng = random.Random(step)
        rate = min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.rate * rate
        rows = [vocabulary.conversation(*getattr(tasks, name)(rng)) for name in drawn(rng, weights)]
        asked = torch.cat([kind[torch.tensor(ids)[torch.tensor(said)]] for ids, said in rows]).bincount(minlength=4).clamp(min=1)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        for group in groups(rows):
            longest = max(len(ids) for ids, _ in group)
            ids = torch.zeros(len(group), longest, dtype=torch.long)
            said = torch.zeros(len(group), longest, dtype=torch.bool)
            for i, (row, mask) in enumerate(group):
                ids[i, : len(row)], said[i, : len(row)] = torch.tensor(row), torch.tensor(mask)
            with torch.autocast("cpu", torch.bfloat16):
                hidden = model.model(ids[:, :-1]).last_hidden_state
                logits = model.lm_head(hidden[said[:, 1:]]).float()
            target = ids[:, 1:][said[:, 1:]]
            losses = F.cross_entropy(logits, target, reduction="none")
            of = kind[target]
            share = torch.tensor(SHARES)[of] / asked[of]
            (losses * share).sum().backward()
            sums.index_add_(0, of, losses.detach())
            counts += of.bincount(minlength=4)
            seen += ids.numel()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if (step + 1) % 50 == 0:
            names = ["text", "image", "speech", "music"]
            means = (sums / counts.clamp(min=1)).tolist()
            print(f"{step + 1} {time.time() - begun:.0f}s", *[f"{n} {m:.3f}" for n, m in zip(names, means) if m], f"{seen / (time.time() - begun):.0f} tokens/s", flush=True)
            sums.zero_(), counts.zero_()
        if (step + 1) % 100 == 0 or step + 1 == args.steps:
            part = checkpoint.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1, "music": not pictures and bool(tasks.pieces)}, part)
            part.replace(checkpoint)


if __name__ == "__main__":
    main()
