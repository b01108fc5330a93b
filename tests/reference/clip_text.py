"""transformers' CLIPTextModel: last_hidden_state of small networks."""

import torch
from common import randomize, save
from transformers import CLIPTextConfig, CLIPTextModel


@torch.no_grad()
def main():
    for seed, act in enumerate(["gelu", "quick_gelu"]):
        config = CLIPTextConfig(
            vocab_size=99,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=3,
            max_position_embeddings=12,
            hidden_act=act,
            attn_implementation="eager",
        )
        model = randomize(CLIPTextModel(config), seed)
        ids = torch.tensor([[97, 98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [97, 5, 3, 77, 21, 98, 0, 0, 0, 0, 0, 0]])
        states = {k: v for k, v in model.state_dict().items() if "position_ids" not in k}
        # Newer releases drop the prefix that published checkpoints have.
        weights = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in states.items()}
        tensors = {"input.ids": ids, "output.states": model(ids).last_hidden_state}
        save(f"clip_text_{act}", weights, tensors, config.to_dict())


if __name__ == "__main__":
    main()
