"""Measures the shipped weights and draws the card's pictures.

    python evaluate.py caption   right nouns and colours, by style and concept   → card/figures.json
    python evaluate.py recon     VAE and whole chain: PSNR, SSIM, noun kept      → card/reconstruction.png
    python evaluate.py paint     sentences painted and read back by agpt itself  → card/paintings.png
    python evaluate.py golden    what tests/nano_golden.rs compares agpt with    → card/golden.json
    python evaluate.py media     the example pictures                            → examples/media

`paint` runs the program at $AGPT (target/release/agpt). Everything else is PyTorch on the weights
of the bundle. $NANO_BUNDLE names the folder of another bundle; its figures go to its own card.
"""

import collections
import json
import os
import subprocess
import sys
import tempfile

import codes
import data
import numpy as np
import text
import torch
import torch.nn.functional as F
from diffusers import PNDMScheduler
from export import BUNDLE
from networks import SCHEDULER, SeedTokenizer, clip_text, llama, pixels_of, unet, vae
from networks import EMPTY_PROMPT
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from train_unet import Conditioner

ROOT = data.HERE.parents[3]
CARD = BUNDLE / "card"
EXAMPLES = {"apple": "redapple", "banana": "banana", "bus": "bus", "cat": "cat", "goat": "goat", "penguin": "penguin", "rocket": "rocket", "sunflower": "sunflower"}


