"""agpt's rules of a reply (src/runtime/grammar.rs), for replies that the language model never learned.

A reply of one medium is the space and the start token, which agpt puts there itself, its codes in
the order of their codebooks, and the end token. Text is pieces of the text tokenizer. A mixed
reply is text that may switch to a medium for which there is room. All end with `<eos>` and `</s>`.
"""

import torch
from language import CHAT, MEDIA
from sizes import BOOKS, IMAGE_TOKENS
from transformers import LogitsProcessor

NAMES = ["image", "speech", "music"]


class Grammar(LogitsProcessor):
    def __init__(self, tokenizer, kind, most, start):
        """`most` ids at most, of codes or of the whole; `start` is the prompt's length."""
        vocab = tokenizer.get_vocab()
        self.kind, self.most, self.start = kind, most, start
        self.text = list(range(3, tokenizer.sp_model.get_piece_size()))
        self.marks = [vocab[mark] for mark in CHAT if mark in vocab]
        self.eos, self.space = vocab["<eos>"], tokenizer.sp_model.piece_to_id("▁")
        self.media = {}
        for name, (prefix, count, begin, end) in zip(NAMES, MEDIA):
            first, books = vocab[f"<{prefix}0>"], BOOKS if name == "music" else 1
            codes = [list(range(first + count // books * b, first + count // books * (b + 1))) for b in range(books)]
            self.media[name] = (vocab[begin], vocab[end], codes)

    def __call__(self, input_ids, scores):
        allowed = torch.tensor(self.allowed(input_ids[0, self.start :].tolist()))
        held = torch.full_like(scores, -torch.inf)
        held[:, allowed] = scores[:, allowed]
        return held

    def allowed(self, ids):
        if self.eos in ids:
            return [2]
        if self.kind == "mixed":
            return self.mixed(ids)
        if self.kind == "text":
            return [self.eos] if len(ids) == self.most else self.text + self.marks + ([self.eos, 2] if ids else [])
        begin, end, _ = self.media[self.kind]
        if len(ids) < 2:
            return [[self.space, begin][len(ids)]]
        return [self.eos] if ids[-1] == end else self.inside(self.kind, len(ids) - 2, self.most)

    def inside(self, name, count, most):
        """After `count` codes of a medium that may have `most`."""
        _, end, books = self.media[name]
        least, most = (IMAGE_TOKENS, IMAGE_TOKENS) if name == "image" else (len(books), most)
        if count == most:
            return [end]
        return books[count % len(books)] + ([end] if count >= least and count % len(books) == 0 else [])

    def mixed(self, ids):
        begun = None
        for place, token in enumerate(ids):
            for name, (begin, end, books) in self.media.items():
                if token == begin:
                    # The end token needs room as well.
                    begun = (name, place, (self.most - place - 2) // len(books) * len(books))
                elif token == end:
                    begun = None
        if begun:
            name, place, most = begun
            return self.inside(name, len(ids) - place - 1, most)
        room = self.most - len(ids)
        if room == 0:
            return [self.eos]
        least = {name: IMAGE_TOKENS if name == "image" else len(books) for name, (_, _, books) in self.media.items()}
        starts = [begin for name, (begin, _, _) in self.media.items() if least[name] + 2 <= room]
        return self.text + self.marks + starts + ([self.eos, 2] if ids else [])
