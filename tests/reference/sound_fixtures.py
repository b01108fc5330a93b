"""Makes tests/fixtures/sound with libsndfile, whose decoding ours is compared with.

Usage: python tests/reference/sound_fixtures.py   (needs soundfile and numpy)
"""

from pathlib import Path

import numpy as np
import soundfile

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "sound"


def tone(rate, seconds, hertz, loud=0.5):
    time = np.arange(int(rate * seconds)) / rate
    return loud * np.sin(2 * np.pi * hertz * time) * np.minimum(1, time * 100)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    mono = tone(16000, 0.1, 440)
    stereo = np.stack([tone(22050, 0.2, 330), tone(22050, 0.2, 550, 0.25)], 1)
    write = lambda name, data, rate, **how: soundfile.write(OUT / name, data, rate, **how)
    for kind in ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]:
        write(f"mono_{kind.lower()}.wav", mono, 16000, subtype=kind)
    write("stereo.wav", stereo, 22050, subtype="PCM_16")
    write("extensible.wav", stereo[:1000], 22050, subtype="PCM_16", format="WAVEX")
    write("six.wav", np.repeat(mono[:, None], 6, 1) * [1, 1, 1, 1, 1, -1], 48000, subtype="PCM_16")
    write("stereo.flac", stereo, 22050)
    write("stereo.ogg", stereo, 22050, format="OGG", subtype="VORBIS")
    write("stereo.mp3", stereo, 22050, format="MP3")
    write("silence.wav", np.zeros(1600), 16000)
    write("nothing.wav", np.zeros(0), 16000)
    write("loud.wav", mono * 8, 16000, subtype="FLOAT")
    broken = mono[:400].astype(np.float32)
    broken[160] = np.nan
    write("nan.wav", broken, 16000, subtype="FLOAT")
    write("opus.ogg", stereo, 24000, format="OGG", subtype="OPUS")
    for name in ["stereo.ogg", "stereo.mp3"]:
        data, rate = soundfile.read(OUT / name, dtype="float32")
        soundfile.write(OUT / f"{name}.expected.wav", data.mean(1), rate, subtype="FLOAT")


if __name__ == "__main__":
    main()
