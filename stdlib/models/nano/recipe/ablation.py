"""What size, codebooks and data are worth, measured small; figures go to card/ablation.json.

    python ablation.py books       codecs with fewer of their codebooks: what is lost
    python ablation.py language    language models of several sizes and on less data, trained from scratch alike
    python ablation.py table       the tables of docs/ablation.md, from card/ablation.json

`books` needs $NANO_WORK and the packages of evaluate_sound.py; `language` needs what conversations.py wrote and the
program at $AGPT, and goes on where it was stopped.
"""

import json
import os
import random
import subprocess
import sys
import time

import data
from evaluate import CARD, ROOT

FIGURES = CARD / "ablation.json"
RUNS = data.WORK / "llm" / "ablation"
STEPS = 60
# Fields of config.json that differ from nano's.
SIZES = {
    "a quarter": {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 2},
    "half": {"hidden_size": 192, "intermediate_size": 528, "num_hidden_layers": 5, "num_attention_heads": 3, "num_key_value_heads": 3},
    "nano": {},
    "twice": {"hidden_size": 320, "intermediate_size": 864, "num_hidden_layers": 8, "num_attention_heads": 5, "num_key_value_heads": 5},
}
# Conversations that are seen again and again instead of new ones: the first of so many.
SHARES = {"1/64 of the conversations": 64, "1/256 of the conversations": 256}


def remember(what, figures):
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    kept[what] = figures
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


# ---- codebooks ------------------------------------------------------------------------------


def books():
    import audio_codes
    import evaluate_sound as sound
    import music_data
    import numpy as np
    import probes
    import torch
    from recognisers import Sphinx, word_errors

    hear, result = Sphinx(), {"speech": {}, "music": {}}

    @torch.no_grad()
    def coded(model, real, count):
        made = []
        for one in real:
            codes = model.encode(torch.from_numpy(one)[None, None])[:count]
            made.append(model.decode(codes)[0, 0, : len(one)].numpy())
        return made

    def figures(real, made):
        return {"SI-SDR": sound.rounded([sound.si_sdr(a, b) for a, b in zip(real, made)], 2),
                "mel L1": sound.rounded([sound.mel_distance(a, b) for a, b in zip(real, made)])}  # fmt: skip

    rows = sound.pick(sound.ROWS, 40, sound.GROUPS["seen voices, held-out sentences"])
    real, model = sound.spoken(rows), audio_codes.speech_tokenizer()
    for count in (1, 2, 4, 8):
        made = coded(model, real, count)
        wrong = word_errors(sound.texts(rows), [hear(one) for one in made])["WER"]
        result["speech"][count] = {"bits a second": 50 * 9 * count, **figures(real, made), "words wrong": wrong}

    listener, model = probes.probe(), audio_codes.music_codec()
    rows, clips = music_data.load()
    some = random.Random(12).sample([i for i, row in enumerate(rows) if not row["held_out"]], 72)
    real = [np.array(clips[i], dtype=np.float32) / 32768 for i in some]
    for count in (1, 2, 3, 4):
        made = coded(model, real, count)
        heard = sound.right([rows[i] for i in some], listener.words(made))
        result["music"][count] = {"bits a second": 50 * 8 * count, **figures(real, made), **{kind: heard[kind] for kind in probes.WORDS}}
    remember("books", result)


# ---- the language model -----------------------------------------------------------------------


def agpt(*args):
    program = os.environ.get("AGPT", str(ROOT / "target/release/agpt"))
    subprocess.run([program, *map(str, args)], check=True, cwd=data.WORK / "llm")


