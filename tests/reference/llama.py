"""transformers' LlamaForCausalLM: logits of a small network."""

import torch
from common import randomize, save
from transformers import LlamaConfig, LlamaForCausalLM

CASES = {
    "llama_grouped": dict(num_key_value_heads=2, tie_word_embeddings=False),
    "llama_tied": dict(num_key_value_heads=4, tie_word_embeddings=True),
}


@torch.no_grad()
def main():
    for seed, (name, options) in enumerate(CASES.items()):
        config = LlamaConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=52,
            num_hidden_layers=2,
            num_attention_heads=4,
            # Far fewer than the ids below: it must be no limit.
            max_position_embeddings=16,
            rms_norm_eps=1e-5,
            attn_implementation="eager",
            **options,
        )
        model = randomize(LlamaForCausalLM(config), seed)
        generator = torch.Generator().manual_seed(100 + seed)
        ids = torch.randint(0, config.vocab_size, (2, 40), generator=generator)
        long = torch.randint(0, config.vocab_size, (1, 300), generator=generator)
        tensors = {
            "input.ids": ids,
            "output.logits": model(ids).logits,
            "input.long": long,
            "output.long": model(long).logits[:, -1],
        }
        weights = {k: v for k, v in model.state_dict().items() if "rotary" not in k}
        if config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)
        save(name, weights, tensors, config.to_dict())


if __name__ == "__main__":
    main()
