"""Names and shapes of every tensor that the public judges have, built on the meta device."""

import json

import torch
from common import FIXTURES
from transformers import CLIPConfig, CLIPModel, ClapConfig, ClapModel


def clip():
    """openai/clip-vit-large-patch14."""
    return CLIPModel(
        CLIPConfig(
            text_config=dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12),
            vision_config=dict(
                hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14
            ),
            projection_dim=768,
            attn_implementation="eager",
        )
    )


def clap():
    """laion/clap-htsat-unfused: the defaults."""
    return ClapModel(ClapConfig(attn_implementation="eager"))


# Counted or derived, not learnt.
BUFFERS = ("position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked")


def main():
    listed = {}
    with torch.device("meta"):
        for name, make in {"clip": clip, "clap": clap}.items():
            state = {k: list(v.shape) for k, v in sorted(make().state_dict().items()) if not k.endswith(BUFFERS)}
            listed[name] = state
            print(name, len(state))
    (FIXTURES / "judge_shapes.json").write_text(json.dumps(listed, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