def packed(name, rows):
    """The first rows of the training conversations as packed data."""
    folder = RUNS / name
    if not (folder / "packed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (data.WORK / "llm" / "training.jsonl").open() as every, (folder / "training.jsonl").open("w") as some:
            some.writelines(line for _, line in zip(range(rows), every))
        (folder / "data.yaml").write_text((data.HERE / "data.yaml").read_text())
        agpt("data", "pack", folder / "data.yaml", "--model", "nano", "--out", folder / "packed")
    return folder / "packed"


def train(name, config, rows, steps=STEPS):
    """Losses of validation, the rate, and the size of a network that was trained from random weights."""
    folder = RUNS / name.replace("/", "-").replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    recipe = (data.HERE / "train.yaml").read_text()
    recipe = recipe.replace("steps: 1000", f"steps: {steps}").replace("evaluate_every: 100", f"evaluate_every: {steps}")
    recipe += f"init: {{ seed: 1, config: {json.dumps(config)} }}\n"
    (folder / "train.yaml").write_text(recipe)
    where = packed(f"first-{rows}", rows)
    agpt("train", folder / "train.yaml", "--data", where, "--validation", data.WORK / "llm" / "packed-validation", "--out", folder / "run", "--threads", "1")
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").open()]
    return log


def parameters(config):
    """Of a LLaMA without shared embeddings, as nano is one."""
    nano = json.loads((data.HERE.parent / "llm" / "config.json").read_text()) | config
    width, layers, inner = nano["hidden_size"], nano["num_hidden_layers"], nano["intermediate_size"]
    assert nano["num_attention_heads"] == nano["num_key_value_heads"]
    return 2 * nano["vocab_size"] * width + layers * (4 * width**2 + 3 * width * inner + 2 * width) + width


def language():
    every = sum(1 for _ in (data.WORK / "llm" / "training.jsonl").open())
    variants = {name: (config, every) for name, config in SIZES.items()}
    variants |= {name: ({}, every // part) for name, part in SHARES.items()}
    result = {}
    for name, (config, rows) in variants.items():
        begun = time.time()
        log = train(name, config, rows)
        ended = [line for line in log if line["kind"] == "evaluation"][-1]
        result[name] = {"parameters": parameters(config), "conversations": rows, "steps": STEPS, "minutes": round((time.time() - begun) / 60, 1), "evaluation": ended}
        remember("language", result)


# ---- the page -----------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "ablation.md"
HEAD = """# What sizes, codebooks and data are worth

Measured small, to choose nano's sizes, by `stdlib/models/nano/recipe/ablation.py`, whose figures lie in
`stdlib/models/nano/card/ablation.json`. One run each, so differences of a few hundredths of a nat, or of two or three
items of a row, say nothing.
"""


def rows(head, lines):
    return "\n".join(["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines]]) + "\n"


def percent(share):
    return f"{100 * share:.1f} %"


def of_books(figures):
    speech = [[str(n), str(f["bits a second"]), f"{f['SI-SDR']:.1f} dB", f"{f['mel L1']:.2f}", percent(f["words wrong"])] for n, f in figures["speech"].items()]
    music = [[str(n), str(f["bits a second"]), f"{f['SI-SDR']:.1f} dB", f"{f['mel L1']:.2f}", *[percent(f[kind]) for kind in ("instrument", "tempo", "register", "mode")]] for n, f in figures["music"].items()]
    return f"""
## Codebooks

The codecs that are shipped, decoded from the first of their codebooks only. Speech: 40 held-out sentences in voices that
nano knows; words are what pocketsphinx with the grammar of nano's world gets wrong (of the recordings themselves
1.5 %). Music: 72 clips; what a probe hears that is no part of nano (`ablation.py books`).

{rows(["speech codebooks", "bits a second", "SI-SDR", "log-mel L1", "words wrong"], speech)}
{rows(["music codebooks", "bits a second", "SI-SDR", "log-mel L1", "instrument", "tempo", "register", "mode"], music)}"""


def of_language(figures):
    lines = []
    for name, f in figures.items():
        losses = f["evaluation"]["losses"]
        lines.append([name, f"{f['parameters']:,}", f"{f['conversations']:,}", *[f"{losses[m]:.3f}" for m in ("text", "speech", "music")], f"{f['evaluation']['loss']:.3f}"])
    first = next(iter(figures.values()))
    return f"""
## The language model

Trained from random weights by `agpt train`, {first["steps"]} steps of 8,192 tokens with the settings of `train.yaml`; losses of
held-out sentences and pairs in nats a token (`ablation.py language`). Other work ran beside it, so no times are given.

{rows(["network", "parameters", "conversations", "text", "speech", "music", "validation"], lines)}
After so few steps a larger network is a better one at the same number of tokens, up to twice nano's size; nano's is what the
40 MB of the program leave. Conversations that are seen three times cost nothing yet, those seen ten times do.
"""


def table():
    kept = json.loads(FIGURES.read_text())
    PAGE.write_text(HEAD + (of_books(kept["books"]) if "books" in kept else "") + (of_language(kept["language"]) if "language" in kept else ""))


if __name__ == "__main__":
    {"books": books, "language": language, "table": table}[sys.argv[1]]()
