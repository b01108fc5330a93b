"""Makes tests/fixtures/media with Pillow, whose results ours are compared with.

Usage: python tests/reference/media_fixtures.py   (needs pillow and numpy)
"""
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "media"
SIZES = [(97, 81), (16, 16), (53, 11), (7, 37), (5, 90), (1, 1), (54, 38)]


def picture(width, height, seed):
    """Gradients, an edge and noise: everything that a resampling kernel can get wrong."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    a = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 7 % 256], -1)
    a[(x + 2 * y) % 9 == 0] = [255, 0, 255]
    a[: height // 3] = rng.integers(0, 256, a[: height // 3].shape)
    return Image.fromarray(a.astype(np.uint8))


def png16(path, values, colour):
    """A 16-bit PNG, which Pillow cannot write in colour."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    source = picture(53, 37, 1)
    source.save(OUT / "resize_source.png")
    for w, h in SIZES:
        source.resize((w, h), Image.BICUBIC).save(OUT / f"resize_{w}x{h}.png")

    base = picture(24, 16, 2)
    base.save(OUT / "rgb.png")
    base.convert("L").save(OUT / "grey.png")
    base.convert("1").save(OUT / "bits.png")
    base.quantize(16).save(OUT / "palette.png")
    base.save(OUT / "lossless.webp", lossless=True)
    smooth = picture(24, 16, 2).resize((6, 4), Image.BOX).resize((48, 32), Image.BICUBIC)
    smooth.save(OUT / "rgb.jpg", quality=95)
    smooth.save(OUT / "progressive.jpg", quality=95, progressive=True)
    smooth.convert("L").save(OUT / "grey.jpg", quality=95)
    smooth.convert("CMYK").save(OUT / "cmyk.jpg", quality=95)
    smooth.save(OUT / "lossy.webp", quality=90)
    for name in ["rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "lossy.webp"]:
        Image.open(OUT / name).convert("RGB").save(OUT / f"{name}.expected.png")
    base.save(OUT / "film.gif", save_all=True, append_images=[base])
    base.save(OUT / "film.png", save_all=True, append_images=[base.convert("L").convert("RGB")])
    base.save(OUT / "film.webp", save_all=True, append_images=[base.convert("L").convert("RGB")], lossless=True)

    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 24).astype(np.uint8), (16, 1)))
    clear = base.copy()
    clear.putalpha(alpha)
    clear.save(OUT / "rgba.png")
    clear.save(OUT / "rgba.webp", lossless=True, exact=True)
    clear.convert("LA").save(OUT / "grey_alpha.png")
    base.quantize(16).save(OUT / "palette_clear.png", transparency=0)
    for name in ["rgba.png", "grey_alpha.png", "palette_clear.png"]:
        image = Image.open(OUT / name).convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        Image.alpha_composite(white, image).convert("RGB").save(OUT / f"{name}.expected.png")

    values = np.asarray(base).astype(np.uint32) * 257
    png16(OUT / "rgb16.png", values, 2)
    png16(OUT / "grey16.png", np.asarray(base.convert("L")).astype(np.uint32) * 257, 0)

    turned = smooth.crop((0, 0, 16, 8))
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        path = OUT / f"exif_{value}.jpg"
        turned.save(path, quality=95, subsampling=0, exif=exif)
        ImageOps.exif_transpose(Image.open(path)).save(OUT / f"exif_{value}.expected.png")


main()
