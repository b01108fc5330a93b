"""Times `agpt check` of about a thousand lines as a process: python3 benches/check.py target/release/agpt"""
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = """/// Pipeline {i}.
pipeline p{i}(photo: image, n: int = {i}) -> {{ words: text, n: int }} {{
  let words = generate text from caption(photo) {{ semantic: {{ temperature: 0.7 }} }}
  let again = "{{words}} {{n}}"
  return {{ words: again, n: n + 1 }}
}}
"""

program = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "large.agpt")
    text = "use std/tasks { caption }\n\n" + "\n".join(PIPELINE.format(i=i) for i in range(142))
    path.write_text(text)
    times = []
    for _ in range(60):
        begun = time.perf_counter()
        subprocess.run([program, "check", path], check=True, capture_output=True)
        times.append((time.perf_counter() - begun) * 1e3)
lines = text.count("\n")
print(f"{lines} lines: median {statistics.median(times):.1f} ms, "
      f"least {min(times):.1f}, most {max(times):.1f}")
