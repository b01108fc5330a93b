"""The networks, with the tensor names and the arithmetic of the public checkpoints.

The SEED-2 tokenizer is written out here (its published code needs old packages); the language
model is transformers' LlamaForCausalLM, the decoder is diffusers' UNet2DConditionModel and
AutoencoderKL. Only the sizes below are nano's own.
"""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaForCausalLM

SEED = {
    "model_type": "seed-tokenizer",
    "image_size": 64,
    "patch_size": 8,
    "vit_width": 192,
    "vit_depth": 4,
    "vit_heads": 4,
    "vit_mlp_ratio": 4.0,
    "qformer_hidden_size": 128,
    "qformer_layers": 2,
    "qformer_heads": 4,
    "qformer_intermediate_size": 512,
    "cross_attention_freq": 1,
    "num_query_tokens": 32,
    "codebook_size": 1024,
    "codebook_dim": 32,
    "reverse_depth": 2,
    "reverse_heads": 4,
    "reverse_mlp_ratio": 4.0,
    "image_down_dims": [64, 32, 8],
    "image_embed_dim": 256,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attend(q, k, v, causal=False):
    """Written out: at these sizes it is faster on CPUs than the fused kernels, backwards above all."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], -1e4, dtype=scores.dtype).triu(1)
    return scores.softmax(-1).to(v.dtype) @ v


class Attention(nn.Module):
    """Fused projection; `eva` has a bias for queries and values only."""

    def __init__(self, width, heads, eva):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=not eva)
        if eva:
            self.q_bias = nn.Parameter(torch.zeros(width))
            self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)
        self.eva = eva

    def forward(self, x):
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias]) if self.eva else self.qkv.bias
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, -1)
        out = attend(*(split(t, self.heads) for t in (q, k, v)))
        return self.proj(out.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width, ratio):
        super().__init__()
        self.fc1 = nn.Linear(width, int(width * ratio))
        self.fc2 = nn.Linear(int(width * ratio), width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, ratio, eva):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, eva)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, ratio)

    def forward(self, x, drop=0.0):
        def kept(y):
            if not self.training or not drop:
                return y
            return y * torch.empty(len(y), 1, 1).bernoulli_(1 - drop).div(1 - drop).to(y)

        x = x + kept(self.attn(self.norm1(x)))
        return x + kept(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, patch = c["vit_width"], c["patch_size"]
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + (c["image_size"] // patch) ** 2, width))
        self.blocks = nn.ModuleList(Block(width, c["vit_heads"], c["vit_mlp_ratio"], True) for _ in range(c["vit_depth"]))

    def forward(self, pixels):
        x = self.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1).to(x), x], 1) + self.pos_embed
        for i, block in enumerate(self.blocks):
            x = block(x, 0.1 * i / len(self.blocks))
        return x


class BertAttention(nn.Module):
    def __init__(self, hidden, heads, source):
        super().__init__()
        self.heads = heads
        self.self = nn.Module()
        self.self.query = nn.Linear(hidden, hidden)
        self.self.key = nn.Linear(source, hidden)
        self.self.value = nn.Linear(source, hidden)
        self.output = nn.Module()
        self.output.dense = nn.Linear(hidden, hidden)
        self.output.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, source, causal):
        q, k, v = (split(f(t), self.heads) for f, t in [(self.self.query, x), (self.self.key, source), (self.self.value, source)])
        out = attend(q, k, v, causal).transpose(1, 2).flatten(2)
        return self.output.LayerNorm(self.output.dense(out) + x)


class BertLayer(nn.Module):
    def __init__(self, c, crossed):
        super().__init__()
        hidden, inner = c["qformer_hidden_size"], c["qformer_intermediate_size"]
        self.attention = BertAttention(hidden, c["qformer_heads"], hidden)
        if crossed:
            self.crossattention = BertAttention(hidden, c["qformer_heads"], c["vit_width"])
        self.crossed = crossed
        self.intermediate_query = nn.Module()
        self.intermediate_query.dense = nn.Linear(hidden, inner)
        self.output_query = nn.Module()
        self.output_query.dense = nn.Linear(inner, hidden)
        self.output_query.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, image):
        x = self.attention(x, x, True)
        if self.crossed:
            x = self.crossattention(x, image, False)
        inner = F.gelu(self.intermediate_query.dense(x))
        return self.output_query.LayerNorm(self.output_query.dense(inner) + x)


def tanh_mlp(inputs, inner, outputs):
    return nn.Sequential(nn.Linear(inputs, inner), nn.Tanh(), nn.Linear(inner, outputs))


class SeedTokenizer(nn.Module):
    def __init__(self, c=SEED):
        super().__init__()
        self.config = c
        hidden, queries, dim = c["qformer_hidden_size"], c["num_query_tokens"], c["codebook_dim"]
        self.visual_encoder = VisionTransformer(c)
        self.ln_vision = nn.LayerNorm(c["vit_width"])
        self.query_tokens = nn.Parameter(0.02 * torch.randn(1, queries, hidden))
        self.Qformer = nn.Module()
        bert = self.Qformer.bert = nn.Module()
        bert.embeddings = nn.Module()
        bert.embeddings.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)
        bert.encoder = nn.Module()
        bert.encoder.layer = nn.ModuleList(BertLayer(c, i % c["cross_attention_freq"] == 0) for i in range(c["qformer_layers"]))
        self.encode_task_layer = tanh_mlp(hidden, hidden, dim)
        self.quantize = nn.Module()
        self.quantize.embedding = nn.Embedding(c["codebook_size"], dim)
        self.decode_task_layer = tanh_mlp(dim, dim, hidden)
        self.pos_embed_image = nn.Parameter(0.02 * torch.randn(1, queries, hidden))
        self.blocks_image = nn.ModuleList(
            Block(hidden, c["reverse_heads"], c["reverse_mlp_ratio"], False) for _ in range(c["reverse_depth"])
        )
        first, second, third = c["image_down_dims"]
        self.image_down = nn.Sequential(
            nn.Linear(hidden, first, bias=False), nn.ReLU(), nn.Linear(first, second, bias=False), nn.ReLU(),
            nn.Linear(second, third, bias=False),
        )  # fmt: skip
        self.distill_image_proj = nn.Linear(queries * third, c["image_embed_dim"])

    def features(self, pixels):
        """(n, 3, 64, 64) → the image's tokens (n, 65, width) and vectors to quantize (n, 32, dim)."""
        image = self.ln_vision(self.visual_encoder(pixels))
        bert = self.Qformer.bert
        x = bert.embeddings.LayerNorm(self.query_tokens.expand(len(pixels), -1, -1))
        for layer in bert.encoder.layer:
            x = layer(x, image)
        return image, self.encode_task_layer(x)

    def nearest(self, z):
        entries, flat = self.quantize.embedding.weight.float(), z.float().flatten(0, -2)
        distances = flat.square().sum(1, True) + entries.square().sum(1) - 2 * flat @ entries.t()
        return distances.argmin(1).view(z.shape[:-1])

    def reverse(self, vectors):
        """Vectors of codes (n, 32, dim) → image embeddings (n, 256)."""
        x = self.decode_task_layer(vectors) + self.pos_embed_image
        for block in self.blocks_image:
            x = block(x)
        return self.distill_image_proj(self.image_down(x).flatten(1))

    @torch.no_grad()
    def encode(self, pixels):
        return self.nearest(self.features(pixels)[1])

    @torch.no_grad()
    def image_embeds(self, codes):
        return self.reverse(self.quantize.embedding(codes))


def pixels_of(pictures):
    """(n, h, w, 3) bytes → (n, 3, h, w) in -1..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def vae():
    return AutoencoderKL(
        sample_size=64,
        block_out_channels=(16, 32, 48),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        scaling_factor=1.0,
    )


def unet():
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(48, 64, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=[2, 2, 3],
        cross_attention_dim=32,
        norm_num_groups=8,
        use_linear_projection=True,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * SEED["image_embed_dim"],
    )


SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
NOISING = {"_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"}


def clip_text():
    """The decoder's text encoder sees the empty prompt only, so it is as small as it can be."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=2, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
            max_position_embeddings=4, projection_dim=32, bos_token_id=0, eos_token_id=1, pad_token_id=1, hidden_act="gelu",
        )
    )  # fmt: skip


EMPTY_PROMPT = [0, 1, 1, 1]


def llama(vocab_size):
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab_size, hidden_size=256, intermediate_size=704, num_hidden_layers=6, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=1024, rms_norm_eps=1e-5, tie_word_embeddings=False,
            bos_token_id=1, eos_token_id=2, pad_token_id=None, attn_implementation="eager",
        )
    )  # fmt: skip
