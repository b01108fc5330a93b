"""Writes ../card/listen.html: what nano says, plays and repeats, to be listened to beside the originals.

    python page.py

Sentences and pieces are the first ones that evaluate_sound.py would pick, so none were chosen by ear. The
page has its sounds inside (Opus, 40 kbit/s) and loads nothing. Needs requirements-evaluate.txt.
"""

import base64
import html
import io
import random
import tempfile

import audio_codes
import av
import evaluate_sound as measured
import music_data
import numpy as np
from evaluate import CARD

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}audio{width:11rem;height:2rem;display:block}svg{width:11rem;height:2rem;display:block}
:root{color-scheme:light dark}"""


def opus(sound):
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=measured.RATE, layout="mono")
        stream.bit_rate = 40_000
        frame = av.AudioFrame.from_ndarray((np.clip(sound, -1, 1) * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = measured.RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return file.getvalue()


def shape(sound, columns=120):
    """The loudest sample of each stretch, as a drawing."""
    peaks = [float(np.abs(part).max()) if len(part) else 0.0 for part in np.array_split(sound, columns)]
    path = "".join(f"M{x} {16 - 15 * min(1, p):.1f}V{16 + 15 * min(1, p):.1f}" for x, p in enumerate(peaks))
    return f'<svg viewBox="0 0 {columns} 32" preserveAspectRatio="none" aria-hidden="true"><path d="{path}" stroke="currentColor" fill="none"/></svg>'


def player(sound):
    if sound is None or not len(sound):
        return "it failed"
    return f'{shape(sound)}<audio controls preload="none" src="data:audio/ogg;base64,{base64.b64encode(opus(sound)).decode()}"></audio>'


def table(heads, rows):
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def speech(count=8):
    rows = measured.pick(measured.ROWS, count, measured.GROUPS["seen voices, held-out sentences"])
    real, words = measured.spoken(rows), measured.texts(rows)
    coded, _ = measured.resynthesis(audio_codes.speech_tokenizer(), real)
    with tempfile.TemporaryDirectory() as folder:
        files = measured.write(folder, real)
        again, heard = measured.through("resaid", "recordings", files), measured.through("written", "recordings", files)
    said = measured.through("said", "sentences", words)
    cells = zip(map(html.escape, words), *([player(x) for x in some] for some in (real, coded, again, said)), (html.escape(h or "it failed") for h in heard))
    heads = ["sentence", "the recording", "its eight codes decoded", "its first codes, the others by SoundStorm", "nano says it", "nano hears the recording"]
    return f"<h2>Speech</h2><p>Sentences that were not trained on, in voices that were.</p>{table(heads, cells)}"


def music(count=8):
    rows, clips = music_data.load()
    some = random.Random(13).sample([i for i, row in enumerate(rows) if not row["held_out"]], count)
    real, words = [np.array(clips[i], dtype=np.float32) / 32768 for i in some], [rows[i]["text"] for i in some]
    coded, _ = measured.resynthesis(audio_codes.music_codec(), real)
    with tempfile.TemporaryDirectory() as folder:
        heard = measured.through("described", "pieces", measured.write(folder, real))
    made = measured.through("composed", "moods", words)
    cells = zip(map(html.escape, words), *([player(x) for x in group] for group in (real, coded, made)), (html.escape(h or "it failed") for h in heard))
    return f"<h2>Music</h2>{table(['what is asked for', 'a melody like that', 'its codes decoded', 'nano plays it', 'nano hears the melody'], cells)}"


if __name__ == "__main__":
    CARD.mkdir(exist_ok=True)
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>nano, to be heard</title><style>{STYLE}</style><h1>nano, to be heard</h1>{speech()}{music()}</html>\n'
    (CARD / "listen.html").write_text(page)
    print(f"{CARD / 'listen.html'}: {len(page) / 1e6:.2f} MB")
