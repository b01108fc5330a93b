"""Trains the music codec: EnCodec (transformers' `EncodecModel`) in nano's size, four codebooks.

The codebooks learn by moving averages, as in the reference's training code; transformers has only
their use, so the quantizer of PyPI `speechtokenizer`, which is the same, stands in for it here
and `export.py` writes its tables under the public names.
"""

import argparse
import random

import codec_training
import data
import music_data
import numpy as np
import torch
from speechtokenizer.quantization import ResidualVectorQuantizer
from torch import nn
from transformers import EncodecConfig, EncodecModel

CHECKPOINT = data.WORK / "music_codec.pt"
BOOKS, SIZE = 4, 256
FIRST = 11000  # steps of the first part


def config():
    return EncodecConfig(
        sampling_rate=16000, audio_channels=1, normalize=False, chunk_length_s=None, overlap=None, hidden_size=128,
        num_filters=8, num_residual_layers=1, upsampling_ratios=[8, 5, 4, 2], norm_type="weight_norm", kernel_size=7,
        last_kernel_size=7, residual_kernel_size=3, dilation_growth_rate=2, use_causal_conv=False, pad_mode="reflect",
        compress=2, num_lstm_layers=2, codebook_size=SIZE, codebook_dim=128, target_bandwidths=[1.6], use_conv_shortcut=False,
    )  # fmt: skip


class Codec(nn.Module):
    def __init__(self):
        super().__init__()
        whole = EncodecModel(config())
        self.encoder, self.decoder = whole.encoder, whole.decoder
        self.quantizer = ResidualVectorQuantizer(dimension=128, n_q=BOOKS, bins=SIZE)

    def encode(self, wave):
        """(n, 1, samples) → (books, n, frames)"""
        return self.quantizer.encode(self.encoder(wave))

    def decode(self, codes):
        return self.decoder(self.quantizer.decode(codes))


def encode(model, wave, step):
    """All codebooks, or now and then only the first ones, so that each adds to those before it."""
    rng = random.Random(step)
    quantized, _, commit, _ = model.quantizer(model.encoder(wave), n_q=BOOKS if rng.random() < 0.7 else rng.randint(1, BOOKS), layers=[0])
    return quantized, None, commit.mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--samples", type=int, default=16000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(4)
    rows, clips = music_data.load()
    train = [i for i, row in enumerate(rows) if not row["held_out"]]
    test = [i for i, row in enumerate(rows) if row["held_out"]][:32]
    model = Codec()
    codec_training.quicken(model.quantizer, args.batch * args.samples // 320, SIZE)
    held_out = torch.from_numpy(np.array(clips[test], dtype=np.float32) / 32768)

    def pieces(step):
        rng = random.Random(step)
        wave = torch.empty(args.batch, args.samples)
        for to in wave:
            first = rng.randrange(clips.shape[1] - args.samples)
            cut = np.array(clips[rng.choice(train), first : first + args.samples], dtype=np.float32)
            to[:] = torch.from_numpy(cut / 32768 * rng.uniform(0.5, 1.2))
        return (wave,)

    def report(model):
        codes = model.encode(held_out[:, None])
        made = model.decode(codes)[:, 0]
        far = codec_training.spectral(codec_training.raised(made), codec_training.raised(held_out))
        noise = (made - held_out).square().mean(1)
        return f"held-out pairs: spectral {far:.3f}, {float((10 * torch.log10(held_out.square().mean(1) / noise)).mean()):.2f} dB; codes used {[len(book.unique()) for book in codes]}"

    codec_training.train(
        model, pieces, CHECKPOINT, encode=encode, beside=None, first=FIRST, steps=args.steps, seed_rate=1e-3, report=report,
        grown=(model.encoder.layers, model.decoder.layers),
    )  # fmt: skip


if __name__ == "__main__":
    main()
