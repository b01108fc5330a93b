"""Writes the trained networks as the bundle's files: bf16 safetensors with the public names.

`python export.py` writes every part that has a checkpoint, and the manifest's records of sizes and hashes.
"""

import json
import os
import re
import shutil
from pathlib import Path

import data
import text
import torch
from blake3 import blake3
from networks import EMPTY_PROMPT, NOISING, SCHEDULER, SEED, llama, unet, vae
from safetensors.torch import save_file
from train_unet import prompt_states

BUNDLE = Path(os.environ.get("NANO_BUNDLE", data.HERE.parent))


def checkpoint(name):
    return torch.load(data.WORK / f"{name}.pt", weights_only=True)


def config(path, settings):
    path = BUNDLE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n")


def weights(path, state):
    path = BUNDLE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().to(torch.bfloat16).contiguous() for k, v in state.items()}, path)
    path.chmod(0o644)


def llm():
    (BUNDLE / "llm").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(text.FILE, BUNDLE / "llm" / "tokenizer.json")
    model = llama(text.Vocabulary().size)
    c = model.config
    config("llm/config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocab_size, "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size, "num_hidden_layers": c.num_hidden_layers, "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads, "max_position_embeddings": c.max_position_embeddings, "rms_norm_eps": c.rms_norm_eps,
        "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "dtype": "bfloat16",
    })  # fmt: skip
    # Without the second stage, the model of the first.
    stage = "llm" if (data.WORK / "llm.pt").exists() else "llm-pictures"
    weights("llm/model.safetensors", checkpoint(stage)["model"])


def image_tokenizer():
    config("image_tokenizer/config.json", SEED)
    state = checkpoint("tokenizer")["model"]
    weights("image_tokenizer/model.safetensors", {k[5:]: v for k, v in state.items() if k.startswith("seed.")})


def diffusers_config(model, **changed):
    kept = {k: v for k, v in dict(model.config).items() if not k.startswith("_") and v is not None}
    return {"_class_name": type(model).__name__} | kept | changed


def image_decoder():
    saved = checkpoint("unet")
    config("image_decoder/unet/config.json", diffusers_config(unet()))
    weights("image_decoder/unet/diffusion_pytorch_model.safetensors", saved["average"])
    weights("image_decoder/image_normalizer/diffusion_pytorch_model.safetensors", {"mean": saved["mean"], "std": saved["std"]})
    config("image_decoder/image_noising_scheduler/scheduler_config.json", NOISING)
    config("image_decoder/scheduler/scheduler_config.json", SCHEDULER)
    coder = checkpoint("vae")
    config("image_decoder/vae/config.json", diffusers_config(vae(), scaling_factor=coder["scaling_factor"]))
    # The encoder is for training only.
    decoder = {k: v for k, v in coder["model"].items() if k.startswith(("decoder.", "post_quant_conv."))}
    weights("image_decoder/vae/diffusion_pytorch_model.safetensors", decoder)
    text_model = prompt_states()[0]
    c = text_model.config
    names = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps"]
    config("image_decoder/text_encoder/config.json", {"model_type": "clip_text_model"} | {name: getattr(c, name) for name in names})
    state = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in text_model.state_dict().items() if "position_ids" not in k}
    weights("image_decoder/text_encoder/model.safetensors", state)
    config("image_decoder/tokenizer/empty_prompt.json", {"input_ids": EMPTY_PROMPT})


def sound_config(path, model):
    """The numbers of a transformers configuration, without what it says of every model."""
    kept = model.to_diff_dict() | {"model_type": model.model_type}
    names = ["sampling_rate", "audio_channels", "num_filters", "num_residual_layers", "upsampling_ratios", "hidden_size", "kernel_size", "last_kernel_size",
             "residual_kernel_size", "dilation_growth_rate", "compress", "num_lstm_layers", "codebook_size", "codebook_dim", "pad_mode", "norm_type"]  # fmt: skip
    kept |= {name: getattr(model, name) for name in names}
    kept.pop("transformers_version", None)
    config(path, dict(sorted(kept.items())))


