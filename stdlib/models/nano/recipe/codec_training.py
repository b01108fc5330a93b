"""What the trainings of the two audio codecs share: their loss, and how they grow.

A codec begun as a whole stays at silence for thousands of steps: through so many layers with
PyTorch's usual start 2 % of the signal reaches the codebooks. So the autoencoder grows from the
samples inwards, a stride at a time, and gets its codebooks last.

What is near to the waveform is near in its loudest, lowest part: after the first steps nothing
above 1 kHz was left, and no word was to be understood. So in the second part of a training the
loss hears both signals with their highs raised, and the spectrum counts more than the waveform.
"""

import math

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


def raised(wave):
    """Pre-emphasis: highs raised by about as much as speech has less of them."""
    return wave[:, 1:] - 0.97 * wave[:, :-1]


def distance(made, real, step, first):
    """(loss, its spectral and its waveform part) of (n, samples) signals at a step of a training."""
    if step < first:
        far, near = spectral(made, real), (made - real).abs().mean() / real.abs().mean()
        return near + (0.1 if growing(step) else 0.3) * far, far, near
    made, real = raised(made), raised(real)
    far, near = spectral(made, real), (made - real).abs().mean() / real.abs().mean()
    return 0.2 * near + far, far, near


def rate(step, steps, first):
    """A cosine for each of the two parts."""
    if step < first:
        return min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * step / first)) + 0.01
    return 0.8 * min(1, (step - first + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * (step - first) / max(1, steps - first))) + 0.01


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
