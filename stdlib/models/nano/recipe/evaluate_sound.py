"""Measures how nano hears and sounds; figures go to card/figures.json.

    python evaluate_sound.py codec       what the two codecs lose
    python evaluate_sound.py recognise   the recognisers on the original recordings
    python evaluate_sound.py stt         speech → text
    python evaluate_sound.py tts         text → speech
    python evaluate_sound.py voice       whose voice is heard, with and without a voice prompt
    python evaluate_sound.py music       text → music, music → text
    python evaluate_sound.py seams       music beyond the window, where its stretches meet
    python evaluate_sound.py golden      what tests/nano_golden.rs compares agpt with → card/golden_sound.json
    python evaluate_sound.py media       the example recordings                       → examples/media

`codec` and `recognise` need $NANO_WORK only. `stt` to `seams` run the program at $AGPT
(target/release/agpt) on the pipelines of evaluate/. Who judges is in recognisers.py and probes.py.
"""

import collections
import json
import random
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import audio_codes
import data
import music_data
import numpy as np
import probes
import speech_data
import torch
from evaluate import agpt, remember
from recognisers import Recognisers, word_errors

RATE = 16000
UNSEEN = speech_data.HELD_OUT_VOICE
ROWS, SAMPLES = speech_data.load()
GROUPS = {
    "seen voices, held-out sentences": lambda r: r["voice"] != UNSEEN and speech_data.held_out(r["text"]),
    "seen voices, trained sentences": lambda r: r["voice"] != UNSEEN and not speech_data.held_out(r["text"]),
    "unseen voice": lambda r: r["voice"] == UNSEEN,
}


def pick(rows, count, keep=lambda row: True):
    """Some rows, no sentence twice."""
    rows = [row for row in rows if keep(row)]
    random.Random(11).shuffle(rows)
    return list({row["text"]: row for row in rows}.values())[:count]


def spoken(rows):
    return [np.array(SAMPLES[r["first"] : r["first"] + r["count"]], dtype=np.float32) / 32768 for r in rows]


def texts(rows):
    return [row["text"] for row in rows]


def rounded(values, digits=3):
    return round(float(np.mean(values)), digits)


# ---- the program --------------------------------------------------------------------------


def write(folder, sounds):
    """Paths of WAV files."""
    paths = [Path(folder) / f"given-{i}.wav" for i in range(len(sounds))]
    for path, sound in zip(paths, sounds):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return [str(path) for path in paths]


def read(path):
    with wave.open(path) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1 and file.getsampwidth() == 2
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def through(pipeline, flag, items, *more):
    """What a pipeline of evaluate/ makes of each item: words, or samples. None where the run failed."""
    with tempfile.TemporaryDirectory() as out:
        made = attempt(pipeline, flag, items, "--out", out, *more)
        assert any(one is not None for one in made), "the program failed on everything"
        return [read(one) if one and one.endswith(".wav") else one for one in made]


def attempt(pipeline, flag, items, *more):
    try:
        return json.loads(agpt("run", str(data.HERE / f"evaluate/{pipeline}.agpt"), "--json", *more, f"--{flag}", *items))["results"][pipeline]
    except subprocess.CalledProcessError as error:
        # One bad item ends a run (code 3), and shall not take the others with it.
        if error.returncode != 3 or len(items) == 1:
            print(error.stderr, file=sys.stderr)
            if error.returncode != 3:
                raise
            return [None]
        half = len(items) // 2
        return attempt(pipeline, flag, items[:half], *more) + attempt(pipeline, flag, items[half:], *more)


def failed(made):
    return sum(one is None for one in made)


