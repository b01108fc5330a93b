"""Pairs as datasets on the hub have them: a Parquet file for each codec, in two row groups.

    python -m venv parquet && parquet/bin/pip install pyarrow==26.0.1
    parquet/bin/python parquet.py        → tests/fixtures/data/pairs-{snappy,zstd,gzip}.parquet
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/fixtures/data"
PICTURES = [("a red apple", "apple"), ("a yellow banana", "banana"), ("no picture", None)]

OUT.mkdir(parents=True, exist_ok=True)
media = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
bytes_of = lambda name: (ROOT / f"examples/media/{name}.png").read_bytes() if name else b"none of the formats"
table = pa.table({
    "image_id": pa.array([7, 8, 9], pa.int64()),
    "caption": pa.array([words for words, _ in PICTURES]),
    "image": pa.array([{"bytes": bytes_of(name), "path": f"{name}.png"} for _, name in PICTURES], media),
})  # fmt: skip
for codec in ("snappy", "zstd", "gzip"):
    pq.write_table(table, OUT / f"pairs-{codec}.parquet", compression=codec, row_group_size=2)
