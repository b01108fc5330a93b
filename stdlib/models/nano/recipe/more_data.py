"""More to learn from than what the codecs were trained on: other speakers to hear, and other melodies.

Speech is only heard by the language model, never said: the three voices with pitch, formants and
pace moved further apart than those of speech_data.py, through a microphone of another colour, with
some noise. Melodies are new draws of music_data.melody. Nothing here is of what is held out:
voice, sentences, pairs of instrument and tempo.

    python more_data.py      → $NANO_WORK/data/more-speech.{npy,json}, more-music.{npy,json}
"""

import json
import random
from multiprocessing import Pool

import data
import dialogue
import music_data
import numpy as np
import probes
import speech_data

CAPTIONS, EVERYDAY, MUSICAL = 3000, 8, 3  # for each voice: captions, times of each other sentence
MELODIES = 84  # of each kind


def speech_jobs():
    rng = random.Random(17)
    trained = lambda sentences: [s for s in sentences if not speech_data.held_out(s)]
    for voice in speech_data.VOICES:
        sentences = EVERYDAY * trained(dialogue.sentences()) + MUSICAL * trained(music_data.captions())
        for sentence in sentences + rng.sample(trained(speech_data.captions()), CAPTIONS):
            drawn = [(0.75, 1.3), (0.78, 1.28), (0.75, 1.35), (-0.5, 0.5), (0.0, 0.01)]  # pace, formants, pitch, colour, noise
            yield (voice, sentence, *(round(rng.uniform(*ends), 4) for ends in drawn))


def speak(job):
    """int16 samples at 16 kHz"""
    voice, sentence, stretch, formants, pitch, colour, noise = job
    samples, _ = speech_data.speak((voice, sentence, stretch, formants), "--setf", f"f0_shift={pitch / formants:.3f}")
    sound = samples / 32768
    sound[1:] += colour * sound[:-1]  # lows or highs weaker by up to 9.5 dB
    sound += noise * np.random.default_rng(len(sound)).standard_normal(len(sound)) * np.abs(sound).max()
    return (sound * (np.abs(samples).max() / np.abs(sound).max())).astype(np.int16)


def write(name, rows, samples):
    np.save(data.WORK / "data" / f"more-{name}.npy", samples)
    (data.WORK / "data" / f"more-{name}.json").write_text(json.dumps(rows))
    print(f"{name}: {len(rows)} rows, {samples.size / speech_data.RATE / 3600:.2f} h")


def speech():
    rows, parts, first = [], [], 0
    with Pool() as pool:
        work = list(speech_jobs())
        for job, samples in zip(work, pool.imap(speak, work, chunksize=16)):
            rows.append({"voice": job[0], "text": job[1], "first": first, "count": len(samples)})
            parts.append(samples)
            first += len(samples)
    write("speech", rows, np.concatenate(parts))


def music():
    rows, clips = probes.melodies("more", MELODIES)
    some = [i for i, row in enumerate(rows) if not music_data.held_out(row["instrument"], row["tempo"])]
    write("music", [rows[i] for i in some], (clips[some] * 32767).astype(np.int16))


def load(name):
    """Index rows with their text, and samples (speech) or clips (music) as a memory map."""
    rows = json.loads((data.WORK / "data" / f"more-{name}.json").read_text())
    for row in rows:
        row["text"] = row["text"] if name == "speech" else music_data.caption(row)
    return rows, np.load(data.WORK / "data" / f"more-{name}.npy", mmap_mode="r")


if __name__ == "__main__":
    speech()
    music()
