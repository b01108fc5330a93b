"""The miniature's bundles: the public ones' descriptions with other numbers."""

import json
import re

from sizes import IMAGE, MUSIC, SEED, SOUNDSTORM, SPEECH

# In the published description → in the miniature's. Each must be there once.
CHANGES = [
    (r"codebook_size: 8192, length", f"codebook_size: {IMAGE}, length"),
    (r"codebook_size: 1024\n", f"codebook_size: {SPEECH}\n"),
    (r"codebook_size: 2048\n", f"codebook_size: {MUSIC}\n"),
    # The published program's own schedule, to the letter.
    (r"schedule: paper", "schedule: reference"),
    (r"name: (anygpt-\w+)\n", r"name: miniature-\1\n"),
    (r"description: .*\n", "description: a small AnyGPT with random codecs, in the public formats\n"),
    (r"license: .*\n", "license: CC0-1.0\n"),
]


def write(models, out, kind):
    """`models` is the folder of the public descriptions, `out` the miniature's."""
    text = (models / f"anygpt-{kind}" / "bundle.yaml").read_text()
    text = re.sub(r"\A(#.*\n)+", f"# stdlib/models/anygpt-{kind}/bundle.yaml with small numbers; made by tests/reference/miniature.\n", text)
    for before, after in CHANGES:
        text, count = re.subn(before, after, text)
        assert count == 1, f"{kind}: {before!r} is there {count} times"
    folder = out / kind
    for name, config in {"image_tokenizer": SEED, "soundstorm": SOUNDSTORM}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "bundle.yaml").write_text(text)
