"""Fixtures of SoundStorm, from AnyGPT's copy of the authors' code.

    git clone https://github.com/OpenMOSS/AnyGPT
    python soundstorm.py --anygpt AnyGPT      (needs einops and beartype)
"""

import argparse
import importlib
import sys
import types
from pathlib import Path

import beartype
import torch
from common import randomize, save

SIZES = dict(dim=24, depth=2, heads=3, dim_head=8, ff_mult=2, conv_expansion_factor=2, conv_kernel_size=5)
LEVELS, CODES, STEPS = 3, 20, 3


def reference(folder):
    """The module without its package's `__init__`, which wants the trainer's dependencies."""
    package = types.ModuleType("soundstorm_speechtokenizer")
    package.__path__ = [str(Path(folder) / "soundstorm_speechtokenizer")]
    sys.modules[package.__name__] = package
    # The hints say `any` where `Any` is meant, which newer releases of beartype refuse.
    beartype.beartype = lambda decorated: decorated
    return importlib.import_module("soundstorm_speechtokenizer.soundstorm")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anygpt", required=True)
    module = reference(parser.parse_args().anygpt)
    conformer = dict(SIZES, attn_flash=False)
    net = module.ConformerWrapper(codebook_size=CODES, num_quantizers=LEVELS, conformer=conformer)
    model = randomize(module.SoundStorm(net, num_semantic_token_ids=CODES, schedule="cosine"), 0)
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randint(0, CODES, shape, generator=generator)
    semantic, prompt = draw(1, 13), draw(1, 6, LEVELS + 1)
    table = torch.randint(0, CODES + 1, (1, 13, LEVELS), generator=generator)
    tensors = {"input.semantic": semantic[0], "input.prompt": prompt[0], "input.table": table[0]}
    with torch.no_grad():
        logits = model.net(table.flatten(1), cond=model.semantic_token_emb(semantic))
        tensors["output.logits"] = logits.view(13, LEVELS, CODES)
        for name, given in {"alone": None, "prompted": prompt}.items():
            noise = []

            def gumbel_noise(t):
                noise.append(torch.rand(t.shape, generator=generator))
                return -module.log(-module.log(noise[-1]))

            module.gumbel_noise = gumbel_noise
            made = model.generate(semantic, given, steps=STEPS)
            tensors[f"output.{name}"] = made[0]
            # The first pass is at temperature 0, where noise is nothing.
            tensors[f"input.noise_{name}"] = torch.stack(noise[1:])[:, 0]
    save("soundstorm", model.state_dict(), tensors, dict(SIZES, num_quantizers=LEVELS, codebook_size=CODES))


if __name__ == "__main__":
    main()
