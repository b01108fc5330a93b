"""What the scripts of CLIP and CLAP share: folders as the hub has them, small tokenizers, numbers."""

import json
from pathlib import Path

import numpy as np
import torch
from common import half
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

FOLDERS = Path(__file__).resolve().parent.parent / "fixtures" / "judges"

CORPUS = [
    "a photo of a cat on a mat", "a photo of two dogs", "a red house with a blue roof", "slow piano music",
    "fast drums and a loud guitar", "the sound of rain", "a quiet song with a violin", "It's a dog's life, isn't it?",
] * 4

TEXTS = [
    "a photo of a cat",
    "  A RED House,  with\na roof?! ",
    "Ünïcödé 猫 and 12 dogs",
    "it isn't the <|endoftext|> or the </s> of it",
    "",
    "the sound of rain and fast drums and a loud guitar " * 12,
]


def train(tokenizer, vocab_size, special):
    """The vocabulary and merges of a small corpus, in the form of a class of transformers."""
    inner = tokenizer._tokenizer
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix=inner.model.end_of_word_suffix,
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    model = json.loads(inner.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def folder(name):
    path = FOLDERS / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def save_weights(model, path, drop=("position_ids", "token_type_ids", "relative_position_index", "num_batches")):
    """float16, in safetensors or as PyTorch saves it."""
    states = {k: v for k, v in model.state_dict().items() if not any(part in k for part in drop)}
    if path.suffix == ".bin":
        torch.save(half(states), path)
    else:
        save_file(half(states), path)
    path.chmod(0o644)
    print(f"{path.parent.name}/{path.name}: {path.stat().st_size} bytes")


def music(samples, rate, seed=0):
    """Decaying tones over a little noise, and silence at the end; rounded to float16."""
    time = np.arange(samples) / rate
    rng = np.random.default_rng(seed)
    wave = 0.01 * rng.standard_normal(samples)
    for start, hertz in [(0.0, 220.0), (0.06, 277.2), (0.12, 1318.5), (0.18, 6000.0)]:
        late = np.maximum(time - start, 0)
        for overtone in range(1, 5):
            wave += (time >= start) * 0.3 / overtone * np.sin(2 * np.pi * hertz * overtone * late) * np.exp(-late * 20)
    wave[int(samples * 0.9) :] = 0
    return wave.astype(np.float16).astype(np.float32)
