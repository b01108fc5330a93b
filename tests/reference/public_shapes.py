"""Names and shapes of every tensor that the public checkpoints' networks have at full size.

Built on the meta device by transformers and diffusers, so no weights are made or fetched.
"""

import json

import torch
from common import FIXTURES
from diffusers import AutoencoderKL, UNet2DConditionModel
from speechtokenizer import SpeechTokenizer
from transformers import CLIPTextConfig, CLIPTextModel, EncodecConfig, EncodecModel, LlamaConfig, LlamaForCausalLM


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


def speech_tokenizer():
    return SpeechTokenizer(
        {
            "n_filters": 64, "strides": [8, 5, 4, 2], "dimension": 1024, "semantic_dimension": 768, "bidirectional": True, "dilation_base": 2,
            "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 2, "activation": "Snake", "codebook_size": 1024, "n_q": 8,
            "sample_rate": 16000,
        }
    )  # fmt: skip


def encodec():
    return EncodecModel(
        EncodecConfig(
            sampling_rate=32000, num_filters=64, upsampling_ratios=[8, 5, 4, 4], codebook_size=2048, codebook_dim=128,
            target_bandwidths=[2.2], use_causal_conv=False, use_conv_shortcut=False,
        )
    )  # fmt: skip


# Read by training alone.
TRAINING = ("position_ids", "embed_avg", "cluster_size", "inited", "transform.weight", "transform.bias")


def main():
    listed = {}
    with torch.device("meta"):
        made = {"llama": llama, "clip_text": clip_text, "unet": unet, "vae": vae, "encodec": encodec, "speech_tokenizer": speech_tokenizer}
        for name, make in made.items():
            state = make().state_dict()
            # The published files have the older spelling of weight normalisation.
            old = lambda k: k.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v")
            state = {old(k): v for k, v in state.items()}
            if name == "vae":
                state = {k: v for k, v in state.items() if k.startswith(("decoder.", "post_quant_conv."))}
            if name == "clip_text":
                # Newer releases of transformers leave out the prefix that the files have.
                state = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in state.items()}
            listed[name] = {k: list(v.shape) for k, v in sorted(state.items()) if not k.endswith(TRAINING)}
            print(name, len(state), sum(v.numel() for v in state.values()))
    (FIXTURES / "public_shapes.json").write_text(json.dumps(listed, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
