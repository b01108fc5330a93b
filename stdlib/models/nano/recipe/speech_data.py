"""Spoken captions, commands and answers: text-to-speech voices, each utterance spoken a little differently.

Voices are those of flite (Debian package `flite`): slt, rms and kal16 are trained on, awb is held
out. Speaking rate is varied by flite, pitch and timbre together by resampling, so that a voice is
more than one speaker. Sentences with `crc32 % 20 == 0` are held out in all voices.

    python speech_data.py      → $NANO_WORK/data/speech.npy (samples, 16 kHz), speech.json (index)
"""

import json
import random
import subprocess
import tempfile
import wave
import zlib
from multiprocessing import Pool

import data
import dialogue
import music_data
import numpy as np

RATE = 16000
VOICES, HELD_OUT_VOICE = ["slt", "rms", "kal16"], "awb"
PER_VOICE = 3000
def held_out(sentence):
    return zlib.crc32(sentence.encode()) % 20 == 0


def captions():
    nouns = [noun for noun in data.concepts() if not data.held_out(noun)]
    return [data.caption(colour, noun) for noun in nouns for colour in data.COLOURS]


def edges(samples, margin=0.06):
    """First and last sample where silence at both ends is shortened to `margin` seconds."""
    frame = RATE // 100
    loud = np.abs(samples[: len(samples) // frame * frame].astype(np.float32)).reshape(-1, frame).max(1)
    where = np.flatnonzero(loud > 0.02 * loud.max())
    extra = int(margin * 100)
    return max(0, where[0] - extra) * frame, min(len(samples), (where[-1] + 1 + extra) * frame)


def trim(samples):
    first, last = edges(samples)
    return samples[first:last]


def speak(job, *flags):
    """One utterance as int16 samples at 16 kHz, and its phones: [name, end in seconds], …"""
    voice, sentence, stretch, pitch = job
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch * pitch:.3f}", *flags, "-psdur", "-t", sentence, "-o", file.name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        with wave.open(file.name) as read:
            assert read.getframerate() == RATE and read.getnchannels() == 1
            samples = np.frombuffer(read.readframes(read.getnframes()), np.int16)
    # Read faster or slower, which moves pitch and formants; flite has made up for the time.
    at = np.arange(0, len(samples) - 1, pitch)
    samples = np.interp(at, np.arange(len(samples)), samples)
    first, last = edges(samples)
    samples = samples[first:last]
    phones = [[name, round(float(end) / pitch - first / RATE, 3)] for name, end in (part.split(":") for part in printed.split())]
    peak = 0.5 + 0.4 * (zlib.crc32(f"{job}".encode()) % 1000) / 1000
    return (samples * (peak * 32767 / np.abs(samples).max())).astype(np.int16), phones


def jobs():
    rng = random.Random(7)
    vary = lambda: (round(rng.uniform(0.85, 1.15), 3), round(rng.uniform(0.9, 1.12), 3))
    for voice in VOICES:
        for sentence in dialogue.sentences():
            for _ in range(6):
                yield (voice, sentence, *vary())
        for sentence in music_data.captions():
            for _ in range(3):
                yield (voice, sentence, *vary())
        for sentence in rng.sample(captions(), PER_VOICE):
            yield (voice, sentence, *vary())
    for sentence in dialogue.sentences() + rng.sample(music_data.captions(), 40) + rng.sample(captions(), 300):
        yield (HELD_OUT_VOICE, sentence, 1.0, 1.0)


def build():
    rows, parts, first = [], [], 0
    work = list(jobs())
    with Pool() as pool:
        for job, (samples, phones) in zip(work, pool.imap(speak, work, chunksize=16)):
            voice, sentence, stretch, pitch = job
            rows.append({"voice": voice, "pitch": pitch, "text": sentence, "first": first, "count": len(samples), "phones": [p for p in phones if p[1] > 0]})
            parts.append(samples)
            first += len(samples)
    np.save(data.WORK / "data" / "speech.npy", np.concatenate(parts))
    (data.WORK / "data" / "speech.json").write_text(json.dumps(rows))
    seconds = np.array([r["count"] for r in rows]) / RATE
    print(f"{len(rows)} utterances, {seconds.sum() / 3600:.2f} h, {seconds.mean():.2f} s on average, {seconds.max():.2f} s at most")


def load():
    """Index rows and all samples, as a memory map."""
    return json.loads((data.WORK / "data" / "speech.json").read_text()), np.load(data.WORK / "data" / "speech.npy", mmap_mode="r")


if __name__ == "__main__":
    build()
