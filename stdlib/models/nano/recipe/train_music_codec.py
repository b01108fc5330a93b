"""Trains the music codec: EnCodec (transformers' `EncodecModel`) in nano's size, four codebooks.

The codebooks learn by moving averages, as in the reference's training code; transformers has only
their use, so the quantizer of PyPI `speechtokenizer`, which is the same, stands in for it here
and `export.py` writes its tables under the public names. Resumes from its checkpoint.
"""

import argparse
import random
import time

import data
import music_data
import numpy as np
import torch
from codec_training import distance, growing, outermost, rate, strides
from speechtokenizer.quantization import ResidualVectorQuantizer
from torch import nn
from transformers import EncodecConfig, EncodecModel

CHECKPOINT = data.WORK / "music_codec.pt"
BOOKS, SIZE = 4, 256
FIRST = 3200  # steps of the first part


def config():
    return EncodecConfig(
        sampling_rate=16000, audio_channels=1, normalize=False, chunk_length_s=None, overlap=None, hidden_size=128,
        num_filters=12, num_residual_layers=1, upsampling_ratios=[8, 5, 4, 2], norm_type="weight_norm", kernel_size=7,
        last_kernel_size=7, residual_kernel_size=3, dilation_growth_rate=2, use_causal_conv=False, pad_mode="reflect",
        compress=2, num_lstm_layers=2, codebook_size=SIZE, codebook_dim=128, target_bandwidths=[1.6], use_conv_shortcut=False,
    )  # fmt: skip


class Codec(nn.Module):
    def __init__(self):
        super().__init__()
        whole = EncodecModel(config())
        self.encoder, self.decoder = whole.encoder, whole.decoder
        self.quantizer = ResidualVectorQuantizer(dimension=128, n_q=BOOKS, bins=SIZE)

    def forward(self, wave, books=BOOKS):
        quantized, _, commit, _ = self.quantizer(self.encoder(wave), n_q=books, layers=[0])
        return self.decoder(quantized), commit.mean()

    def encode(self, wave):
        """(n, 1, samples) → (books, n, frames)"""
        return self.quantizer.encode(self.encoder(wave))

    def decode(self, codes):
        return self.decoder(self.quantizer.decode(codes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5200)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(4)
    rows, clips = music_data.load()
    train = [i for i, row in enumerate(rows) if not row["held_out"]]
    test = [i for i, row in enumerate(rows) if row["held_out"]][:16]
    model = Codec()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.8, 0.98), weight_decay=0.0)
    start = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(train)} clips", flush=True)
    begun, sums = time.time(), np.zeros(3)
    length = music_data.RATE
    for step in range(start, args.steps):
        rng = random.Random(step)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * rate(step, args.steps, FIRST)
        wave = torch.empty(args.batch, length)
        for to in wave:
            first = rng.randrange(clips.shape[1] - length)
            cut = np.array(clips[rng.choice(train), first : first + length], dtype=np.float32)
            to[:] = torch.from_numpy(cut / 32768 * rng.uniform(0.5, 1.2))
        model.train()
        if growing(step) and strides(step) < 5:
            made, commit = outermost(model.encoder.layers, model.decoder.layers, wave.unsqueeze(1), strides(step)), torch.zeros(())
        elif growing(step):
            made, commit = model.decoder(model.encoder(wave.unsqueeze(1))), torch.zeros(())
        else:
            made, commit = model(wave.unsqueeze(1), BOOKS if rng.random() < 0.7 else rng.randint(1, BOOKS))
        loss, real, near = distance(made[:, 0], wave, step, FIRST)
        loss = loss + 0.25 * commit
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sums += [float(x.detach()) for x in (real, near, commit)]
        if (step + 1) % 100 == 0:
            real, near, commit = sums / 100
            sums[:] = 0
            print(f"{step + 1} {time.time() - begun:.0f}s spectral {real:.3f} wave {near:.4f} commit {commit:.4f}", flush=True)
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, part)
            part.replace(CHECKPOINT)
            if growing(step):
                continue
            model.eval()
            with torch.no_grad():
                wave = torch.from_numpy(np.array(clips[test], dtype=np.float32) / 32768)
                codes = model.encode(wave.unsqueeze(1))
                made = model.decode(codes)[:, 0]
            noise = (made - wave).square().mean(1)
            print(f"   held-out pairs: {float((10 * torch.log10(wave.square().mean(1) / noise)).mean()):.2f} dB; codes used: {[len(b.unique()) for b in codes]}", flush=True)


if __name__ == "__main__":
    main()
