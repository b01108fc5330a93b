"""Trains the speech tokenizer: SEANet with a BiLSTM, eight codebooks, the first of which carries words.

The network is the reference's (PyPI `speechtokenizer`) in nano's size. HuBERT, which the
reference distils into the first codebook, is replaced by what is known here: which phone is
spoken when. A linear layer tells the phone of each frame from the first codebook alone, so that
its codes say what is said and leave how it sounds to the other seven.
"""

import argparse
import math
import random

import codec_training
import data
import numpy as np
import speech_data
import torch
import torch.nn.functional as F
from speechtokenizer import SpeechTokenizer
from torch import nn

CHECKPOINT = data.WORK / "speech_tokenizer.pt"
CONFIG = {
    "n_filters": 10, "strides": [8, 5, 4, 2], "dimension": 128, "semantic_dimension": 128, "bidirectional": True,
    "dilation_base": 2, "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 2, "activation": "Snake",
    "codebook_size": 512, "n_q": 8, "sample_rate": 16000,
}  # fmt: skip
FIRST = 4500  # steps of the first part
HOP = math.prod(CONFIG["strides"])
# CMU's phones for English, as flite prints them.
PHONES = "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh".split()


def phones(row, first, frames):
    """The phone in the middle of each of `frames` frames that begin at sample `first` of a recording."""
    ends = np.array([end for _, end in row["phones"]])
    names = np.array([PHONES.index(name) for name, _ in row["phones"]] + [0])
    return names[np.searchsorted(ends, (first + (np.arange(frames) + 0.5) * HOP) / speech_data.RATE)]


class Phones(nn.Module):
    """Cross-entropy of the phones told from vectors (batch, frames, dimension), one frame at a time."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(CONFIG["dimension"], len(PHONES))

    def forward(self, vectors, labels):
        if vectors.shape[1] == CONFIG["dimension"]:
            vectors = vectors.transpose(1, 2)
        return F.cross_entropy(self.head(vectors).flatten(0, 1), labels.flatten())


class Recordings:
    def __init__(self, keep):
        rows, self.samples = speech_data.load()
        self.rows = [row for row in rows if keep(row)]

    def cut(self, rng, count, frames):
        """(count, samples) of `frames` frames each, and the phones (count, frames)"""
        wave, labels = torch.zeros(count, frames * HOP), torch.zeros(count, frames, dtype=torch.long)
        for to, label, row in zip(wave, labels, rng.choices(self.rows, k=count)):
            first = rng.randint(0, max(0, row["count"] - len(to)))
            some = self.samples[row["first"] + first : row["first"] + min(row["count"], first + len(to))]
            to[: len(some)] = torch.from_numpy(np.array(some, dtype=np.float32) / 32768)
            label[:] = torch.from_numpy(phones(row, first, frames))
        return wave, labels


def trained_on(row):
    return row["voice"] != speech_data.HELD_OUT_VOICE and not speech_data.held_out(row["text"])


def encode(model, wave, step):
    """All codebooks, or now and then only the first ones, so that each adds to those before it."""
    rng = random.Random(step)
    books = 8 if rng.random() < 0.6 else rng.randint(1, 8)
    encoded = model.encoder(wave)
    quantized, _, commit, every = model.quantizer(encoded, n_q=books, layers=[0])
    return quantized, every[0], commit.mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    train, test = Recordings(trained_on), Recordings(lambda row: row["voice"] != speech_data.HELD_OUT_VOICE and speech_data.held_out(row["text"]))
    model, head = SpeechTokenizer(CONFIG), Phones()
    codec_training.quicken(model.quantizer, args.batch * args.frames, CONFIG["codebook_size"])
    wave, labels = test.cut(random.Random(1), 48, 50)

    def report(model):
        codes = model.encode(wave[:, None])
        told = head.head(model.quantizer.decode(codes[:1]).transpose(1, 2)).argmax(-1)
        made = model.decoder(model.quantizer.decode(codes))[:, 0]
        far = codec_training.spectral(codec_training.raised(made), codec_training.raised(wave))
        return f"held-out sentences: spectral {far:.3f}, phones right {float((told == labels).float().mean()):.3f}; codes used {[len(book.unique()) for book in codes]}"

    codec_training.train(
        model, lambda step: train.cut(random.Random(step), args.batch, args.frames), CHECKPOINT, encode=encode, beside=head,
        first=FIRST, steps=args.steps, seed_rate=1e-3, report=report,
        grown=(model.encoder.model, model.decoder.model),
    )  # fmt: skip


if __name__ == "__main__":
    main()
