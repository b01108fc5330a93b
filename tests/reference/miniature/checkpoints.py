"""The miniature's networks of media, in the files and folders that the public repositories have.

Weights are random, stored in half precision: float32 networks read them exactly.
"""

import json
from collections import OrderedDict

import torch
from common import randomize, waves
from diffusers import AutoencoderKL, DDPMScheduler, PNDMScheduler, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from safetensors.torch import save_file
from sizes import BOOKS, ENCODEC, MUSIC, SEED, SOUNDSTORM, SPEECH, SPEECH_TOKENIZER, TEXT_ENCODER, UNET, VAE
from speechtokenizer import SpeechTokenizer
from transformers import (
    CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection, EncodecConfig,
    EncodecModel,
)  # fmt: skip

# How loud the made sounds are at most: below full scale, so that no file clips them.
LOUD = 0.4


def half(tensors):
    return OrderedDict((k, v.detach().half().contiguous() if v.is_floating_point() else v) for k, v in tensors.items())


def put_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def put_torch(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)


@torch.no_grad()
def quieter(layer, samples):
    """Scales a weight-normalised layer so that `samples`, which it made, are as loud as LOUD."""
    factor = LOUD / samples.abs().max()
    layer.weight_g.mul_(factor).copy_(layer.weight_g.half().float())
    layer.bias.mul_(factor).copy_(layer.bias.half().float())


@torch.no_grad()
def seed_tokenizer(published, hub, pixels):
    """seed_quantizer.pt without the image transformer, and eva_vit_g.pth with more than is read."""
    published.vit_file = hub / "eva_vit_g.pth"
    put_torch(published.vit_file, {})
    model = randomize(published.seed(freeze_vit=True, vit_precision="fp32"), 5)
    # Random attention to the picture is nearly a mean of it; sharper, it tells pictures apart.
    for name, parameter in model.named_parameters():
        if "crossattention.self" in name and name.endswith("weight"):
            parameter.copy_((8 * parameter).half().float())
    # The codebook is spread as the vectors of the pictures are, so that many codes are used.
    features = {}
    hook = model.encode_task_layer.register_forward_hook(lambda _m, _i, out: features.update(out=out))
    model.get_codebook_indices(pixels)
    hook.remove()
    spread = features["out"].reshape(-1, SEED["codebook_dim"])
    codebook = spread.mean(0) + spread.std(0) * waves(*model.quantize.embedding.weight.shape, seed=2)
    model.quantize.embedding.weight.copy_(codebook.half().float())
    nearest = torch.cdist(spread, model.quantize.embedding.weight).sort(-1).values
    codes = model.get_codebook_indices(pixels)[0]
    margin, differ = (nearest[:, 1] - nearest[:, 0]).min(), (codes[0] != codes[1]).sum()
    print(f"image codes: {codes.unique().numel()} used, {differ} of {codes.shape[1]} differ, smallest margin {margin:.4f}")
    assert margin > 1e-3 and differ > 8

    state = half(model.state_dict())
    prefix = "visual_encoder."
    rest = OrderedDict((k, v) for k, v in state.items() if not k.startswith(prefix))
    # Left over from training, as in the published file.
    rest["Qformer.cls.predictions.bias"] = torch.zeros(4, dtype=torch.half)
    put_torch(hub / "seed-tokenizer-2/seed_quantizer.pt", rest)
    vit = OrderedDict((k.removeprefix(prefix), v) for k, v in state.items() if k.startswith(prefix))
    # EVA's last block, norm and head, which BLIP-2 cuts off.
    last = SEED["vit_depth"] - 1
    vit |= {k.replace(f"blocks.{last}.", f"blocks.{last + 1}."): v.flip(0) for k, v in vit.items() if k.startswith(f"blocks.{last}.")}
    width = SEED["vit_width"]
    vit |= {"norm.weight": torch.ones(width).half(), "norm.bias": torch.zeros(width).half(), "head.weight": waves(4, width).half()}
    put_torch(published.vit_file, vit)


