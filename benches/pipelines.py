"""Writes docs/pipelines.md: every ready pipeline with its command, its output, its time and its memory.

    cargo build --release && python benches/pipelines.py

Needs GNU time (`/usr/bin/time`) and a machine that does nothing else. The outputs are compared by tests/ready_pipelines.rs.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AGPT = os.environ.get("AGPT", str(ROOT / "target/release/agpt"))
TIMES = 3
PIPELINES = {
    "caption": ("a picture in words", ["--photo", "examples/media/sunflower.png"]),
    "paint": ("words as a picture", ["--scene", "a red apple"]),
    "repaint": ("a picture in words, and the words as a new picture", ["--photo", "examples/media/apple.png"]),
    "transcribe": ("speech in words", ["--recording", "examples/media/apple.wav"]),
    "speak": ("words as speech", ["--words", "a red apple"]),
    "clone-voice": ("words in the voice of a recording", ["--voice", "examples/media/voice.wav", "--words", "a green car"]),
    "compose": ("words as music", ["--mood", "a calm cheerful high piano melody"]),
    "describe-music": ("music in words", ["--piece", "examples/media/melody.wav"]),
    "voice-chat": ("a spoken question, answered aloud", ["--question", "examples/media/question.wav"]),
    "picture-to-music": ("the music that goes with a picture", ["--photo", "examples/media/apple.png"]),
    "music-to-picture": ("the picture that goes with music", ["--piece", "examples/media/melody.wav"]),
    "story": ("a thing told, shown and read aloud, in one reply", ["--topic", "a red apple"]),
}
NOTES = {"clone-voice": "With nano the recording changes little; its card has the measure.\n"}
HEAD = """# Ready pipelines

One file for each task, in [pipelines/](../pipelines). The commands below are real, and so is what stands under them: a test
compares both (tests/ready_pipelines.rs). They run on `nano`, the model inside of the program; with `--model anygpt-base`
the same files are for the public checkpoints. Media go to `out/`, or to where `--out` says.

`agpt run FILE --help` shows a pipeline's parameters. All of them are short: read them, copy them, change them.

"""
TAIL = """
## Time and memory

From start to exit, the best of three, with the peak of resident memory (`python benches/pipelines.py`), release
build, 2 cores of an AMD EPYC, no GPU:

| pipeline | time | memory |
|---|---|---|
"""


def run(name, arguments):
    """What it prints, seconds, MiB; in a folder that has no results yet."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("examples", "pipelines"):
            os.symlink(ROOT / part, Path(folder) / part)
        command = ["/usr/bin/time", "-f", "%e %M", AGPT, "run", f"pipelines/{name}.agpt", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    seconds, kib = done.stderr.strip().splitlines()[-1].split()
    return done.stdout.strip(), float(seconds), int(kib) / 1024


def main():
    sections, rows = [], []
    for name, (what, arguments) in PIPELINES.items():
        runs = [run(name, arguments) for _ in range(TIMES)]
        said, seconds, mib = min(runs, key=lambda one: one[1])
        shown = " ".join(f'"{word}"' if " " in word else word for word in arguments)
        sections.append(f"## {name}: {what}\n\n```sh\nagpt run pipelines/{name}.agpt {shown}\n```\n\n```text\n{said}\n```\n")
        if name in NOTES:
            sections[-1] += "\n" + NOTES[name]
        rows.append(f"| `{name}` | {seconds:.2f} s | {mib:.0f} MiB |")
        print(rows[-1], said.replace("\n", " | "), flush=True)
    (ROOT / "docs/pipelines.md").write_text(HEAD + "\n".join(sections) + TAIL + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
