"""What the trained tokenizer makes of the pictures: codes, and the embeddings they stand for."""

import data
import numpy as np
import torch
from networks import SeedTokenizer, pixels_of
from safetensors.torch import load_file


def source():
    """The tokenizer that was trained here, or the one that is shipped."""
    trained = data.WORK / "tokenizer.pt"
    return trained if trained.exists() else data.HERE.parent / "image_tokenizer" / "model.safetensors"


def tokenizer():
    """The tokenizer with its weights rounded as they are shipped."""
    if source().suffix == ".safetensors":
        state = load_file(source())
    else:
        state = torch.load(source(), weights_only=True)["model"]
        state = {k[5:]: v.bfloat16() for k, v in state.items() if k.startswith("seed.")}
    model = SeedTokenizer()
    model.load_state_dict({k: v.float() for k, v in state.items()})
    return model.eval()


class Pictures:
    """The pictures of one stem that have words: codes, colours, nouns, kept between runs."""

    def __init__(self, stem, wanted=lambda row: row["noun"] and row["count"] > 1):
        index, self.pictures, colours = data.load(stem)
        rows = [row for row in index if wanted(row)]
        self.which = np.concatenate([np.arange(r["first"], r["first"] + r["count"]) for r in rows])
        self.nouns = [r["noun"] for r in rows for _ in range(r["count"])]
        self.icons = [f"{r['set']}/{r['icon']}" for r in rows for _ in range(r["count"])]
        self.colours = [data.COLOURS[c] for c in colours[self.which]]
        self.words = [data.caption(colour, noun) for colour, noun in zip(self.colours, self.nouns)]

    def pixels(self, rows):
        return pixels_of(self.pictures[self.which[rows]])

    @torch.no_grad()
    def encode(self, model):
        """(n, 32) codes"""
        parts = [model.encode(self.pixels(np.arange(i, min(i + 256, len(self.which))))) for i in range(0, len(self.which), 256)]
        return torch.cat(parts)


def encoded(stem):
    """Pictures with .codes, computed once for each tokenizer."""
    made = Pictures(stem)
    cache = data.WORK / f"codes-{stem}.pt"
    if not cache.exists() or cache.stat().st_mtime < source().stat().st_mtime:
        part = cache.with_suffix(".part")
        torch.save(made.encode(tokenizer()), part)
        part.replace(cache)
    made.codes = torch.load(cache, weights_only=True)
    return made
