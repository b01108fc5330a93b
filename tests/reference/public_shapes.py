"""Names and shapes of every tensor that the public checkpoints' networks have at full size.

Built on the meta device by transformers and diffusers, so no weights are made or fetched.
"""

import json

import torch
from common import FIXTURES
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaForCausalLM


def llama():
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=53516, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
            num_key_value_heads=32, tie_word_embeddings=False,
        )
    )  # fmt: skip


def clip_text():
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408, hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
            projection_dim=512, hidden_act="gelu",
        )
    )  # fmt: skip


def unet():
    return UNet2DConditionModel(
        sample_size=96, cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True,
        class_embed_type="projection", projection_class_embeddings_input_dim=2048,
    )  # fmt: skip


def vae():
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, latent_channels=4,
    )  # fmt: skip


def main():
    listed = {}
    with torch.device("meta"):
        for name, make in {"llama": llama, "clip_text": clip_text, "unet": unet, "vae": vae}.items():
            state = make().state_dict()
            if name == "vae":
                state = {k: v for k, v in state.items() if k.startswith(("decoder.", "post_quant_conv."))}
            if name == "clip_text":
                # Newer releases of transformers leave out the prefix that the files have.
                state = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in state.items()}
            listed[name] = {k: list(v.shape) for k, v in sorted(state.items()) if not k.endswith("position_ids")}
            print(name, len(state), sum(v.numel() for v in state.values()))
    (FIXTURES / "public_shapes.json").write_text(json.dumps(listed, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
