"""Two-second melodies with captions that are true by construction.

A seeded generator walks up and down a scale; fluidsynth plays it with the instruments of the
FluidR3 GM sound font (Debian packages `fluidsynth` and `fluid-soundfont-gm`, MIT). Pairs of
instrument and tempo with `crc32 % 12 == 0` are held out.

    python music_data.py       → $NANO_WORK/data/music.npy (clips × samples, 16 kHz), music.json
"""

import itertools
import json
import random
import subprocess
import tempfile
import wave
import zlib
from multiprocessing import Pool
from pathlib import Path

import data
import mido
import numpy as np

RATE, SECONDS, SPACING = 16000, 2.0, 3.0
FONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
# General MIDI programs, and the lowest note of the low and of the high register.
INSTRUMENTS = {"piano": (0, 48, 72), "harp": (46, 48, 72), "marimba": (12, 48, 72), "organ": (19, 48, 72), "accordion": (21, 53, 72), "guitar": (24, 45, 64),
               "violin": (40, 55, 76), "cello": (42, 36, 55), "trumpet": (56, 54, 70), "saxophone": (65, 49, 66), "clarinet": (71, 50, 70), "flute": (73, 60, 79)}  # fmt: skip
TEMPI = {"slow": 0.5, "calm": 0.25, "fast": 0.125}
MODES = {"cheerful": [0, 2, 4, 5, 7, 9, 11], "sad": [0, 2, 3, 5, 7, 8, 10]}
REGISTERS = ["low", "high"]
PER_KIND = 28


def held_out(instrument, tempo):
    return zlib.crc32(f"{instrument} {tempo}".encode()) % 12 == 0


def caption(row):
    return f"a {row['tempo']} {row['mode']} {row['register']} {row['instrument']} melody"


def captions():
    """Every caption there is."""
    return [caption(row) for row in kinds(INSTRUMENTS)]


def kinds(instruments):
    names = ("instrument", "tempo", "mode", "register")
    return [dict(zip(names, row)) for row in itertools.product(instruments, TEMPI, MODES, REGISTERS)]


def melody(rng, row):
    """(start, length, note, loudness) of each note, in seconds"""
    program, low, high = INSTRUMENTS[row["instrument"]]
    root = (low if row["register"] == "low" else high) + rng.randrange(8)
    scale, beat = MODES[row["mode"]], TEMPI[row["tempo"]]
    degree, at, notes = rng.choice([0, 2, 4, 7]), 0.0, []
    while at < SECONDS - 0.01:
        length = min(beat * rng.choice([1, 1, 1, 1, 2]), SECONDS - at)
        note = root + 12 * (degree // 7) + scale[degree % 7]
        notes.append((at, length * 0.95, note, rng.randint(80, 112)))
        at += length
        # The third and sixth make the mode heard, so the walk likes to be there.
        degree = max(-2, min(9, degree + rng.choice([-2, -1, -1, 1, 1, 2, rng.choice([-4, 4])])))
    return notes


def play(instrument):
    """All clips of an instrument, played in one go."""
    rng = random.Random(zlib.crc32(instrument.encode()))
    rows = [dict(row) for row in kinds([instrument]) for _ in range(PER_KIND)]
    rng.shuffle(rows)
    program = INSTRUMENTS[instrument][0]
    ticks = 1000  # a beat of one second
    events = []
    for index, row in enumerate(rows):
        for start, length, note, loud in melody(rng, row):
            begin = index * SPACING + start
            events += [(begin, 1, note, loud), (begin + length, 0, note, 0)]
    events.sort()
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000), mido.Message("program_change", program=program)])
    now = 0
    for at, on, note, loud in events:
        tick = round(at * ticks)
        track.append(mido.Message("note_on" if on else "note_off", note=note, velocity=loud, time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=3 * ticks))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        mido.MidiFile(ticks_per_beat=ticks, tracks=[track]).save(folder / "all.mid")
        command = ["fluidsynth", "-ni", "-q", "-g", "0.6", "-R", "0", "-C", "0", "-r", str(RATE), "-T", "wav", "-F", str(folder / "all.wav"), FONT, str(folder / "all.mid")]
        subprocess.run(command, check=True, capture_output=True)
        with wave.open(str(folder / "all.wav")) as read:
            assert read.getframerate() == RATE and read.getnchannels() == 2
            samples = np.frombuffer(read.readframes(read.getnframes()), np.int16).reshape(-1, 2).astype(np.float32).mean(1)
    clips = np.zeros((len(rows), int(RATE * SECONDS)), np.int16)
    for index, row in enumerate(rows):
        first = round(index * SPACING * RATE)
        cut = samples[first : first + clips.shape[1]]
        clips[index, : len(cut)] = cut * (0.7 * 32767 / max(1.0, np.abs(cut).max()))
    return rows, clips


def build():
    with Pool() as pool:
        parts = pool.map(play, INSTRUMENTS, chunksize=1)
    rows = [row for made, _ in parts for row in made]
    clips = np.concatenate([clips for _, clips in parts])
    np.save(data.WORK / "data" / "music.npy", clips)
    (data.WORK / "data" / "music.json").write_text(json.dumps(rows))
    pairs = {(r["instrument"], r["tempo"]) for r in rows if held_out(r["instrument"], r["tempo"])}
    print(f"{len(rows)} clips, {len(rows) * SECONDS / 3600:.2f} h; held out: {sorted(pairs)}; silent: {(np.abs(clips).max(1) < 300).sum()}")


def load():
    """Index rows with their captions, and clips as a memory map."""
    rows = json.loads((data.WORK / "data" / "music.json").read_text())
    for row in rows:
        row["text"] = caption(row)
        row["held_out"] = held_out(row["instrument"], row["tempo"])
    return rows, np.load(data.WORK / "data" / "music.npy", mmap_mode="r")


if __name__ == "__main__":
    build()