@torch.no_grad()
def speech_tokenizer(hub):
    codec = randomize(SpeechTokenizer(SPEECH_TOKENIZER), 2)
    for i, layer in enumerate(codec.quantizer.vq.layers):
        book = layer._codebook
        book.embed.copy_((0.5**i * waves(SPEECH, SPEECH_TOKENIZER["dimension"], seed=30 + i)).half().float())
        book.embed_avg.copy_(book.embed)
        book.inited.fill_(1)
    codes = torch.randint(0, SPEECH, (8, 1, 50), generator=torch.Generator().manual_seed(1))
    quieter(codec.decoder.model[15].conv.conv, codec.decode(codes))
    put_torch(hub / "AnyGPT-speech-modules/speechtokenizer/ckpt.dev", half(codec.state_dict()))
    put_json(hub / "AnyGPT-speech-modules/speechtokenizer/config.json", SPEECH_TOKENIZER)


def sound_storm(published):
    sizes = {k: v for k, v in SOUNDSTORM.items() if k not in ("num_quantizers", "codebook_size")}
    net = published.soundstorm.ConformerWrapper(
        codebook_size=SPEECH, num_quantizers=SOUNDSTORM["num_quantizers"], conformer=sizes | {"attn_flash": False}
    )
    return published.soundstorm.SoundStorm(
        net=net, num_semantic_token_ids=SPEECH, semantic_pad_id=SPEECH, pad_id=SPEECH, schedule="cosine"
    ).eval()


def soundstorm(published, hub):
    model = randomize(sound_storm(published), 4)
    put_torch(hub / "AnyGPT-speech-modules/soundstorm/speechtokenizer_soundstorm_mls.pt", half(model.state_dict()))


@torch.no_grad()
def encodec(hub):
    config = EncodecConfig(**ENCODEC)
    model = randomize(EncodecModel(config), 5)
    assert len(model.quantizer.layers) == BOOKS
    for i, layer in enumerate(model.quantizer.layers):
        layer.codebook.embed.copy_((0.5**i * waves(MUSIC, ENCODEC["hidden_size"], seed=40 + i)).half().float())
        layer.codebook.embed_avg.copy_(layer.codebook.embed)
        layer.codebook.inited.fill_(1)
    codes = torch.randint(0, MUSIC, (1, 1, BOOKS, 50), generator=torch.Generator().manual_seed(1))
    quieter(model.decoder.layers[15].conv, model.decode(codes, [None]).audio_values)
    folder = hub / "encodec_32khz"
    config.architectures = ["EncodecModel"]
    put_json(folder / "config.json", json.loads(config.to_json_string(use_diff=False)))
    save_file(half(model.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def unclip(published, hub):
    """diffusers' layout. The image encoder is never used, but the published code wants it loaded."""
    folder = hub / "stable-diffusion-2-1-unclip"
    width = SEED["image_embed_dim"]
    normalizer = StableUnCLIPImageNormalizer(width)
    normalizer.mean.data = 0.3 * waves(1, width, seed=31)
    normalizer.std.data = 1 + 0.3 * waves(1, width, seed=32).abs()
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=4, patch_size=2, projection_dim=width
    )
    folder.mkdir(parents=True, exist_ok=True)
    words = ["!", "a", "b", "c", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    length = TEXT_ENCODER["max_position_embeddings"]
    tokenizer = CLIPTokenizer(folder / "vocab.json", folder / "merges.txt", pad_token="!", model_max_length=length)
    for name in ["vocab.json", "merges.txt"]:
        (folder / name).unlink()
    pipe = published.pipeline.StableUnCLIPImg2ImgPipeline(
        feature_extractor=CLIPImageProcessor(),
        image_encoder=randomize(CLIPVisionModelWithProjection(vision), 6),
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=tokenizer,
        text_encoder=randomize(CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)), 7),
        unet=randomize(UNet2DConditionModel(**UNET), 0),
        scheduler=PNDMScheduler(
            num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
            skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
        ),
        vae=randomize(AutoencoderKL(**VAE), 3),
    )  # fmt: skip
    pipe.to(torch_dtype=torch.half)
    pipe.save_pretrained(folder, safe_serialization=True)
