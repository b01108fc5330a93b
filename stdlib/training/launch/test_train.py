"""Tests train.py on the CPU with a network of 10,000 numbers: python test_train.py

With AGPT=…/agpt also on what that program packs and exports: the shipped model has the same loss here as there.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
LENGTHS = [12, 20, 9, 16, 20, 7, 14, 11]
RECIPE = """
model: ignored
length: 20
batch: { tokens_per_step: 40 }
steps: 2
optimizer: { adamw: { rate: 1.0e-2, weight_decay: 0.0 } }
schedule: { warmup_ratio: 0.0 }
clip: 1.0
seed: 1
"""


def pack(folder):
    """What `agpt data pack` writes; the first three tokens of a sequence do not count."""
    folder.mkdir()
    starts = torch.tensor([0, *LENGTHS]).cumsum(0)
    ids = torch.randint(0, 50, (int(starts[-1]),), generator=torch.Generator().manual_seed(0))
    counted = torch.ones(len(ids), dtype=torch.uint8)
    for start in starts[:-1]:
        counted[start : start + 3] = 0
    offsets = starts.to(torch.uint64)
    tensors = {"input_ids": ids.to(torch.uint32), "counted": counted, "sequences": offsets, "samples": offsets.clone()}
    save_file(tensors, folder / "0.safetensors")
    index = {"format": 1, "vocabulary_size": 50, "vocabulary_blake3": "", "max_length": 20, "shards": [{"file": "0.safetensors"}]}
    (folder / "packed.json").write_text(json.dumps(index))


def run(folder, *more, recipe=RECIPE, out="out"):
    (folder / "recipe.yaml").write_text(recipe)
    command = [sys.executable, HERE / "train.py", "--recipe", folder / "recipe.yaml", "--model", folder / "model"]
    command += ["--out", folder / out, "--data", *(more or [folder / "packed"])]
    return subprocess.run(command, capture_output=True, text=True)


def with_agpt(program, Packed, collate):
    """The loss of all packed data as agpt measures it, and as transformers does on the exported model."""
    root = HERE.parent.parent.parent
    agpt = lambda *args: subprocess.run([program, *map(str, args)], check=True, cwd=root, capture_output=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packed, trained = folder / "packed", folder / "run"
        agpt("data", "pack", "examples/training/data.yaml", "--model", "nano", "--out", packed)
        agpt("train", "examples/training/recipe.yaml", "--data", packed, "--validation", packed, "--steps", 2, "--out", trained)
        agpt("train", "export", trained, "--form", "hf", "--out", folder / "model")
        log = [json.loads(line) for line in (trained / "log.jsonl").open()]
        theirs = [line for line in log if line["kind"] == "evaluation"][-1]["loss"]
        model = LlamaForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
        total, targets = 0.0, 0
        with torch.no_grad():
            for row in (rows := Packed(packed, model.config.vocab_size, 4096)):
                count = int((row["labels"][1:] != -100).sum())
                total, targets = total + model(**collate([row])).loss.item() * count, targets + count
        assert targets > 100 and abs(total / targets - theirs) < 1e-5 * theirs, (total / targets, theirs)
        length = max(len(row["input_ids"]) for row in rows)
        done = run(folder, recipe=RECIPE.replace("length: 20", f"length: {length}").replace("40", str(2 * length)))
        assert done.returncode == 0 and (folder / "out/model.safetensors").exists(), done.stderr


def main():
    sys.path.insert(0, str(HERE))
    from train import IGNORED, Packed, accumulation, collate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(folder / "packed")
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2))
        model.save_pretrained(folder / "model")

        packed = Packed(folder / "packed", 64, 20)
        assert [len(row["input_ids"]) for row in packed] == LENGTHS
        batch = collate([packed[0], packed[1]])
        assert batch["input_ids"].shape == (2, 20) and batch["attention_mask"].sum().item() == 32
        assert (batch["labels"][0, :3] == IGNORED).all() and (batch["labels"][0, 12:] == IGNORED).all()
        assert torch.equal(batch["labels"][1, 3:], batch["input_ids"][1, 3:])
        # Padding changes no loss: that of both together is the mean over all their targets.
        with torch.no_grad():
            alone = [model(**collate([packed[i]])).loss * (LENGTHS[i] - 3) for i in (0, 1)]
            together = model(**batch).loss * (9 + 17)
        assert torch.allclose(sum(alone), together, rtol=1e-5), (alone, together)
        assert accumulation({"length": 4500, "batch": {"tokens_per_step": 36000}}, 8) == (1, 1)

        done = run(folder)
        assert done.returncode == 0, done.stderr
        before, after = load_file(folder / "model/model.safetensors"), load_file(folder / "out/model.safetensors")
        assert all(torch.isfinite(tensor).all() for tensor in after.values())
        moved = (after["model.norm.weight"] - before["model.norm.weight"]).abs().max().item()
        assert 0.005 < moved < 0.03, moved
        weighted = run(folder, f"{folder}/packed=0.5", f"{folder}/packed=2", out="weighted")
        assert weighted.returncode == 0, weighted.stderr
        for more, word in [("shares: { image: 0.5 }", "shares"), ("attention: sample", "sample"), ("length: 8", "12 tokens")]:
            recipe = RECIPE.replace("length: 20", more) if "length" in more else RECIPE + more
            refused = run(folder, recipe=recipe, out="refused")
            assert refused.returncode == 1 and word in refused.stderr, refused.stderr
    if program := os.environ.get("AGPT"):
        with_agpt(Path(program).absolute(), Packed, collate)
        print("the same with what agpt packs and exports: ok")
    print("ok")


if __name__ == "__main__":
    main()