def shipped(model, path, prefix=""):
    state = {k.removeprefix(prefix): v.float() for k, v in load_file(BUNDLE / path).items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(k.startswith(("encoder.", "quant_conv.")) or "position_ids" in k for k in missing), missing
    return model.eval()


class Model:
    def __init__(self):
        self.vocabulary = text.Vocabulary(BUNDLE / "llm" / "tokenizer.json")
        self.llm = shipped(llama(self.vocabulary.size), "llm/model.safetensors")
        self.seed = shipped(SeedTokenizer(), "image_tokenizer/model.safetensors")

    @torch.no_grad()
    def replies(self, rows, most=16):
        """Greedy replies to "Describe this picture." for rows of codes, ids with the end."""
        made = []
        end = self.vocabulary.ids["<eos>"]
        for i in range(0, len(rows), 128):
            ids = torch.tensor([self.vocabulary.caption_prompt(text.CAPTION[0], row) for row in rows[i : i + 128]])
            start = ids.shape[1]
            allowed = torch.full((self.vocabulary.size,), -torch.inf)
            allowed[3 : text.TEXT] = 0
            allowed[end] = 0
            for _ in range(most):
                logits = self.llm(ids).logits[:, -1] + allowed
                ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
                if (ids[:, start:] == end).any(1).all():
                    break
            for row in ids[:, start:].tolist():
                made.append(row[: row.index(end) + 1] if end in row else row)
        return made

    def captions(self, rows):
        return [self.vocabulary.words(ids) for ids in self.replies(rows)]


def noun_and_colour(words):
    parts = words.split(" ", 2)
    return (parts[2], parts[1]) if len(parts) == 3 else ("", "")


def remember(key, value):
    CARD.mkdir(exist_ok=True)
    path = CARD / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    figures[key] = value
    path.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    print(key, json.dumps(value, indent=2))


def caption():
    model = Model()
    plain = lambda keep: codes.Pictures("pictures", keep)
    train = lambda r: r["set"] != data.HELD_OUT_SET and r["noun"]
    known = {noun for noun in data.concepts() if not data.held_out(noun)}
    groups = {
        "seen concepts, training styles": plain(lambda r: train(r) and r["count"] > 1),
        "seen concepts, held-out style": plain(lambda r: r["set"] == data.HELD_OUT_SET and r["noun"] in known),
        "unseen concepts, training styles": plain(lambda r: train(r) and r["count"] == 1),
        "unseen concepts, held-out style": plain(lambda r: r["set"] == data.HELD_OUT_SET and r["noun"] not in known),
    }
    result = {}
    for name, group in groups.items():
        # The icon as it is; the restyled drawings were trained on.
        first = [i for i in range(len(group.which)) if i == 0 or group.icons[i] != group.icons[i - 1]]
        rows = torch.cat([model.seed.encode(group.pixels(first[i : i + 256])) for i in range(0, len(first), 256)])
        said = [noun_and_colour(words) for words in model.captions(rows.tolist())]
        nouns, colours = [group.nouns[i] for i in first], [group.colours[i] for i in first]
        common = collections.Counter(nouns).most_common(1)[0][1]
        result[name] = {
            "pictures": len(first),
            "right noun": round(float(np.mean([a == b for (a, _), b in zip(said, nouns)])), 4),
            "right colour": round(float(np.mean([a == b for (_, a), b in zip(said, colours)])), 4),
            "always the most frequent noun": round(common / len(first), 4),
        }
    result["chance"] = round(1 / len(known), 4)
    result["nouns"] = len(known)
    remember("caption", result)


class Decoder:
    def __init__(self):
        folder = "image_decoder"
        self.unet = shipped(unet(), f"{folder}/unet/diffusion_pytorch_model.safetensors")
        self.vae = shipped(vae(), f"{folder}/vae/diffusion_pytorch_model.safetensors")
        self.factor = json.loads((BUNDLE / folder / "vae/config.json").read_text())["scaling_factor"]
        normal = load_file(BUNDLE / folder / "image_normalizer/diffusion_pytorch_model.safetensors")
        self.conditioner = Conditioner(normal["mean"].float(), normal["std"].float())
        states = clip_text()
        held = load_file(BUNDLE / folder / "text_encoder/model.safetensors")
        own = next(iter(states.state_dict())).startswith("text_model.")
        states.load_state_dict({k if own else k.removeprefix("text_model."): v.float() for k, v in held.items()}, strict=False)
        with torch.no_grad():
            self.states = states.eval()(torch.tensor([EMPTY_PROMPT])).last_hidden_state

    @torch.no_grad()
    def __call__(self, embeds, steps=20, guidance=2.0, seed=0):
        """Embeddings (n, 256) → pictures (n, 3, 64, 64) in -1..1."""
        schedule = PNDMScheduler(**{k: v for k, v in SCHEDULER.items() if k[0] != "_"})
        schedule.set_timesteps(steps)
        n = len(embeds)
        labels = self.conditioner(embeds, torch.zeros(n, dtype=torch.long))
        labels = torch.cat([torch.zeros_like(labels), labels])
        sample = torch.randn(n, 4, 16, 16, generator=torch.Generator().manual_seed(seed))
        for time in schedule.timesteps:
            both = self.unet(torch.cat([sample, sample]), time, self.states.expand(2 * n, -1, -1), class_labels=labels).sample
            without, given = both.chunk(2)
            sample = schedule.step(without + guidance * (given - without), time, sample).prev_sample
        return self.vae.decode(sample / self.factor).sample.clamp(-1, 1)


def psnr(a, b):
    return float((10 * torch.log10(4 / (a - b).square().mean((1, 2, 3)))).mean())


def ssim(a, b):
    """Structural similarity (Wang et al. 2004) in 8 × 8 windows, data range 2."""
    mean = lambda x: F.avg_pool2d(x, 8, 4)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def to_image(x, size=64):
    array = ((x.permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return Image.fromarray(array).resize((size, size), Image.NEAREST)


def recon():
    """The same pictures through the VAE alone and through codes, embedding and diffusion."""
    model, decoder = Model(), Decoder()
    saved = torch.load(data.WORK / "vae.pt", weights_only=True)
    coder = vae().eval()
    coder.load_state_dict(saved["model"])
    groups = {
        "training styles": codes.Pictures("pictures", lambda r: r["set"] != data.HELD_OUT_SET and r["noun"] and r["count"] > 1),
        "held-out style": codes.Pictures("pictures", lambda r: r["set"] == data.HELD_OUT_SET and r["noun"]),
    }
    result, sheet = {}, []
    for name, group in groups.items():
        first = [i for i in range(len(group.which)) if i == 0 or group.icons[i] != group.icons[i - 1]]
        first = first[:: max(1, len(first) // 192)][:192]
        pixels = group.pixels(first)
        with torch.no_grad():
            through = coder.decode(coder.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
        rows = model.seed.encode(pixels)
        drawn = decoder(model.seed.image_embeds(rows))
        again = model.seed.encode(drawn)
        before, after = model.captions(rows.tolist()), model.captions(again.tolist())
        grey = pixels.mean((0, 2, 3), keepdim=True).expand_as(pixels)
        shuffled = drawn.roll(1, 0)
        result[name] = {
            "pictures": len(first),
            "VAE": {"PSNR": round(psnr(pixels, through), 2), "SSIM": round(ssim(pixels, through), 3)},
            "chain": {"PSNR": round(psnr(pixels, drawn), 2), "SSIM": round(ssim(pixels, drawn), 3)},
            "another picture's chain": {"PSNR": round(psnr(pixels, shuffled), 2), "SSIM": round(ssim(pixels, shuffled), 3)},
            "flat mean colour": {"PSNR": round(psnr(pixels, grey), 2), "SSIM": round(ssim(pixels, grey), 3)},
            "same noun read off the chain's picture": round(float(np.mean([noun_and_colour(a)[0] == noun_and_colour(b)[0] for a, b in zip(before, after)])), 4),
        }  # fmt: skip
        picked = list(range(0, len(first), max(1, len(first) // 16)))[:16]
        sheet += [[to_image(x[i]) for i in picked] for x in (pixels, through, drawn)]
    remember("reconstruction", result)
    save_sheet(sheet, CARD / "reconstruction.png")


def save_sheet(rows, path, labels=None, gap=4):
    high = 64 + (gap if labels is None else 14)
    canvas = Image.new("RGB", (len(rows[0]) * (64 + gap), len(rows) * high), "white")
    pen = ImageDraw.Draw(canvas)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            canvas.paste(picture, (x * (64 + gap), y * high))
            if labels:
                pen.text((x * (64 + gap) + 1, y * high + 64), labels[y][x][:11], fill="black")
    CARD.mkdir(exist_ok=True)
    canvas.save(path, optimize=True)


SCENES = ["a red apple", "a green apple", "a yellow banana", "a red heart", "a blue heart", "a yellow star", "an orange cat", "a grey mouse",
          "a brown bear", "a pink pig", "a green frog", "a green turtle", "a blue fish", "a yellow sunflower", "a red rose", "a green tree",
          "a green cactus", "a red mushroom", "a yellow lemon", "a purple grapes", "a red strawberry", "a brown doughnut", "a red car", "a blue car",
          "a yellow taxi", "a red bus", "a grey rocket", "a yellow moon", "a blue drop", "a yellow sun", "a red book", "a blue book",
          "a green book", "a red balloon", "a purple umbrella", "a yellow key", "a brown guitar", "a yellow face", "a grey elephant", "an orange fox"]  # fmt: skip
PAINTINGS = 3  # of each, with other seeds


def agpt(*args):
    """The program, on the model of $NANO_BUNDLE where that is set, else on the one inside of it."""
    program = os.environ.get("AGPT", str(ROOT / "target/release/agpt"))
    model = ["--model", str(BUNDLE)] if "NANO_BUNDLE" in os.environ and args[0] == "run" else []
    return subprocess.run([program, *args, *model], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def paint():
    """The two pipelines, one after the other: what is painted must be read back."""
    pictures, said = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(PAINTINGS):
            for scene in SCENES:
                path = f"{folder}/{seed}-{scene.replace(' ', '-')}.png"
                agpt("run", "pipelines/paint.agpt", "--scene", scene, "--out", path, "--seed", str(seed))
                pictures.append(Image.open(path).convert("RGB").resize((64, 64)))
                said.append(agpt("run", "pipelines/caption.agpt", "--photo", path))
    pairs = [(noun_and_colour(a), noun_and_colour(b)) for a, b in zip(PAINTINGS * SCENES, said)]
    remember("painting, read back", {
        "sentences": len(SCENES), "paintings of each": PAINTINGS, "right noun": round(float(np.mean([a[0] == b[0] for a, b in pairs])), 4),
        "right colour": round(float(np.mean([a[1] == b[1] for a, b in pairs])), 4), "read": dict(zip(SCENES, said)),
    })  # fmt: skip
    rows = [pictures[i : i + 10] for i in range(0, len(SCENES), 10)]
    labels = [[s.split(" ", 1)[1] for s in SCENES[i : i + 10]] for i in range(0, len(SCENES), 10)]
    save_sheet(rows, CARD / "paintings.png", labels)


def golden():
    model = Model()
    images = {}
    for name in sorted(EXAMPLES):
        picture = Image.open(ROOT / "examples/media" / f"{name}.png").convert("RGB").resize((64, 64), Image.BICUBIC)
        row = model.seed.encode(pixels_of(np.asarray(picture)[None]))
        ids = model.replies(row.tolist())[0]
        images[f"{name}.png"] = {
            "codes": row[0].tolist(),
            "prompt_ids": model.vocabulary.caption_prompt(text.CAPTION[0], row[0].tolist()),
            "caption_ids": ids,
            "caption": model.vocabulary.words(ids),
            "image_embeds_first_8": [round(float(v), 5) for v in model.seed.image_embeds(row)[0, :8]],
        }
        print(name, images[f"{name}.png"]["caption"])
    CARD.mkdir(exist_ok=True)
    (CARD / "golden.json").write_text(json.dumps({"instruction": text.CAPTION[0], "images": images}, indent=1) + "\n")


def media():
    icons, _ = data.fetch(*next(s for s in data.SETS if s[0] == data.HELD_OUT_SET))
    for name, icon in EXAMPLES.items():
        picture = data.render(icons["icons"][icon]["body"], icons.get("width", 512), icons.get("height", 512), size=256)
        Image.fromarray(picture).save(ROOT / "examples/media" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    {"caption": caption, "recon": recon, "paint": paint, "golden": golden, "media": media}[sys.argv[1]]()
