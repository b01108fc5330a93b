"""What benches/train.rs measures, in PyTorch: transformers' LlamaForCausalLM, f32, on the CPU.

    python benches/train_torch.py [--threads 2] [--steps 5] [--attention sdpa|eager]
"""

import argparse
import resource
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=3596,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        rms_norm_eps=1e-5,
        attn_implementation=options.attention,
    )
    model = LlamaForCausalLM(config).float().train()
    for rows, length in [(8, 512), (16, 192)]:
        size = rows * length
        ids = (torch.arange(size) * 7919 % 3596).view(rows, length)
        walls, users = [], []
        for _ in range(options.steps + 1):
            model.zero_grad()
            user, wall = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
            walls.append(time.perf_counter() - wall)
            users.append(resource.getrusage(resource.RUSAGE_SELF).ru_utime - user)
        # The first step allocates.
        wall, user = min(walls[1:]), min(users[1:])
        print(
            f"{options.attention}, {rows} rows of {length}: {size / wall:.0f} tokens/s, "
            f"{wall:.3f} s wall, {user:.3f} s of CPU (user)"
        )


if __name__ == "__main__":
    main()
