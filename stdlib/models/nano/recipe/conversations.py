"""Writes what the language model is taught as conversations in the published format, for `agpt data pack`.

    python conversations.py --steps 2000   → $NANO_WORK/llm/{training,validation}.jsonl

A row is {"id", "conversation": [[{"role", "message"}, …]]} with media as text of tokens. Validation
has what no row of training has: sentences in no voice and pairs of instrument and tempo that were
held out. `--check` compares the ids that `agpt data pack` made of them with text.py's.
"""

import argparse
import json
import random

import audio_codes
import codes
import data
import speech_data
import text
from safetensors.torch import load_file
from tasks import WEIGHTS, Tasks, drawn

OUT = data.WORK / "llm"


def training(tasks, steps, seed):
    for step in range(steps):
        rng = random.Random(seed * 1_000_000 + step)
        for name in drawn(rng, WEIGHTS):
            yield getattr(tasks, name)(rng)


def validation(tasks, count=120):
    """Both directions of speech and music, of what is held out."""
    rng = random.Random(5)
    spoken = [r for r in audio_codes.speech() if r["voice"] != speech_data.HELD_OUT_VOICE and speech_data.held_out(r["text"])]
    pieces = [r for r in audio_codes.music() if r["held_out"]]
    for row in rng.sample(spoken, min(count, len(spoken))):
        said = tasks.v.speech(row["codes"][0].tolist())
        yield [(f"Write down what is said. {said}", row["text"])]
        yield [(f"Please say this aloud. This is input: {row['text']}", said)]
    for row in rng.sample(pieces, min(count // 3, len(pieces))):
        piece = tasks.v.music(row["codes"].tolist())
        yield [(f"Describe this music. {piece}", row["text"])]
        yield [(f"Please compose this. This is input: {row['text']}", piece)]


def write(name, conversations):
    OUT.mkdir(exist_ok=True)
    part, count = OUT / f"{name}.part", 0
    with part.open("w") as file:
        for turns in conversations:
            messages = [{"role": role, "message": words} for turn in turns for role, words in zip(("user", "assistant"), turn)]
            file.write(json.dumps({"id": count, "conversation": [messages]}, ensure_ascii=False) + "\n")
            count += 1
    part.replace(OUT / f"{name}.jsonl")
    print(f"{name}: {count} conversations")


def check(name):
    """Whether the packed ids and targets are those of text.Vocabulary.conversation, for every row."""
    vocabulary, ours = text.Vocabulary(), set()
    for shard in sorted((OUT / f"packed-{name}").glob("*.safetensors")):
        packed = load_file(shard)
        ids, counted = packed["input_ids"].tolist(), packed["counted"].tolist()
        ends = packed["sequences"].tolist()
        ours |= {(tuple(ids[a:b]), tuple(counted[a:b])) for a, b in zip(ends, ends[1:])}
    rows = [json.loads(line)["conversation"][0] for line in (OUT / f"{name}.jsonl").open()]
    missing = 0
    for messages in rows:
        said = [m["message"] for m in messages]
        ids, mask = vocabulary.conversation(*zip(said[::2], said[1::2]))
        missing += (tuple(ids), tuple(int(m) for m in mask)) not in ours
    print(f"{name}: {len(rows)} rows, {missing} of them otherwise in the packed data")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", choices=["training", "validation"])
    args = parser.parse_args()
    if args.check:
        check(args.check)
    else:
        tasks = Tasks(text.Vocabulary(), codes.tokenizer().quantize.embedding.weight.detach())
        write("validation", validation(tasks))
        write("training", training(tasks, args.steps, args.seed))