def audible(sounds):
    """Silence for what failed."""
    return [np.zeros(RATE // 10, np.float32) if sound is None or not len(sound) else sound for sound in sounds]


# ---- codecs -------------------------------------------------------------------------------


@torch.no_grad()
def resynthesis(model, sounds):
    """Each sound through all codebooks and back, and its codes (books, frames)."""
    made, codes = [], []
    for sound in sounds:
        given = torch.from_numpy(sound)[None, None]
        row = model.encode(given)
        made.append(model.decode(row)[0, 0, : len(sound)].numpy())
        codes.append(row[:, 0])
    return made, codes


def si_sdr(real, made):
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019), in dB."""
    real, made = real[: len(made)] - real[: len(made)].mean(), made[: len(real)] - made[: len(real)].mean()
    wanted = (made @ real) / (real @ real) * real
    return 10 * np.log10((wanted @ wanted) / (np.square(made - wanted).sum() + 1e-12) + 1e-12)


def mel_distance(real, made, bands=probes.mel_bands(1024, 80)):
    """Mean difference of log-mel magnitudes (natural logarithm, 80 bands)."""
    count = min(len(real), len(made))
    a, b = ((probes.spectrum(torch.from_numpy(x[:count]), 1024, 256, power=1) @ bands).clamp(min=1e-5).log() for x in (real, made))
    return float((a - b).abs().mean())


def loss(real, made, codes, size):
    usage = []
    for book in torch.cat(codes, 1):
        share = torch.bincount(book, minlength=size) / len(book)
        usage.append(round(float(torch.exp(-torch.special.xlogy(share, share).sum())), 1))
    other = made[1:] + made[:1]
    return {
        "items": len(real),
        "SI-SDR": rounded([si_sdr(a, b) for a, b in zip(real, made)], 2),
        "mel L1": rounded([mel_distance(a, b) for a, b in zip(real, made)]),
        "by chance, another item's": {"SI-SDR": rounded([si_sdr(a, b) for a, b in zip(real, other)], 2), "mel L1": rounded([mel_distance(a, b) for a, b in zip(real, other)])},
        "frames": sum(c.shape[1] for c in codes), "perplexity of each codebook": usage, "codes of each": size,
    }  # fmt: skip


@torch.no_grad()
def phones_right(model, rows, codes):
    """Share of frames whose phone a linear layer tells from the first code alone."""
    from train_speech_tokenizer import CHECKPOINT, Phones, phones

    head = Phones()
    head.load_state_dict(torch.load(CHECKPOINT, weights_only=True)["beside"])
    right = []
    for row, all_books in zip(rows, codes):
        told = head.head(model.quantizer.decode(all_books[:1, None]).transpose(1, 2))[0].argmax(-1).numpy()
        right.append(told == phones(row, 0, len(told)))
    return rounded(np.concatenate(right))


def codec():
    recognisers, result = Recognisers(), {}
    model = audio_codes.speech_tokenizer()
    for name in ("seen voices, held-out sentences", "unseen voice"):
        rows = pick(ROWS, 60, GROUPS[name])
        real = spoken(rows)
        made, codes = resynthesis(model, real)
        result[name] = loss(real, made, codes, 512) | {"phones right, from the first code": phones_right(model, rows, codes)}
        result[name]["words"] = {"original": recognisers.errors(texts(rows), real), "resynthesis": recognisers.errors(texts(rows), made)}
    model = audio_codes.music_codec()
    rows, clips = music_data.load()
    for name, held in {"music, held-out pairs": True, "music, trained clips": False}.items():
        some = random.Random(12).sample([i for i, row in enumerate(rows) if row["held_out"] == held], 100)
        real = [np.array(clips[i], dtype=np.float32) / 32768 for i in some]
        result[name] = loss(real, *resynthesis(model, real), 256)
    remember("codec", result)


# ---- speech -------------------------------------------------------------------------------


def recognise():
    recognisers, result = Recognisers(), {}
    for voice in [*speech_data.VOICES, UNSEEN]:
        rows = pick(ROWS, 60, lambda row: row["voice"] == voice)
        result[voice] = {"sentences": len(rows), **recognisers.errors(texts(rows), spoken(rows))}
    remember("recognisers", result)


def most_frequent():
    """The sentence that was trained on most often."""
    return collections.Counter(r["text"] for r in ROWS if GROUPS["seen voices, trained sentences"](r)).most_common(1)[0][0]


def stt():
    recognisers, result = Recognisers(), {}
    for name, keep in GROUPS.items():
        rows = pick(ROWS, 80, keep)
        real, words = spoken(rows), texts(rows)
        with tempfile.TemporaryDirectory() as folder:
            said = through("written", "recordings", write(folder, real))
        lost, said = failed(said), [one or "" for one in said]
        result[name] = {
            "recordings": len(rows), "failed": lost, "of held-out sentences": sum(map(speech_data.held_out, words)),
            "nano": {**word_errors(words, said), "WER by chance": word_errors(words, said[1:] + said[:1])["WER"]},
            "always the most frequent sentence": word_errors(words, [most_frequent()] * len(words)),
            "recognisers, first 40": recognisers.errors(words[:40], real[:40]),
            "examples": dict(list(zip(words, said))[:8]),
        }  # fmt: skip
    remember("speech to text", result)


def tts():
    recognisers, model, result = Recognisers(), audio_codes.speech_tokenizer(), {}
    for name in ("seen voices, held-out sentences", "seen voices, trained sentences"):
        rows = pick(ROWS, 40, GROUPS[name])
        real, words = spoken(rows), texts(rows)
        made = through("said", "sentences", words)
        with tempfile.TemporaryDirectory() as folder:
            again = through("resaid", "recordings", write(folder, real))
        result[name.removeprefix("seen voices, ")] = {
            "sentences": len(rows), "failed": failed(made), "seconds": rounded([len(x) / RATE for x in audible(made)]), "seconds of the originals": rounded([len(x) / RATE for x in real]),
            "original": recognisers.errors(words, real),
            "codec, all eight codes": recognisers.errors(words, resynthesis(model, real)[0]),
            "first codes of the original, the others by SoundStorm": recognisers.errors(words, audible(again)),
            "nano": recognisers.errors(words, audible(made)),
        }  # fmt: skip
    remember("text to speech", result)


def voice():
    """Cosines with one recording of the voice, which is also the voice prompt; all other recordings say something else."""
    speaker, model = probes.Speaker().eval(), audio_codes.speech_tokenizer()
    heard = lambda sounds: [x for x in sounds if x is not None and len(x) and np.abs(x).max() > 0.01]
    embed = lambda sounds: torch.stack([speaker(speech_data.trim((x * 32767).astype(np.int16)) / 32767) for x in heard(sounds)])
    names = [*speech_data.VOICES, UNSEEN]
    # Longer recordings, as embeddings of short ones say little. Pitches near 1, as flite's own.
    usual = [row for row in ROWS if row["count"] > 1.3 * RATE and abs(row["pitch"] - 1) < 0.04]
    rows = {name: pick(usual, 16, lambda row: row["voice"] == name) for name in names}
    words = [row["text"] for row in pick(ROWS, 12, lambda row: GROUPS["seen voices, held-out sentences"](row) and row["count"] > 1.3 * RATE)]
    prompts = {name: spoken(some[:1])[0] for name, some in rows.items()}
    prompt = torch.cat([embed([prompts[name]]) for name in names])
    real = {name: spoken(some[1:]) for name, some in rows.items()}
    sounds = {"original": real, "codec resynthesis": {name: resynthesis(model, some)[0] for name, some in real.items()}}
    with tempfile.TemporaryDirectory() as folder:
        files = dict(zip(names, write(folder, prompts.values())))
        sounds["nano, with the voice prompt"] = {name: through("said", "sentences", words, "--voice", files[name]) for name in names}
    bare = through("said", "sentences", words)
    sounds["nano, without a voice prompt"] = dict.fromkeys(names, bare)
    result = {"prompts": len(names), "sentences of nano for each": len(words), "recordings of each": len(real[UNSEEN]), "chance of the right voice": 1 / len(names)}
    for kind, made in sounds.items():
        result[kind] = {}
        for i, name in enumerate(names):
            near = (embed(made[name]) @ prompt.T).numpy()
            result[kind][name] = {
                "failed or silent": len(made[name]) - len(near), "prompt's voice": rounded(near[:, i]),
                "other voices": rounded(np.delete(near, i, 1)), "nearest is the prompt's": rounded(near.argmax(1) == i),
            }  # fmt: skip
    remember("voice", result)


# ---- music --------------------------------------------------------------------------------


def right(rows, heard):
    """Shares of right words, and what is right by chance or by always saying the most frequent."""
    kinds = list(probes.WORDS)
    often = {kind: collections.Counter(row[kind] for row in rows).most_common(1)[0][1] / len(rows) for kind in kinds}
    return {
        "pieces": len(rows), **{kind: rounded([h[kind] == row[kind] for h, row in zip(heard, rows)]) for kind in kinds},
        "all four": rounded([all(h[kind] == row[kind] for kind in kinds) for h, row in zip(heard, rows)]),
        "always the most frequent": {kind: round(share, 3) for kind, share in often.items()},
    }  # fmt: skip


def read_caption(words):
    """The first word of each kind, or None."""
    said = (words or "").split()
    return {kind: next((word for word in said if word in names), None) for kind, names in probes.WORDS.items()}


def music():
    listener, model, rng = probes.probe(), audio_codes.music_codec(), random.Random(13)
    rows, clips = music_data.load()
    sounds = {i: np.array(clips[i], dtype=np.float32) / 32768 for i in range(len(rows))}
    new, melodies = probes.melodies("test", 2)
    sample = lambda which, count: rng.sample(list(which), count)
    held, trained = (sample((i for i, row in enumerate(rows) if row["held_out"] == is_held), 72) for is_held in (True, False))
    fresh = sample((i for i, row in enumerate(new) if not row["held_out"]), 72)
    groups = {
        "held-out pairs": ([rows[i] for i in held], [sounds[i] for i in held]),
        "seen pairs, new melodies": ([new[i] for i in fresh], [melodies[i] for i in fresh]),
        "seen pairs, trained clips": ([rows[i] for i in trained], [sounds[i] for i in trained]),
    }
    result = {"chance": {kind: round(1 / len(words), 4) for kind, words in probes.WORDS.items()} | {"all four": round(1 / 144, 4)}}
    for name, (some, real) in groups.items():
        with tempfile.TemporaryDirectory() as folder:
            said = through("described", "pieces", write(folder, real))
        result[name] = {
            "probe on originals": right(some, listener.words(real)), "probe on codec resynthesis": right(some, listener.words(resynthesis(model, real)[0])),
            "music to text": {"failed": failed(said), **right(some, [read_caption(words) for words in said]), "examples": dict(list(zip(texts(some), said))[:4])},
        }  # fmt: skip
    kinds = music_data.kinds(music_data.INSTRUMENTS)
    asked = {held: [row for row in kinds if music_data.held_out(row["instrument"], row["tempo"]) == held] for held in (True, False)}
    for name, some in {"held-out pairs": 4 * asked[True], "seen pairs": sample(asked[False], 60)}.items():
        made = through("composed", "moods", [music_data.caption(row) for row in some])
        seconds = rounded([len(x) / RATE for x in audible(made)])
        result[f"text to music, {name}"] = {"failed": failed(made), "seconds": seconds, **right(some, listener.words(audible(made)))}
    remember("music", result)


# ---- music beyond the window ----------------------------------------------------------------


def jumps(sound, at):
    """How much sound differs between the 50 ms before and after a time: level (dB), spectrum (dB, 40 bands)."""
    span = RATE // 20
    sides = [torch.from_numpy(sound[at - span : at]), torch.from_numpy(sound[at : at + span])]
    level = [10 * torch.log10(side.square().mean() + 1e-6) for side in sides]
    bands = [10 * torch.log10(probes.spectrum(side, 400, 80).mean(0) @ probes.mel_bands(400, 40) + 1e-3) for side in sides]
    return float((level[1] - level[0]).abs()), float((bands[1] - bands[0]).abs().mean())


def seams():
    """Six seconds in stretches of two with one of overlap: is there more of a jump where a stretch begins than elsewhere?

    Times on the grid of the stretches' ends, against all other multiples of 0.1 s of the same pieces.
    The same measure on melodies that were rendered in one go says what there is without any seam.
    """
    rows = [row for row in music_data.kinds(music_data.INSTRUMENTS) if not music_data.held_out(row["instrument"], row["tempo"])]
    moods = [music_data.caption(row) for row in random.Random(14).sample(rows, 24)]
    made = [sound for sound in audible(through("composed", "moods", moods, "--length", "6s")) if len(sound) == 6 * RATE]
    ends = [2.0, 3.0, 4.0, 5.0]
    others = [t / 10 for t in range(5, 56) if all(abs(t / 10 - end) > 0.15 for end in ends)]
    measure = lambda sounds, times: [jumps(sound, round(t * RATE)) for sound in sounds for t in times]
    means = lambda pairs: dict(zip(("level, dB", "spectrum, dB"), np.round(np.mean(pairs, 0), 2).tolist()))
    _, clips = probes.melodies("test", 2)
    result = {"pieces": len(made), "of": len(moods), "at seams": means(measure(made, ends)), "elsewhere": means(measure(made, others)),
              "rendered melodies, same places of their beat": means(measure(clips[:200], [1.0])), "rendered melodies, elsewhere": means(measure(clips[:200], [t / 10 for t in range(5, 16) if t != 10]))}  # fmt: skip
    remember("seams of music", result)


# ---- what the program is compared with ------------------------------------------------------

SAID = {"apple.wav": ("slt", "a red apple"), "question.wav": ("rms", "what can you do")}
VOICE = "this is how i sound when i read a sentence of my own to you"
MELODY = {"instrument": "flute", "tempo": "calm", "mode": "cheerful", "register": "high"}


def media():
    from evaluate import ROOT

    folder = ROOT / "examples/media"
    sounds = {name: speech_data.speak((voice, words, 1.0, 1.0))[0] for name, (voice, words) in SAID.items()}
    sounds["voice.wav"] = speech_data.speak((UNSEEN, VOICE, 1.0, 1.0))[0]
    rows, clips = probes.melodies("example", 1)
    which = next(i for i, row in enumerate(rows) if all(row[kind] == word for kind, word in MELODY.items()))
    sounds["melody.wav"] = (clips[which] * 32767).astype(np.int16)
    for name, sound in sounds.items():
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(sound.astype("<i2").tobytes())
        print(name, len(sound) / RATE)


@torch.no_grad()
def greedy(model, vocabulary, ids, most=48):
    """The likeliest text after ids, with the token that ends it."""
    allowed = torch.full((vocabulary.size,), -torch.inf)
    allowed[3:1024] = 0
    allowed[vocabulary.ids["<eos>"]] = 0
    for mark in ("<-Res->", "<-Ins->"):
        allowed[vocabulary.ids[mark]] = 0
    made = []
    while len(made) < most and made[-1:] != [vocabulary.ids["<eos>"]]:
        logits = model(torch.tensor([[*ids, *made]])).logits[0, -1] + allowed
        made.append(int(logits.argmax()))
    return made


@torch.no_grad()
def golden():
    import text
    from evaluate import CARD, ROOT, Model

    nano, result = Model(), {}
    vocabulary, speech, music = nano.vocabulary, audio_codes.speech_tokenizer(), audio_codes.music_codec()
    given = lambda name: torch.from_numpy(read(str(ROOT / "examples/media" / name)))[None, None]
    for name, pool, codes, medium, model in [
        ("apple.wav", "TRANSCRIBE", (row := speech.encode(given("apple.wav"))[:, 0])[0], vocabulary.speech, (speech, row)),
        ("melody.wav", "DESCRIBE_MUSIC", (row := music.encode(given("melody.wav"))[:, 0]), vocabulary.music, (music, row)),
    ]:
        instruction = text.pools()[pool][0]
        ids = [vocabulary.ids["<s>"], *vocabulary.encode(f"[Human]: {instruction} {medium(codes.tolist())}<eoh> [MMGPT]:")]
        reply = greedy(nano.llm, vocabulary, ids)
        decoded = model[0].decode(model[1][:, None])[0, 0]
        # The language model's codes: of speech the first book, of music all, frame by frame.
        flat = codes.tolist() if codes.ndim == 1 else [int(c) + 256 * b for frame in codes.T.tolist() for b, c in enumerate(frame)]
        result[name] = {"instruction": instruction, "codes": flat, "prompt_ids": ids, "reply_ids": reply, "reply": vocabulary.words(reply),
                        "all_codes": model[1].tolist(), "decoded_from_4000": [round(float(v), 5) for v in decoded[4000:4016]]}  # fmt: skip
        print(name, result[name]["reply"])
    (CARD / "golden_sound.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    begun = time.time()
    {"codec": codec, "recognise": recognise, "stt": stt, "tts": tts, "voice": voice, "music": music, "seams": seams, "golden": golden, "media": media}[sys.argv[1]]()
    print(f"{time.time() - begun:.0f} s", file=sys.stderr)
