"""Builds the miniature AnyGPT and runs the published program on it: see README.md.

    python build.py --anygpt AnyGPT
"""

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import yaml
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OUT = ROOT / "tests/fixtures/miniature"
sys.path.insert(0, str(HERE.parent))

import checkpoints  # noqa: E402
import inputs  # noqa: E402
import language  # noqa: E402
import manifests  # noqa: E402
import tasks  # noqa: E402
from flow import SPAN, Flow, written  # noqa: E402
from published import Published  # noqa: E402

STEPS = 600
# The least that the best candidate must be ahead of the second at every step, in logits: of what the
# language model knows, and of what it does not.
MARGIN, MARGIN_UNKNOWN = 0.5, 1e-3


def networks(published, hub, media):
    checkpoints.seed_tokenizer(published, hub, inputs.pixels([media["first"], media["second"]]))
    checkpoints.speech_tokenizer(hub)
    checkpoints.soundstorm(published, hub)
    checkpoints.encodec(hub)
    checkpoints.unclip(published, hub)


def samples(flow, listed):
    """(prompt, reply) for everything that the language model is to know."""
    out = []
    for one in listed:
        flow.begin(one)
        out.append((flow.prompt_of(one["line"]), written(one["reply"])))
        if one["then"]:
            flow.repair_history(one["reply"])
            line, reply = one["then"]
            out.append((flow.prompt_of(line), written(reply)))
    return list(dict.fromkeys(out))


def words(flow):
    """The text of a reply as the program gives it, without media and repeated spaces."""
    # The chat program keeps the prompt's colon in the reply.
    text = flow.text if flow.kind == "base" else flow.text.removeprefix(":")
    for start, end in SPAN.values():
        text = re.sub(f"{start}.*?{end}", " ", text)
    return " ".join(text.split())


def turn(flow, line, kinds, key, tensors):
    """Says a line to the program; notes the prompt, the reply, and what was decoded of it."""
    flow.say(line, mixed=flow.kind == "chat" and len(kinds) > 1)
    prompt_ids, ids = flow.program.model.calls[-1]
    assert ids[-2:] == flow.program.tokenizer.convert_tokens_to_ids(["<eos>", "</s>"])
    noted = {"prompt": flow.prompt, "prompt_ids": prompt_ids, "ids": ids, "text": words(flow) if "text" in kinds else "", "media": []}
    for medium, codes, made in flow.made:
        name = f"{key}.{medium}"
        tensors[name] = torch.from_numpy(numpy.array(made)) if medium == "image" else made[0].detach().float().contiguous()
        if medium != "image":
            assert tensors[name].abs().max() < 1, f"{name}: too loud for a file"
        noted["media"].append({"medium": medium, "codes": codes, "tensor": name})
    print(f"{key}: {noted['text']!r} {[made[0] for made in flow.made]}", flush=True)
    return noted


def known(flow, line, reply, key, tensors):
    noted = turn(flow, line, ["text" if isinstance(part, str) else part[0] for part in reply], key, tensors)
    learned = flow.program.tokenizer(f"{noted['prompt']} {written(reply)}<eos>").input_ids + [2]
    assert noted["prompt_ids"] + noted["ids"] == learned, f"{key}: the language model says {noted['ids']}"
    return noted


def record(flow, one, tensors):
    key = f"{flow.kind}.{one['name']}"
    flow.begin(one)
    noted = {name: one[name] for name in ["name", "pipeline", "flags"]}
    if "grammar" in one:
        kind, _ = flow.program.model.rules = one["grammar"]
        noted["turns"] = [turn(flow, one["line"], ["text", "media"] if kind == "mixed" else [kind], key, tensors)]
        return noted
    noted["turns"] = [known(flow, one["line"], one["reply"], key, tensors)]
    if one["then"]:
        line, reply = one["then"]
        # What the program makes of its own history is noted, and not used.
        noted["published_history"] = flow.prompt_of(line)
        flow.repair_history(one["reply"])
        noted["turns"].append(known(flow, line, reply, key, tensors))
    return noted


def publish(hub, names):
    """Copies into the fixture what the manifests name, and nothing else."""
    target = OUT / "hub"
    shutil.rmtree(target, ignore_errors=True)
    for kind in names:
        for source in yaml.safe_load((OUT / kind / "bundle.yaml").read_text())["sources"]:
            folder = Path(source["hub"].split("/")[-1] if "hub" in source else ".", source.get("folder", ""))
            for name in source["files"]:
                path = target / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(hub / folder / name, path)
    size = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    print(f"{size} bytes in all")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anygpt", required=True, help="a checkout of OpenMOSS/AnyGPT")
    parser.add_argument("--steps", type=int, default=STEPS, help="of training the language models")
    options = parser.parse_args()
    published = Published(options.anygpt)
    # The start of a crop of music is drawn, even where there is nothing to crop.
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        build(published, Path(folder), options.steps)


def build(published, hub, steps):
    expected, tensors = {}, {}
    media = inputs.write(OUT / "media")
    networks(published, hub, media)
    listed = {"base": tasks.BASE, "chat": tasks.CHAT}
    for kind, ones in listed.items():
        manifests.write(ROOT / "stdlib/models", OUT, kind)
        folder = hub / f"AnyGPT-{kind}"
        tokenizer = language.tokenizer(folder, tasks.sentences(), chat=kind == "chat")
        flow = Flow(published, kind, hub, media)
        flow.load(folder, greedy=False)
        language.train(folder, tokenizer, samples(flow, ones), steps)
        flow.load(folder, greedy=True)
        expected[kind] = []
        for group, least in [(ones, MARGIN), (tasks.UNKNOWN[kind], MARGIN_UNKNOWN)]:
            flow.program.model.smallest = float("inf")
            expected[kind] += [record(flow, one, tensors) for one in group]
            margin = flow.program.model.smallest
            print(f"{kind}: the best candidate is ahead by {margin:.4f} at least")
            assert margin > least
    publish(hub, listed)
    (OUT / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n")
    save_file(tensors, OUT / "expected.safetensors")
    (OUT / "expected.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
