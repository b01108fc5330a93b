"""The rows of `agpt eval nano`: drawn from what nano never learned from, by a fixed seed and without looking.

    python suite.py      → stdlib/evaluation/nano

Needs $NANO_WORK with what data.py, speech_data.py and music_data.py made, and the package `av` of
requirements-evaluate.txt, which writes FLAC.
"""

import json
import random

import av
import data
import music_data
import numpy as np
import speech_data
from PIL import Image

OUT = data.HERE.parents[2] / "evaluation/nano"
PICTURES, RECORDINGS, STRANGERS, MELODIES, SENTENCES = 32, 24, 12, 12, 24


def flac(name, samples):
    with av.open(str(OUT / name), "w") as file:
        stream = file.add_stream("flac", rate=speech_data.RATE, layout="mono", format="s16", options={"compression_level": "12"})
        frame = av.AudioFrame.from_ndarray(np.asarray(samples, dtype=np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = speech_data.RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return name


def table(name, rows):
    rows = list(rows)
    (OUT / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"{name}: {len(rows)} rows")


def pictures(rng):
    """Icons of the style that was held out, of things that nano knows from other styles; each thing once."""
    shown = {}
    for name, _, body, width, height, noun in data.icons():
        if name == data.HELD_OUT_SET and noun and not data.held_out(noun):
            shown.setdefault(noun, (body, width, height))
    for noun in sorted(rng.sample(sorted(shown), PICTURES)):
        drawn = data.render(*shown[noun])
        name = f"{noun.replace(' ', '-')}.png"
        Image.fromarray(drawn).save(OUT / name, optimize=True)
        yield {"id": noun, "picture": name, "thing": noun}


def recordings(rng, name, count, keep):
    """Sentences of at most two seconds that were held out, each once."""
    rows, samples = speech_data.load()
    rows = [r for r in rows if keep(r) and speech_data.held_out(r["text"]) and r["count"] <= 2 * speech_data.RATE]
    rng.shuffle(rows)
    once = list({row["text"]: row for row in rows}.values())[:count]
    for at, row in enumerate(once):
        sound = samples[row["first"] : row["first"] + row["count"]]
        yield {"id": f"{row['voice']}-{at}", "recording": flac(f"{name}-{at}.flac", sound), "words": row["text"]}


def melodies(rng):
    """Pairs of instrument and tempo that were held out."""
    rows, clips = music_data.load()
    held = [at for at, row in enumerate(rows) if row["held_out"]]
    for at, which in enumerate(rng.sample(held, MELODIES)):
        yield {"id": at, "piece": flac(f"melody-{at}.flac", clips[which]), "words": rows[which]["text"]}


def sentences(rng):
    """Of the world's captions, those that were never spoken to it."""
    held = sorted(sentence for sentence in speech_data.captions() if speech_data.held_out(sentence))
    return [{"id": words.replace(" ", "-"), "words": words} for words in sorted(rng.sample(held, SENTENCES))]


if __name__ == "__main__":
    for old in [*OUT.glob("*.png"), *OUT.glob("*.wav"), *OUT.glob("*.flac"), *OUT.glob("*.jsonl")]:
        old.unlink()
    rng = random.Random(21)
    table("pictures", pictures(rng))
    table("recordings", recordings(rng, "recording", RECORDINGS, lambda r: r["voice"] != speech_data.HELD_OUT_VOICE))
    table("strangers", recordings(rng, "stranger", STRANGERS, lambda r: r["voice"] == speech_data.HELD_OUT_VOICE))
    table("melodies", melodies(rng))
    table("sentences", sentences(rng))
