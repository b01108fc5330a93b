"""agpt on a GPU: is it right, how fast is it, and how fast is PyTorch on the same card.

    cargo build --release --features cuda
    python benches/gpu/compare.py --agpt target/release/agpt --device cuda:0 > figures.md

1. Every ready pipeline on nano, on the processor and on the device: times, and whether the tokens are the same
   (they are where a reply is greedy or the scores agree to the last draw; the table says where not).
2. A language model of the public size, all zero (tests/reference/sparse_llm.py), in f16, bf16, q8_0 and q4_k:
   seconds to load, tokens a second after a prompt of some length, peak memory of the process and of the device.
3. The same network in PyTorch (transformers) in f16, on the same device, in the same run.

PyTorch and transformers are needed for 3 and for the zeros; without them 1 still runs (--only nano).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = {
    "caption": ["--photo", "examples/media/sunflower.png"], "paint": ["--scene", "a red apple"], "repaint": ["--photo", "examples/media/sunflower.png"],
    "transcribe": ["--recording", "examples/media/apple.wav"], "speak": ["--words", "a red apple"], "compose": ["--mood", "a calm cheerful high flute melody"],
    "describe-music": ["--piece", "examples/media/melody.wav"], "voice-chat": ["--question", "examples/media/question.wav"], "story": ["--topic", "a red apple"],
}  # fmt: skip


def run(agpt, file, arguments, *options):
    """The JSON of a run, its seconds and its largest resident size."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        done = subprocess.run([agpt, "run", str(file), *arguments, "--json", "--out", folder, *options], cwd=ROOT, capture_output=True, text=True)
        seconds = time.time() - begun
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), seconds


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def nano(agpt, device):
    print("\n## nano\n")
    row("pipeline", "cpu, s", f"{device}, s", "same tokens")
    row(*["---"] * 4)
    for name, arguments in PIPELINES.items():
        file = f"pipelines/{name}.agpt"
        ids = lambda result: [reply["ids"] for reply in result["generated"]]
        here, slow = run(agpt, file, arguments, "--device", "cpu")
        run(agpt, file, arguments, "--device", device)  # the first use of a device compiles and warms up
        there, fast = run(agpt, file, arguments, "--device", device)
        row(name, f"{slow:.2f}", f"{fast:.2f}", "yes" if ids(here) == ids(there) else "no")


def memory(device):
    """What the card has in use, in GB, by the driver."""
    number = device.partition(":")[2] or "0"
    command = ["nvidia-smi", f"--id={number}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def zeros(agpt, device, new_tokens):
    print("\n## 6.9 thousand million parameters\n")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "zeros"
        script = ROOT / "tests/reference/sparse_llm.py"
        subprocess.run([sys.executable, script, "--nano", ROOT / "stdlib/models/nano", "--out", bundle], check=True, stdout=subprocess.DEVNULL)
        manifest = (bundle / "bundle.yaml").read_text().replace("max_tokens: 16", f"max_tokens: {new_tokens}")
        (bundle / "bundle.yaml").write_text(manifest)
        row("program", "precision", "whole command, s", f"{new_tokens} tokens, s", "tokens/s", "weights and context, GB")
        row(*["---"] * 6)
        kinds = ["q8_0", "q4_k"] if device == "cpu" else ["f16", "bf16", "q8_0", "q4_k"]
        for kind in kinds:
            result, seconds = run(agpt, bundle / "say.agpt", ["--words", "hello " * 50], "--model", str(bundle), "--device", device, "--dtype", kind)
            reply = result["generated"][0]
            loaded = sum(event["bytes"] for event in result["components"] if "loaded" in event)
            row("agpt", kind, f"{seconds:.1f}", f"{reply['seconds']:.2f}", f"{len(reply['ids']) / reply['seconds']:.1f}", f"{loaded / 1e9:.2f}")


def torch_zeros(device, new_tokens):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=53516, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, rms_norm_eps=1e-5)
    torch.set_default_dtype(torch.float16)
    with torch.device(device):
        model = LlamaForCausalLM(config).eval()
    ids = torch.randint(3, 1000, (1, 60), device=device)
    for length in (8, new_tokens):
        torch.cuda.synchronize()
        begun = time.time()
        with torch.no_grad():
            model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=length, min_new_tokens=length, do_sample=False, pad_token_id=0)
        torch.cuda.synchronize()
        seconds = time.time() - begun
    row("PyTorch", "f16", "", f"{seconds:.2f}", f"{new_tokens / seconds:.1f}", f"{torch.cuda.max_memory_allocated() / 1e9:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agpt", default=str(ROOT / "target/release/agpt"))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--only", choices=["nano", "zeros"])
    args = parser.parse_args()
    agpt = str(Path(args.agpt).resolve())
    if args.device.startswith("cuda"):
        name = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True)
        print(name.stdout.strip(), f"({memory(args.device):.1f} GB in use before)")
    if args.only != "zeros":
        nano(agpt, args.device)
    if args.only != "nano":
        zeros(agpt, args.device, args.new_tokens)
        if args.device.startswith("cuda"):
            torch_zeros(args.device, args.new_tokens)
    print(f"\nlargest resident size of a command: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
