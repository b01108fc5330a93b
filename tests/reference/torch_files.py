"""Checkpoints as torch.save writes them, and the same tensors as safetensors: tests/fixtures/torch."""

import torch
from common import FIXTURES
from safetensors.torch import load_file, save_file

OUT = FIXTURES.parent / "torch"


class Wrapped(torch.Tensor):
    """Saved by `_rebuild_from_type_v2`, as the tensors of the published language models are."""


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(4, 6, generator=generator)
    torch.serialization.add_safe_globals([Wrapped])
    wrapped = torch.randn(3, generator=generator).as_subclass(torch.Tensor)
    wrapped.note = "an attribute makes torch.save keep the type and its state"
    state = {
        "f32": base, "f16": base.half(), "bf16": base.bfloat16(), "f64": base.double(), "i64": torch.arange(5), "u8": torch.arange(7, dtype=torch.uint8),
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "transposed": base.t(), "column": base[:, 2], "row": base[1], "steps": base[::2, 1::3],
        "parameter": torch.nn.Parameter(base[:2].clone()), "wrapped": wrapped,
    }  # fmt: skip
    nested = {"epoch": 3, "model": {"w": base, "layers": {0: base[0], "bias": base[1]}}, "names": ["w"], "optimizer": None}
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).requires_grad_(False)
    for k, parameter in module.named_parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    torch.save(state, OUT / "kinds.pt")
    torch.save(state, OUT / "kinds_old.pt", _use_new_zipfile_serialization=False)
    torch.save(state, OUT / "kinds_protocol_4.pt", pickle_protocol=4)
    torch.save(nested, OUT / "nested.bin")
    torch.save(module.state_dict(), OUT / "module.pth")
    plain = lambda tensors: {k: v.detach().as_subclass(torch.Tensor).clone(memory_format=torch.contiguous_format).contiguous() for k, v in tensors.items()}
    save_file(plain(state), OUT / "kinds.safetensors")
    save_file(plain({"model.w": base, "model.layers.0": base[0], "model.layers.bias": base[1]}), OUT / "nested.safetensors")
    save_file(plain(module.state_dict()), OUT / "module.safetensors")
    # The language model of fixtures/bundle/sound in the other format.
    llm = load_file(FIXTURES.parent / "bundle/sound/llm/model.safetensors")
    torch.save(llm, OUT / "sound_llm.bin")
    for path in sorted(OUT.iterdir()):
        path.chmod(0o644)
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
