"""What the fixture scripts share: random weights, and files that the Rust tests read."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "models"


def randomize(module, seed, gain=1.0):
    """Gives every parameter random values of a size that keeps activations near 1.

    They are rounded to float16, so that files of half the size hold them exactly.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() >= 2:
            embedding = "embed" in name and parameter.dim() != 4
            fan_in = 1 if embedding else parameter[0].numel()
            values *= gain / fan_in**0.5
        elif "norm" in name.lower() and name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values *= 0.2
        parameter.data.copy_(values.half().float())
    return module.float().eval()


def half(state):
    """The weights as they are stored."""
    return {name: value.half().contiguous() for name, value in state.items() if value.is_floating_point()}


def save(name, weights, tensors, config):
    """`weights` and `tensors` in one safetensors file, `config` beside it."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for key, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{name}: {key} is not finite")
    contents = half(weights) | {key: value.contiguous() for key, value in tensors.items()}
    path = FIXTURES / f"{name}.safetensors"
    save_file(contents, path)
    path.chmod(0o644)
    (FIXTURES / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{name}: {path.stat().st_size} bytes")


def waves(*shape, seed=0):
    """Standard normal values."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
