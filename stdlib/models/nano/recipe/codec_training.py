"""What the trainings of the two audio codecs share: their loss, and how they grow.

A codec begun as a whole stays at silence for thousands of steps: through so many layers with
PyTorch's usual start 2 % of the signal reaches the codebooks. So the autoencoder grows from the
samples inwards, a stride at a time, and gets its codebooks last.
"""

import torch

# Steps of each stage: one to four strides, all of it, all of it once more; then with codebooks.
GROW, STAGES = 150, 6
WINDOWS = {n: torch.hann_window(n) for n in (256, 512, 1024)}


def spectral(made, real):
    """Distance of short-time spectra at three resolutions (Yamamoto et al. 2020, section 2.2)."""
    total = 0.0
    for n, window in WINDOWS.items():
        size = lambda x: torch.stft(x, n, n // 4, window=window, return_complex=True).abs().clamp(min=1e-4)
        a, b = size(made), size(real)
        total = total + (b - a).norm() / b.norm() + (b.log() - a.log()).abs().mean()
    return total / len(WINDOWS)


def growing(step):
    return step < STAGES * GROW


def strides(step):
    """How many strides the autoencoder has at a step; five stand for all of it."""
    return min(5, 1 + step // GROW)


def outermost(encoder, decoder, wave, count):
    """Through the first strides of the encoder's layers and the last ones of the decoder's."""
    for layer in [*encoder[: 1 + 3 * count], *decoder[2 + 3 * (4 - count) :]]:
        wave = layer(wave)
    return wave
