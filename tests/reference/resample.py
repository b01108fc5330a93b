"""torchaudio.transforms.Resample, with its defaults, for several pairs of rates.

It computes its taps in float64, as the published program does for music. For speech the program calls the functional
form, which computes them in float32: 4e-6 away at 44,100 Hz, 2e-4 at the oddest pair here.
"""

import torch
from common import FIXTURES
from safetensors.torch import save_file
from torchaudio.transforms import Resample

# The lowest and highest that are likely, both directions, and two that share no factor.
RATES = [(44100, 16000), (48000, 32000), (8000, 16000), (22050, 32000), (24000, 16000), (16000, 11025), (4001, 3997), (96000, 16000)]


def main():
    generator = torch.Generator().manual_seed(3)
    sound = torch.rand(3001, generator=generator) * 2 - 1
    made = {f"{a}_{b}": Resample(a, b)(sound) for a, b in RATES}
    made |= {"short": sound[:5].clone(), "short_44100_16000": Resample(44100, 16000)(sound[:5])}
    save_file({"sound": sound, **made}, FIXTURES / "resample.safetensors")


if __name__ == "__main__":
    main()
