"""The pictures and sounds that the tasks are about."""

import numpy as np
import soundfile
import torch
from PIL import Image
from sizes import SEED


def picture(path, seed, width, height):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x * y * 5 + 40 * seed) % 256], -1)
    block = rng.integers(0, 256, (height // 2, width // 2, 3))
    pixels[: height // 2, : width // 2] = block
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def sound(path, seed, rate, seconds):
    """A few tones and some noise, in 16 bits and at the codec's own rate: nothing is resampled."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    tones = sum(rng.uniform(0.1, 0.3) * np.sin(2 * np.pi * rng.uniform(100, 2000) * time) for _ in range(3))
    soundfile.write(path, tones + 0.05 * rng.standard_normal(time.size), rate, subtype="PCM_16")


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    picture(folder / "first.png", 1, 23, 17)
    picture(folder / "second.png", 2, 16, 20)
    sound(folder / "said.wav", 3, 16000, 0.3)
    # Not a whole number of frames.
    sound(folder / "voice.wav", 4, 16000, 0.195)
    sound(folder / "piece.wav", 5, 32000, 0.105)
    return {path.stem: path for path in sorted(folder.iterdir())}


def pixels(paths):
    """Pictures as the image tokenizer sees them; only to place its codebook among them."""
    side = (SEED["image_size"],) * 2
    seen = [np.asarray(Image.open(path).convert("RGB").resize(side, Image.BICUBIC)) / 255 for path in paths]
    seen = (np.stack(seen) - SEED["image_mean"]) / SEED["image_std"]
    return torch.tensor(seen, dtype=torch.float32).permute(0, 3, 1, 2).contiguous()