def speech_tokenizer():
    from train_speech_tokenizer import CONFIG

    config("speech_tokenizer/config.json", CONFIG)
    # How often a code was used matters to training only.
    state = {k: v for k, v in checkpoint("speech_tokenizer")["model"].items() if not k.endswith(("embed_avg", "cluster_size", "inited"))}
    weights("speech_tokenizer/model.safetensors", state)


def speech_decoder():
    from soundstorm import CONFIG

    config("soundstorm/config.json", CONFIG)
    weights("soundstorm/model.safetensors", checkpoint("soundstorm")["model"])


def music_codec():
    import train_music_codec

    sound_config("music_codec/config.json", train_music_codec.config())
    state = checkpoint("music_codec")["model"]
    kept = {k: v for k, v in state.items() if not k.startswith("quantizer.")}
    for book in range(train_music_codec.BOOKS):
        kept[f"quantizer.layers.{book}.codebook.embed"] = state[f"quantizer.vq.layers.{book}._codebook.embed"]
    weights("music_codec/model.safetensors", kept)


PARTS = {
    ("tokenizers", "image"): ("image_tokenizer", "seed-2"),
    ("tokenizers", "speech"): ("speech_tokenizer", "speech-tokenizer"),
    ("tokenizers", "music"): ("music_codec", "encodec"),
    ("detokenizers", "image"): ("image_decoder", "stable-unclip"),
    ("detokenizers", "speech"): ("soundstorm", "soundstorm"),
    ("detokenizers", "music"): ("music_codec", "encodec"),
}


def records(folder):
    for path in sorted(p for p in (BUNDLE / folder).rglob("*") if p.is_file()):
        content = path.read_bytes()
        yield path.relative_to(BUNDLE / folder).as_posix(), len(content), blake3(content).hexdigest()


def part(pad, role, folder, architecture):
    yield from [f"{pad}{role}:", f"{pad}  architecture: {architecture}", f"{pad}  path: {folder}", f"{pad}  files:"]
    for path, size, digest in records(folder):
        yield from [f"{pad}    {path}:", f"{pad}      {{ size: {size}, blake3: {digest} }}"]


def manifest():
    """Puts size and hash of every file of every part that there is into the manifest."""
    lines = ["components:", *part("  ", "llm", "llm", "llama")]
    for kind in ("tokenizers", "detokenizers"):
        lines.append(f"  {kind}:")
        for (of, role), (folder, architecture) in PARTS.items():
            if of == kind and (BUNDLE / folder).exists():
                lines += part("    ", role, folder, architecture)
    path = BUNDLE / "bundle.yaml"
    whole = re.sub(r"components:\n.*?\n\n(?=vocabulary:)", lambda _: "\n".join(lines) + "\n\n", path.read_text(), flags=re.S)
    path.write_text(whole)


# Each part and the checkpoints it is made of.
STEPS = {
    llm: ["llm-pictures"], image_tokenizer: ["tokenizer"], image_decoder: ["unet", "vae"],
    # Only what the second stage has learnt to use.
    speech_tokenizer: ["speech_tokenizer", "llm"], speech_decoder: ["soundstorm", "llm"], music_codec: ["music_codec", "llm"],
}  # fmt: skip

if __name__ == "__main__":
    for step, needed in STEPS.items():
        there = [(data.WORK / f"{name}.pt").exists() for name in needed]
        if all(there) or step is llm and (data.WORK / "llm.pt").exists():
            step()
            print(f"{step.__name__}: written")
        else:
            print(f"{step.__name__}: as it was, no checkpoint in {data.WORK}")
    manifest()
    total = sum(p.stat().st_size for p in BUNDLE.rglob("*.safetensors"))
    print(f"{total / 1e6:.1f} MB of weights")
