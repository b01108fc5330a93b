"""The pictures and their words: four icon sets, rendered many times in changed styles.

Everything is made from the npm packages named in SETS and from concepts.txt; nothing is random
that is not seeded. `python data.py` fetches, renders and writes to $NANO_WORK/data.
"""

import colorsys
import io
import json
import os
import random
import re
import tarfile
import urllib.request
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from resvg_py import svg_to_bytes

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("NANO_WORK", "nano-work"))
DATA = WORK / "data"
REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
# name, version, style in words; the last is never trained on.
SETS = [("noto", "1.2.9"), ("noto-v1", "1.2.5"), ("fluent-emoji-flat", "1.2.6"), ("fxemoji", "1.2.2")]
HELD_OUT_SET = "fxemoji"
SIZE = 64
VARIANTS = int(os.environ.get("NANO_VARIANTS", "40"))  # renderings of each icon of a training set
TIDY = 13  # renderings of each icon that has words, in other colours only: what is painted
LEFT_OUT = {"Flags", "People & Body"}  # categories that are not even used without words
SKIN = re.compile(r"-(light|medium|dark|medium-light|medium-dark)(-skin-tone)?(-|$)")


def held_out(noun):
    """One concept in twenty is never trained on, in any style."""
    return zlib.crc32(noun.encode()) % 20 == 0


def concepts():
    """noun → (icons of the training sets, icons of fxemoji)."""
    table = {}
    for line in (HERE / "concepts.txt").read_text().splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        left, _, fx = line.partition("|")
        noun, _, icons = left.partition("=")
        noun = noun.strip()
        table[noun] = (icons.split() or [noun.replace(" ", "-")], fx.split() or [noun.replace(" ", "")])
    return table


