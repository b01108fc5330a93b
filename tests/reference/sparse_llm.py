"""A bundle of the public language model's size that takes no room on the disk.

Writes `pytorch_model.bin` as AnyGPT's is: 27.7 GB of float32 in one zip file, tensors pickled by
`_rebuild_from_type_v2`. All weights are zero, so the file is one of holes. It shows how much memory and time
loading takes, and how fast the network runs; not what it says.

    python sparse_llm.py --nano ../../stdlib/models/nano --out /tmp/zeros
    /usr/bin/time -v agpt run /tmp/zeros/say.agpt --model /tmp/zeros --words hello --dtype llm=q4_k -v
"""

import argparse
import collections
import io
import json
import pickle
import shutil
import struct
from pathlib import Path

import torch

HIDDEN, INNER, LAYERS, VOCABULARY = 4096, 11008, 32, 53516


def shapes():
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"{at}self_attn.{name}.weight", (HIDDEN, HIDDEN)
        yield f"{at}mlp.gate_proj.weight", (INNER, HIDDEN)
        yield f"{at}mlp.up_proj.weight", (INNER, HIDDEN)
        yield f"{at}mlp.down_proj.weight", (HIDDEN, INNER)
        yield f"{at}input_layernorm.weight", (HIDDEN,)
        yield f"{at}post_attention_layernorm.weight", (HIDDEN,)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Lazy:
    """Pickles as a tensor that was saved with its type, without being one."""

    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides = tuple(int(torch.tensor(self.shape[i + 1 :]).prod()) for i in range(len(self.shape)))
        inner = (self.storage, 0, self.shape, strides, False, collections.OrderedDict())
        return torch._tensor._rebuild_from_type_v2, (torch._utils._rebuild_tensor_v2, torch.Tensor, inner, {})


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return ("storage", torch.FloatStorage, value.key, "cpu", value.count) if isinstance(value, Storage) else None


class SparseZip:
    """A zip file of stored entries; those of zeros are only seeked over. Their checksums are left at 0."""

    def __init__(self, path):
        self.file, self.directory, self.count = open(path, "wb"), b"", 0

    def add(self, name, size, content=None):
        at, name = self.file.tell(), name.encode()
        big = struct.pack("<HHQQ", 1, 16, size, size)
        # Data begin at a multiple of 64, as PyTorch pads them.
        pad = -(at + 30 + len(name) + len(big) + 4) % 64
        extra = big + struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        self.file.write(struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra)) + name + extra)
        if content is None:
            self.file.seek(size, 1)
        else:
            self.file.write(content)
        big = struct.pack("<HHQQQ", 1, 24, size, size, at)
        self.directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(big), 0, 0, 0, 0, 0xFFFFFFFF) + name + big
        self.count += 1

    def close(self):
        at, size = self.file.tell(), len(self.directory)
        self.file.write(self.directory)
        end = self.file.tell()
        self.file.write(struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, self.count, self.count, size, at))
        self.file.write(struct.pack("<IIQI", 0x07064B50, 0, end, 1))
        self.file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
        self.file.close()


MANIFEST = """format: 1
name: zeros
description: A language model of the public size, all zero.
license: Apache-2.0
components:
  llm: { architecture: llama, path: llm }
vocabulary: { tokenizer: tokenizer.json, legacy: true }
prompt:
  begin: <s>
  user: { before: "[Human]: ", after: <eoh> }
  assistant: { before: " [MMGPT]:", lead: " ", after: <eos> }
  stop: [<eos>]
context: 512
sampling:
  text: { temperature: 0.0, max_tokens: 16 }
"""

PIPELINE = "pub pipeline say(words: text) -> text {\n  return generate text from words\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nano", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    (args.out / "llm").mkdir(parents=True)
    (args.out / "bundle.yaml").write_text(MANIFEST)
    (args.out / "say.agpt").write_text(PIPELINE)
    shutil.copy(args.nano / "llm" / "tokenizer.json", args.out)
    config = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 32, "rms_norm_eps": 1e-5}
    (args.out / "llm" / "config.json").write_text(json.dumps(config))
    state, sizes = collections.OrderedDict(), []
    for key, (name, shape) in enumerate(shapes()):
        count = int(torch.tensor(shape).prod())
        state[name] = Lazy(Storage(str(key), count), shape)
        sizes.append(4 * count)
    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump(state)
    archive = SparseZip(args.out / "llm" / "pytorch_model.bin")
    archive.add("pytorch_model/data.pkl", len(pickled.getvalue()), pickled.getvalue())
    for key, size in enumerate(sizes):
        archive.add(f"pytorch_model/data/{key}", size)
    archive.add("pytorch_model/version", 2, b"3\n")
    archive.close()
    print(f"{sum(sizes) / 1e9:.2f} GB of zeros")


if __name__ == "__main__":
    main()
