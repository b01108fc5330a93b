"""The published SEED-2 code (AILab-CVC/SEED, models/seed_qformer) with small sizes.

The repository is given by --seed-repo. Its modules expect older releases of timm and
transformers; the few names they import are provided here, and what would download weights
is replaced by small random networks.
"""

import argparse
import sys
import types
from functools import partial

import torch
from common import randomize, save, waves
from torch import nn
from transformers import BertConfig, PreTrainedModel, modeling_utils
from transformers.utils import ModelOutput

CONFIG = {
    "model_type": "seed-tokenizer",
    "image_size": 16,
    "patch_size": 4,
    "vit_width": 16,
    "vit_depth": 3,
    "vit_heads": 2,
    "vit_mlp_ratio": 4.3637,
    "qformer_hidden_size": 24,
    "qformer_layers": 3,
    "qformer_heads": 3,
    "qformer_intermediate_size": 40,
    "cross_attention_freq": 2,
    "num_query_tokens": 32,
    "codebook_size": 50,
    "codebook_dim": 8,
    "reverse_depth": 2,
    # The published code fixes these.
    "reverse_heads": 12,
    "reverse_mlp_ratio": 4.0,
    "image_down_dims": [256, 128, 32],
    "image_embed_dim": 12,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def unused(*_args, **_kwargs):
    raise NotImplementedError


def module(name, **contents):
    made = types.ModuleType(name)
    vars(made).update(contents)
    sys.modules[name] = made


def provide_old_names():
    """timm, einops and transformers as the published modules import them."""
    for name in ["timm", "timm.models"]:
        module(name)
    module(
        "timm.models.layers",
        drop_path=unused,
        to_2tuple=lambda x: (x, x),
        trunc_normal_=nn.init.trunc_normal_,
        DropPath=unused,
    )
    module("timm.models.vision_transformer", _cfg=unused, PatchEmbed=unused)
    module("timm.models.registry", register_model=unused)
    module("timm.models.helpers", named_apply=unused, adapt_input_conv=unused)
    module("timm.models.hub")
    sys.modules["timm.models"].hub = sys.modules["timm.models.hub"]
    # Used once, on the codebook, with the pattern 'n d -> d n'.
    module("einops", rearrange=lambda x, _pattern: x.t())
    module("transformers.file_utils", ModelOutput=ModelOutput)
    for name in ["apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer"]:
        if not hasattr(modeling_utils, name):
            setattr(modeling_utils, name, unused)
    modeling_utils.apply_chunking_to_forward = lambda forward, _size, _dim, *inputs: forward(*inputs)
    # Methods of PreTrainedModel that have gone since.
    PreTrainedModel.get_head_mask = lambda _self, mask, count, _chunked=False: [None] * count
    PreTrainedModel.invert_attention_mask = lambda _self, mask: (1.0 - mask[:, None, None, :].float()) * -10000.0


def build(repo):
    sys.path.insert(0, repo)
    provide_old_names()
    # Not through models/__init__.py, which imports the language model too.
    for name in ["models", "models.seed_qformer"]:
        module(name)
        sys.modules[name].__path__ = [f"{repo}/{name.replace('.', '/')}"]
    from models.seed_qformer import eva_vit, qformer_causual, qformer_quantizer

    c = CONFIG

    def vision(_self, *_args):
        vit = eva_vit.VisionTransformer(
            img_size=c["image_size"],
            patch_size=c["patch_size"],
            use_mean_pooling=False,
            embed_dim=c["vit_width"],
            depth=c["vit_depth"],
            num_heads=c["vit_heads"],
            mlp_ratio=c["vit_mlp_ratio"],
            qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        return vit, nn.LayerNorm(c["vit_width"])

    def qformer(num_query_token, vision_width, cross_attention_freq=2):
        config = BertConfig(
            vocab_size=4,
            hidden_size=c["qformer_hidden_size"],
            num_hidden_layers=c["qformer_layers"],
            num_attention_heads=c["qformer_heads"],
            intermediate_size=c["qformer_intermediate_size"],
            max_position_embeddings=32,
        )
        config.encoder_width = vision_width
        config.add_cross_attention = True
        config.cross_attention_freq = cross_attention_freq
        config.query_length = num_query_token
        config.position_embedding_type = "absolute"
        config.chunk_size_feed_forward = 0
        config.use_cache = False
        config.is_decoder = False
        holder = nn.Module()
        qformer_causual.BertModel.init_weights = lambda self: None
        holder.bert = qformer_causual.BertModel(config, add_pooling_layer=False)
        holder.cls = None
        holder.config = config
        return holder, nn.Parameter(torch.zeros(1, num_query_token, config.hidden_size))

    cls = qformer_quantizer.Blip2QformerQuantizer
    cls.init_tokenizer = classmethod(lambda _cls: None)
    cls.init_vision_encoder = vision
    cls.init_Qformer = staticmethod(qformer)
    return cls(
        num_query_token=c["num_query_tokens"],
        codebook_embed_dim=c["codebook_dim"],
        n_embed=c["codebook_size"],
        decode_depth=c["reverse_depth"],
        recon_s=False,
        image_features_dim=c["image_embed_dim"],
    )


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed-repo", required=True)
    model = randomize(build(parser.parse_args().seed_repo), 5)
    # Spread as the vectors are, so that many codes are used.
    pixels = 1.5 * waves(3, 3, CONFIG["image_size"], CONFIG["image_size"], seed=1)
    features = {}
    hook = model.encode_task_layer.register_forward_hook(lambda _m, _i, out: features.update(out=out))
    model.get_codebook_indices(pixels)
    spread = features["out"].reshape(-1, CONFIG["codebook_dim"])
    codebook = spread.mean(0) + spread.std(0) * waves(*model.quantize.embedding.weight.shape, seed=2)
    model.quantize.embedding.weight.data.copy_(codebook.half().float())
    codes, _ = model.get_codebook_indices(pixels)
    hook.remove()
    distances = torch.cdist(spread, model.quantize.embedding.weight).sort(-1).values
    print(f"{codes.unique().numel()} codes used; smallest margin {(distances[:, 1] - distances[:, 0]).min():.4f}")
    tensors = {
        "input.pixels": pixels,
        "output.features": features["out"],
        "output.codes": codes,
        "output.image_embeds": model.get_codebook_entry(codes),
    }
    save("seed_tokenizer", model.state_dict(), tensors, CONFIG)


if __name__ == "__main__":
    main()
