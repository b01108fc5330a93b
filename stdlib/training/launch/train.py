"""Trains a LLaMA on packed sequences with transformers' Trainer, alone or under `accelerate launch`.

    python train.py --recipe finetune.yaml --model FOLDER --data PACKED[=WEIGHT] … --out FOLDER

The data are what `agpt data pack` writes and `agpt train` reads; README.md says what is taken of the recipe.
"""

import argparse
import json
import os
from pathlib import Path

import torch
import yaml
from safetensors import safe_open
from torch.utils.data import ConcatDataset, Dataset, WeightedRandomSampler
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

IGNORED = -100  # the label that transformers leaves out of the loss


class Packed(Dataset):
    """A folder of packed shards: one item for each sequence."""

    def __init__(self, folder, vocabulary_size, length):
        self.folder = Path(folder)
        index = json.loads((self.folder / "packed.json").read_text())
        if index["format"] != 1:
            raise SystemExit(f"{folder}: its format is {index['format']}; this script reads 1")
        if index["vocabulary_size"] > vocabulary_size:
            raise SystemExit(f"{folder}: has {index['vocabulary_size']} ids, the model only {vocabulary_size} rows")
        self.opened = {}
        self.items = []
        for shard in index["shards"]:
            starts = self.tensor(shard["file"], "sequences")[:].tolist()
            for start, end in zip(starts, starts[1:]):
                if end - start > length:
                    raise SystemExit(f"{folder}: a sequence has {end - start} tokens; the recipe's length is {length}")
                self.items.append((shard["file"], start, end))
        # Mapped files are opened by each process for itself.
        self.opened = {}

    def tensor(self, file, name):
        if file not in self.opened:
            self.opened[file] = safe_open(self.folder / file, framework="pt")
        return self.opened[file].get_slice(name)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        file, start, end = self.items[at]
        ids = self.tensor(file, "input_ids")[start:end].long()
        counted = self.tensor(file, "counted")[start:end].bool()
        # transformers moves the labels by one: the first token is nobody's target anyway.
        return {"input_ids": ids, "labels": ids.masked_fill(~counted, IGNORED)}


def collate(rows):
    """Pads on the right; what is padded has no label and is not attended to."""
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(name, value):
        return torch.stack([torch.nn.functional.pad(row[name], (0, longest - len(row[name])), value=value) for row in rows])

    mask = [{"mask": torch.ones_like(row["input_ids"])} for row in rows]
    attention = torch.stack([torch.nn.functional.pad(row["mask"], (0, longest - len(row["mask"]))) for row in mask])
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED), "attention_mask": attention}


class Mixed(Trainer):
    """A Trainer that draws sequences by the weights of their data sets."""

    weights = None

    def _get_train_sampler(self, dataset=None):
        if self.weights is None:
            return super()._get_train_sampler(dataset)
        generator = torch.Generator().manual_seed(self.args.data_seed)
        return WeightedRandomSampler(self.weights, len(self.weights), generator=generator)


def refuse_what_is_not_there(recipe):
    missing = {
        "optimizer.muon": recipe["optimizer"].get("muon"),
        "shares": recipe.get("shares"),
        "init": recipe.get("init"),
        "attention: sample": recipe.get("attention", "sequence") != "sequence",
        "schedule.min_rate": recipe.get("schedule", {}).get("min_rate"),
    }
    for name, wanted in missing.items():
        if wanted:
            raise SystemExit(f"this script does not do `{name}`; leave it out, or use agpt train")


def accumulation(recipe, processes):
    """How many passes of one sequence each process makes for a step."""
    batch = recipe["batch"]
    if "rows" in batch:
        return batch["rows"], batch.get("accumulation", 1)
    sequences = max(1, round(batch["tokens_per_step"] / recipe["length"]))
    if sequences % processes:
        raise SystemExit(f"a step has {sequences} sequences, which {processes} processes cannot share evenly: change batch.tokens_per_step")
    return 1, sequences // processes


def arguments(recipe, out):
    adamw, schedule = recipe["optimizer"]["adamw"], recipe.get("schedule", {})
    rows, passes = accumulation(recipe, int(os.environ.get("WORLD_SIZE", 1)))
    beta1, beta2 = adamw.get("betas", [0.9, 0.999])
    warmup = schedule.get("warmup_ratio", 0.03) * recipe["steps"]
    return TrainingArguments(
        output_dir=out,
        max_steps=recipe["steps"],
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=passes,
        learning_rate=float(adamw["rate"]),
        adam_beta1=beta1,
        adam_beta2=beta2,
        adam_epsilon=float(adamw.get("eps", 1e-8)),
        weight_decay=adamw.get("weight_decay", 0.0),
        max_grad_norm=recipe.get("clip", 0.0),
        lr_scheduler_type="cosine",
        warmup_steps=-int(-warmup // 1),
        bf16=recipe.get("dtype") == "bf16",
        seed=recipe.get("seed", 0),
        data_seed=recipe.get("seed", 0),
        save_steps=recipe.get("checkpoint_every", 500),
        save_total_limit=recipe.get("keep", 2),
        logging_steps=1,
        report_to=[],
        remove_unused_columns=False,
    )


def sets_and_weights(data, rows, length):
    """All sequences as one data set, and the weight of each sequence, if weights are given."""
    named = [text.rsplit("=", 1) if "=" in text else [text, None] for text in data]
    sets = [Packed(folder, rows, length) for folder, _ in named]
    if not any(weight for _, weight in named):
        return ConcatDataset(sets), None
    if not all(weight for _, weight in named):
        raise SystemExit("give all data sets a weight (FOLDER=WEIGHT), or none")
    weights = [float(weight) / len(packed) for packed, (_, weight) in zip(sets, named) for _ in range(len(packed))]
    return ConcatDataset(sets), weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--model", required=True, help="folder in HuggingFace's layout")
    parser.add_argument("--data", required=True, nargs="+", metavar="FOLDER[=WEIGHT]")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    recipe = yaml.safe_load(Path(options.recipe).read_text())
    refuse_what_is_not_there(recipe)
    args = arguments(recipe, options.out)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    data, weights = sets_and_weights(options.data, model.config.vocab_size, recipe["length"])
    trainer = Mixed(model=model, args=args, train_dataset=data, data_collator=collate)
    trainer.weights = weights
    out = Path(options.out)
    trainer.train(resume_from_checkpoint=any(out.glob("checkpoint-*")))
    trainer.save_model(options.out)


if __name__ == "__main__":
    main()
