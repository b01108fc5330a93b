"""What the trained codecs make of all speech and music: codes, kept between runs. The first part of a codec's training is enough.

`speech()` → index rows with "codes", (8, frames) each: row 0 is what the language model sees.
`music()`  → index rows with "codes", (4, frames) each.
"""

import data
import music_data
import numpy as np
import speech_data
import torch


def rounded(state):
    """The weights as they are shipped."""
    return {k: v.bfloat16().float() if v.is_floating_point() else v for k, v in state.items()}


def speech_tokenizer():
    from speechtokenizer import SpeechTokenizer
    from train_speech_tokenizer import CHECKPOINT, CONFIG

    model = SpeechTokenizer(CONFIG)
    model.load_state_dict(rounded(torch.load(CHECKPOINT, weights_only=True)["model"]))
    return model.eval()


def music_codec():
    from train_music_codec import CHECKPOINT, Codec

    model = Codec()
    model.load_state_dict(rounded(torch.load(CHECKPOINT, weights_only=True)["model"]))
    return model.eval()


def wave(samples):
    return torch.from_numpy(np.array(samples, dtype=np.float32) / 32768)


def coded(name):
    """Whether the codes are there and of the last codec."""
    cache, checkpoint = data.WORK / f"codes-{name}.pt", data.WORK / {"speech": "speech_tokenizer.encoder.pt", "music": "music_codec.encoder.pt"}[name]
    return cache.exists() and checkpoint.exists() and cache.stat().st_mtime >= checkpoint.stat().st_mtime


def kept(name, make):
    cache = data.WORK / f"codes-{name}.pt"
    if not coded(name):
        part = cache.with_suffix(".part")
        with torch.no_grad():
            torch.save(make(), part)
        part.replace(cache)
    return torch.load(cache, weights_only=True)


def speech():
    rows, samples = speech_data.load()

    def make():
        model = speech_tokenizer()
        # One at a time: the edges are mirrored, so that padding would change the codes.
        return [model.encode(wave(samples[r["first"] : r["first"] + r["count"]])[None, None])[:, 0].short() for r in rows]

    for row, codes in zip(rows, kept("speech", make)):
        row["codes"] = codes.long()
    return rows


def music():
    rows, clips = music_data.load()

    def make():
        model = music_codec()
        return torch.cat([model.encode(wave(clips[i : i + 64])[:, None]).permute(1, 0, 2) for i in range(0, len(clips), 64)]).short()

    for row, codes in zip(rows, kept("music", make)):
        row["codes"] = codes.long()
    return rows


if __name__ == "__main__":
    import sys

    made = {"speech": speech, "music": music}[sys.argv[1]]()
    print(len(made), made[0]["text"], made[0]["codes"].shape)
