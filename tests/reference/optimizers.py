"""torch.optim.AdamW and torch.optim.Muon: parameters after each of some steps.

torch runs Muon's iteration in bfloat16; it is run here once so, and once with float32 in its place.
"""

import types

import torch
import torch.optim._muon as muon
from common import save

STEPS = 6
SHAPES = {"wide": (5, 12), "tall": (12, 5), "square": (8, 8)}
ADAMW = dict(lr=0.01, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1)
MUON = dict(lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")


class Float32(types.ModuleType):
    """torch, where bfloat16 is float32."""

    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def factor(step):
    return 1 - step / (2 * STEPS)


def run(optimizer_class, options, start, gradients):
    parameter = torch.nn.Parameter(start.clone())
    optimizer = optimizer_class([parameter], **options)
    after = []
    for step, gradient in enumerate(gradients):
        optimizer.param_groups[0]["lr"] = options["lr"] * factor(step)
        parameter.grad = gradient.clone()
        optimizer.step()
        after.append(parameter.detach().clone())
    return torch.stack(after)


def main():
    tensors = {}
    generator = torch.Generator().manual_seed(0)
    for name, shape in SHAPES.items():
        start = torch.randn(shape, generator=generator)
        gradients = torch.randn((STEPS, *shape), generator=generator) * torch.logspace(-3, 1, STEPS).view(-1, 1, 1)
        tensors |= {f"{name}.start": start, f"{name}.gradients": gradients}
        tensors[f"{name}.adamw"] = run(torch.optim.AdamW, ADAMW, start, gradients)
        tensors[f"{name}.muon_bf16"] = run(torch.optim.Muon, MUON, start, gradients)
        muon.torch = Float32("torch")
        tensors[f"{name}.muon"] = run(torch.optim.Muon, MUON, start, gradients)
        muon.torch = torch
        assert not torch.equal(tensors[f"{name}.muon"], tensors[f"{name}.muon_bf16"])
    save("optimizers", {}, tensors, {"adamw": ADAMW, "muon": MUON, "factors": [factor(s) for s in range(STEPS)]})


if __name__ == "__main__":
    main()
