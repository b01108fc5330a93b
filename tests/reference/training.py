"""transformers' LlamaForCausalLM: losses of packed rows, and the gradients of all weights."""

import torch
from common import randomize, save
from transformers import LlamaConfig, LlamaForCausalLM

CASES = {
    "training_grouped": dict(num_key_value_heads=2, tie_word_embeddings=False),
    "training_tied": dict(num_key_value_heads=4, tie_word_embeddings=True),
}

# The samples of each row; what is left of a row is padding.
ROWS = [[5, 9, 8], [11, 3], [22]]
LENGTH = 22


def layout(sample):
    """(segments, positions, which keys each query sees); `sample` keeps samples apart."""
    segments = torch.zeros(len(ROWS), LENGTH, dtype=torch.long)
    positions = torch.arange(LENGTH).repeat(len(ROWS), 1)
    for row, lengths in enumerate(ROWS):
        start = 0
        for number, length in enumerate(lengths, 1):
            segments[row, start : start + length] = number
            if sample:
                positions[row, start : start + length] = torch.arange(length)
            start += length
    seen = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril().repeat(len(ROWS), 1, 1)
    if sample:
        seen = seen & (segments[:, :, None] == segments[:, None, :])
    return segments, positions, seen


def main():
    for seed, (name, options) in enumerate(CASES.items()):
        config = LlamaConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=44,
            num_hidden_layers=2,
            num_attention_heads=4,
            rms_norm_eps=1e-5,
            attn_implementation="eager",
            **options,
        )
        model = randomize(LlamaForCausalLM(config), 40 + seed)
        generator = torch.Generator().manual_seed(140 + seed)
        ids = torch.randint(0, config.vocab_size, (len(ROWS), LENGTH), generator=generator)
        counted = torch.rand(len(ROWS), LENGTH, generator=generator) < 0.7
        counted[:, 0] = False
        segments, _, _ = layout(False)
        counted &= segments != 0
        upstream = torch.randn(int(counted.sum()), generator=generator)
        tensors = {
            "input.ids": ids,
            "input.counted": counted.long(),
            "input.segments": segments,
            "input.upstream": upstream,
        }
        for mode in ["sequence", "sample"]:
            _, positions, seen = layout(mode == "sample")
            mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
            model.zero_grad()
            output = model(input_ids=ids, attention_mask=mask[:, None], position_ids=positions)
            losses = torch.nn.functional.cross_entropy(
                output.logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none"
            )[counted[:, 1:]]
            # Each loss with a weight of its own, so that no error cancels.
            (losses * upstream).sum().backward()
            tensors[f"{mode}.losses"] = losses.detach()
            for key, parameter in model.named_parameters():
                tensors[f"{mode}.gradient.{key}"] = parameter.grad.clone()
        weights = {k: v for k, v in model.state_dict().items() if "rotary" not in k}
        if config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)
        save(name, weights, tensors, config.to_dict())


if __name__ == "__main__":
    main()