def fetch(name, version):
    folder = WORK / "icons" / f"iconify-json-{name}-{version}"
    if not (folder / "icons.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        url = f"{REGISTRY}/@iconify-json/{name}/-/{name}-{version}.tgz"
        with urllib.request.urlopen(url) as reply:
            archive = tarfile.open(fileobj=io.BytesIO(reply.read()))
        for wanted in ["icons.json", "metadata.json", "info.json"]:
            (folder / wanted).write_bytes(archive.extractfile(f"package/{wanted}").read())
    icons = json.loads((folder / "icons.json").read_text())
    categories = json.loads((folder / "metadata.json").read_text()).get("categories", {})
    return icons, {icon: category for category, names in categories.items() for icon in names}


# ---- pictures -----------------------------------------------------------------------------

COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b")
GRADIENT = re.compile(r"<(linear|radial)Gradient\b(.*?)</\1Gradient>", re.S)
SHAPE = re.compile(r"<(path|circle|ellipse|rect|polygon)\b[^>]*?/>")


def parse(colour):
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(2 * d for d in digits)
    return [int(digits[i : i + 2], 16) for i in (0, 2, 4)]


def shift(rng, body, amount, often=0.3):
    """All colours moved together in hue, saturation and value, and a little apart."""
    hue = rng.uniform(-1, 1) * amount * (0.5 if rng.random() < often else 0.04)
    sat, val, gamma = (rng.uniform(1 - amount * 0.45, 1 + amount * 0.45) for _ in range(3))
    moved = {}

    def move(match):
        colour = match.group().lower()
        if colour not in moved:
            h, s, v = colorsys.rgb_to_hsv(*[c / 255 for c in parse(colour)])
            h = (h + hue + rng.gauss(0, 0.012 * amount)) % 1
            s = min(1, max(0, s * sat + rng.gauss(0, 0.06 * amount) * (s > 0.05)))
            v = min(1, max(0, v**gamma * (1 + (val - 1) * 0.5) + rng.gauss(0, 0.06 * amount)))
            moved[colour] = "#%02x%02x%02x" % tuple(round(255 * c) for c in colorsys.hsv_to_rgb(h, s, v))
        return moved[colour]

    return COLOUR.sub(move, body)


def flatten(body):
    """Gradients become one of their colours: the look of flat sets."""
    for match in GRADIENT.finditer(body):
        name = re.search(r'id="([^"]+)"', match.group(2))
        stops = COLOUR.findall(match.group(2))
        if name and stops:
            body = body.replace(f"url(#{name.group(1)})", stops[len(stops) // 2])
    return body


def restyle(rng, body, width, height):
    """A changed drawing of the same thing."""
    amount = rng.choice([0.3, 0.7, 1.0, 1.3])
    body = shift(rng, body, amount)
    if rng.random() < 0.5:
        body = flatten(body)
    shapes = list(SHAPE.finditer(body))
    if len(shapes) > 5 and rng.random() < 0.5:  # details go
        share = rng.uniform(0.03, 0.25)
        longest = max(len(s.group()) for s in shapes)
        body = SHAPE.sub(
            lambda s: "" if len(s.group()) < 0.6 * longest and rng.random() < share else s.group(), body
        )
    if rng.random() < 0.35:  # an outline around every shape
        tone = rng.choice(["#000", "#333", "#fff", "#5b3a1e", "#1d3557"])
        body = f'<g stroke="{tone}" stroke-width="{rng.uniform(0.005, 0.03) * width:.2f}">{body}</g>'
    cx, cy = width / 2, height / 2
    scale = rng.uniform(0.72, 1.12)
    flip = -1 if rng.random() < 0.5 else 1
    sx, sy = scale * rng.uniform(0.85, 1.18) * flip, scale * rng.uniform(0.85, 1.18)
    angle = rng.gauss(0, 12)
    dx, dy = rng.uniform(-0.08, 0.08) * width, rng.uniform(-0.08, 0.08) * height
    place = f"translate({cx + dx:.2f} {cy + dy:.2f}) rotate({angle:.1f}) skewX({rng.gauss(0, 6):.1f}) scale({sx:.3f} {sy:.3f}) translate({-cx} {-cy})"
    ground = "#ffffff" if rng.random() < 0.8 else "#%02x%02x%02x" % tuple(rng.randint(200, 255) for _ in range(3))
    return f'<g transform="{place}">{body}</g>', ground


def render(body, width, height, ground="#ffffff", size=SIZE):
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{size}" height="{size}" viewBox="0 0 {width} {height}">'
        f'<rect width="{width}" height="{height}" fill="{ground}"/>{body}</svg>'
    )
    png = svg_to_bytes(svg_string=svg, width=size, height=size)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


# ---- words --------------------------------------------------------------------------------

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white"]


def colour_names(pixels):
    """(n, 3) bytes → indices into COLOURS, by hue, saturation and value."""
    rgb = pixels.astype(np.float32) / 255
    value, low = rgb.max(1), rgb.min(1)
    chroma = value - low
    sat = chroma / np.maximum(value, 1e-6)
    r, g, b = rgb.T
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(value == r, ((g - b) / safe) % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    name = np.full(len(rgb), 0)
    for limit, index in [(14, 0), (43, 1), (68, 2), (165, 3), (258, 4), (300, 5), (342, 6), (361, 0)][::-1]:
        name[hue < limit] = index
    name[(name == 0) & (value > 0.75) & (sat < 0.55)] = 6  # light red
    name[((name == 1) | (name == 0)) & (value < 0.66) & (sat < 0.85)] = 7  # dark orange
    name[(name == 2) & (value < 0.55)] = 3
    name[(sat < 0.16) | ((sat < 0.3) & (hue > 170) & (hue < 260))] = 9  # the blue greys of icons
    name[(sat < 0.12) & (value > 0.88)] = 10
    name[(value < 0.24)] = 8
    return name


def main_colour(picture, ground):
    """The colour that covers most of a picture; white and black only if little else is there."""
    pixels = picture.reshape(-1, 3)
    drawn = np.abs(pixels.astype(int) - ground).max(1) > 12
    pixels = pixels[drawn]
    if len(pixels) < 20:
        return "white"
    counts = np.bincount(colour_names(pixels), minlength=len(COLOURS)).astype(float)
    counts[10] *= 0.5  # light on things is often white
    counts[8] *= 0.6  # and outlines are often black
    return COLOURS[int(counts.argmax())]


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def caption(colour, noun):
    return article(f"{colour} {noun}")


# ---- the table ----------------------------------------------------------------------------


def icons():
    """Every picture: (set, icon, body, width, height, noun or '', class)."""
    table = concepts()
    of_icon = {icon: noun for noun, (train, _) in table.items() for icon in train}
    of_fx = {icon: noun for noun, (_, fx) in table.items() for icon in fx}
    for name, version in SETS:
        data, category = fetch(name, version)
        for icon, entry in sorted(data["icons"].items()):
            noun = (of_fx if name == HELD_OUT_SET else of_icon).get(icon, "")
            if not noun and (name == HELD_OUT_SET or SKIN.search(icon) or category.get(icon) in LEFT_OUT):
                continue
            width = entry.get("width", data.get("width", 16))
            height = entry.get("height", data.get("height", 16))
            left, top = entry.get("left", 0), entry.get("top", 0)
            body = entry["body"] if not left and not top else f'<g transform="translate({-left} {-top})">{entry["body"]}</g>'
            yield name, icon, body, width, height, noun


def draw(job):
    """All variants of one icon, the first as it is; a negative number asks for tidy ones."""
    name, icon, body, width, height, variants = job
    rng = random.Random(zlib.crc32(f"{name}/{icon}".encode()))
    pictures, colours = [], []
    for variant in range(abs(variants)):
        changed, ground = body, "#ffffff"
        if variant > 0 and variants < 0:  # tidy
            changed = shift(rng, body, 1.0, often=0.7)
        elif variant > 0:
            changed, ground = restyle(rng, body, width, height)
        picture = render(changed, width, height, ground)
        pictures.append(picture)
        colours.append(COLOURS.index(main_colour(picture, np.array(parse(ground)))))
    return np.stack(pictures), colours


def save(path, array):
    """Whole or not at all: a training may be reading the old file."""
    part = path.with_suffix(".part.npy")
    np.save(part, array)
    part.replace(path)


def write(stem, rows, counts):
    """stem.npy (n, 64, 64, 3), stem.colours.npy (n,), and where each icon's pictures are."""
    index, pictures, colours = [], [], []
    jobs = [(*row[:5], count) for row, count in zip(rows, counts)]
    with ProcessPoolExecutor() as pool:
        for (name, icon, *_, noun), (drawn, names) in zip(rows, pool.map(draw, jobs, chunksize=16)):
            index.append({"set": name, "icon": icon, "noun": noun, "first": len(colours), "count": len(names)})
            pictures.append(drawn)
            colours += names
    save(DATA / f"{stem}.npy", np.concatenate(pictures))
    save(DATA / f"{stem}.colours.npy", np.array(colours, dtype=np.uint8))
    (DATA / f"{stem}.json").write_text(json.dumps(index))
    print(f"{stem}: {len(index)} icons, {sum(r['count'] > 1 for r in index)} trained on, {len(colours)} pictures")


def build():
    DATA.mkdir(parents=True, exist_ok=True)
    rows = list(icons())
    trained = [row[0] != HELD_OUT_SET and not (row[5] and held_out(row[5])) for row in rows]
    write("pictures", rows, [VARIANTS if kept else 1 for kept in trained])
    named = [row for row, kept in zip(rows, trained) if kept and row[5]]
    write("tidy", named, [-TIDY] * len(named))


def load(stem="pictures"):
    """(index, pictures (n, 64, 64, 3) uint8, colours (n,))"""
    index = json.loads((DATA / f"{stem}.json").read_text())
    return index, np.load(DATA / f"{stem}.npy", mmap_mode="r"), np.load(DATA / f"{stem}.colours.npy")


if __name__ == "__main__":
    build()
