"""What the trained codecs make of all speech and music: codes, kept between runs. The first part of a codec's training is enough.

`speech()` → index rows with "codes", (8, frames) each: row 0 is what the language model sees.
`music()`  → index rows with "codes", (4, frames) each.
With `more` in front of them: the same of more_data.py.
"""

import multiprocessing
import re

import data
import more_data
import music_data
import numpy as np
import speech_data
import torch
from safetensors.torch import load_file


def source(name):
    """The codec that was trained here, or the one that is shipped."""
    trained = data.WORK / f"{name}.pt"
    return trained if trained.exists() else data.HERE.parent / name / "model.safetensors"


def load(model, name):
    """A codec with its weights rounded as they are shipped; how often codes were used is not in what is shipped."""
    path = source(name)
    if path.suffix == ".pt":
        state = torch.load(path, weights_only=True)["model"]
    else:
        shipped = re.compile(r"quantizer\.layers\.(\d+)\.codebook\.embed")
        state = {shipped.sub(r"quantizer.vq.layers.\1._codebook.embed", k): v for k, v in load_file(path).items()}
    missing, extra = model.load_state_dict({k: v.bfloat16().float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)
    assert not extra and all(k.endswith(("embed_avg", "cluster_size", "inited")) for k in missing), (missing, extra)
    return model.eval()


def speech_tokenizer():
    from speechtokenizer import SpeechTokenizer
    from train_speech_tokenizer import CONFIG

    return load(SpeechTokenizer(CONFIG), "speech_tokenizer")


def music_codec():
    from train_music_codec import Codec

    return load(Codec(), "music_codec")


def codebooks(name):
    """The tables of a codec, (codes, 128) each."""
    model = speech_tokenizer() if name == "speech" else music_codec()
    return [layer._codebook.embed.detach() for layer in model.quantizer.vq.layers]


def wave(samples):
    return torch.from_numpy(np.array(samples, dtype=np.float32) / 32768)


CODECS = {"speech": "speech_tokenizer", "music": "music_codec"}


def coded(name):
    """Whether the codes are there and of the last codec, or of its first part, which made them final."""
    codec = CODECS[name.removeprefix("more-")]
    cache, frozen = data.WORK / f"codes-{name}.pt", data.WORK / f"{codec}.encoder.pt"
    of = frozen if source(codec).suffix == ".pt" else source(codec)
    return cache.exists() and of.exists() and cache.stat().st_mtime >= of.stat().st_mtime


def kept(name, rows, make):
    """The rows with their codes, which are made once."""
    cache = data.WORK / f"codes-{name}.pt"
    if not coded(name):
        part = cache.with_suffix(".part")
        with torch.no_grad():
            torch.save(make(), part)
        part.replace(cache)
    for row, codes in zip(rows, torch.load(cache, weights_only=True), strict=True):
        row["codes"] = codes.long()
    return rows


def begin_speech():
    global model
    torch.set_num_threads(1)
    model = speech_tokenizer()


@torch.no_grad()
def code_speech(samples):
    return model.encode(wave(samples)[None, None])[:, 0].short().numpy()


def codes_of_speech(rows, samples):
    # One at a time: the edges are mirrored, so that padding would change the codes. A core each is twice as fast.
    with multiprocessing.get_context("spawn").Pool(initializer=begin_speech) as pool:
        utterances = (samples[r["first"] : r["first"] + r["count"]] for r in rows)
        return [torch.from_numpy(codes) for codes in pool.imap(code_speech, utterances, chunksize=32)]


def codes_of_music(clips):
    model = music_codec()
    return torch.cat([model.encode(wave(clips[i : i + 64])[:, None]).permute(1, 0, 2) for i in range(0, len(clips), 64)]).short()


def speech():
    rows, samples = speech_data.load()
    return kept("speech", rows, lambda: codes_of_speech(rows, samples))


def music():
    rows, clips = music_data.load()
    return kept("music", rows, lambda: codes_of_music(clips))


def more_speech():
    rows, samples = more_data.load("speech")
    return kept("more-speech", rows, lambda: codes_of_speech(rows, samples))


def more_music():
    rows, clips = more_data.load("music")
    return kept("more-music", rows, lambda: codes_of_music(clips))


if __name__ == "__main__":
    import sys

    made = {"speech": speech, "music": music, "more-speech": more_speech, "more-music": more_music}[sys.argv[1]]()
    print(len(made), made[0]["text"], made[0]["codes"].shape)
