"""transformers' CLIPModel, its picture processor (Pillow) and its tokenizer, on a small network."""

import torch
from common import FIXTURES, randomize, save, waves
from judges import TEXTS, folder, save_weights, train, write_json
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

VOCAB = 580
PICTURES = ["rgb.png", "resize_source.png", "resize_97x81.png"]


def config():
    return CLIPConfig(
        text_config=dict(
            vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=20, bos_token_id=VOCAB - 2, eos_token_id=VOCAB - 1, pad_token_id=VOCAB - 1,
        ),
        vision_config=dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=28, patch_size=7,
            hidden_act="gelu",
        ),
        projection_dim=16,
        attn_implementation="eager",
    )


def tokenizer(path):
    start, end = "<|startoftext|>", "<|endoftext|>"
    _, merges = train(CLIPTokenizer(), VOCAB, [])
    # As in the published vocabulary: all bytes, all bytes at the end of a word, merges, and two more.
    letters = sorted(ByteLevel.alphabet())
    merges = merges[: VOCAB - 2 - 2 * len(letters)]
    words = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    vocab = {word: i for i, word in enumerate(words)} | {start: VOCAB - 2, end: VOCAB - 1}
    assert len(vocab) == VOCAB
    made = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=20)
    made._tokenizer.save(str(path / "tokenizer.json"))
    return made


@torch.no_grad()
def main():
    path = folder("clip")
    model = randomize(CLIPModel(config()), 7)
    model.logit_scale.data.fill_(2.5)
    save_weights(model, path / "model.safetensors")
    # Of the texts only the differences from the defaults, as transformers writes it.
    write_json(path / "config.json", model.config.to_diff_dict() | {"model_type": "clip"})
    processor = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor.save_pretrained(path)
    texts = tokenizer(path)

    tensors = {}
    for i, name in enumerate(PICTURES):
        picture = Image.open(FIXTURES.parent / "media" / name).convert("RGB")
        pixels = processor(picture, return_tensors="pt")["pixel_values"]
        out = model.vision_model(pixels)
        embeds = model.visual_projection(out.pooler_output)
        tensors |= {
            f"picture.{i}.pixels": pixels,
            f"picture.{i}.states": out.last_hidden_state,
            f"picture.{i}.pooled": out.pooler_output,
            f"picture.{i}.embeds": embeds / embeds.norm(dim=-1, keepdim=True),
        }
    for i, text in enumerate(TEXTS):
        # Special tokens in a text are text (the published program would end the text there).
        ids = texts(text, truncation=True, max_length=20, split_special_tokens=True, return_tensors="pt")["input_ids"]
        out = model.text_model(ids)
        embeds = model.text_projection(out.pooler_output)
        tensors |= {f"text.{i}.ids": ids, f"text.{i}.pooled": out.pooler_output}
        tensors[f"text.{i}.embeds"] = embeds / embeds.norm(dim=-1, keepdim=True)

    outputs = model(input_ids=tensors["text.0.ids"], pixel_values=tensors["picture.0.pixels"])
    tensors["logits_per_image"] = outputs.logits_per_image
    # Both rules of pooling, on ids of which the end token is not the highest.
    ids = torch.tensor([[3, 50, 7, 411, 9, 50], [579, 1, 50, 2, 0, 0]])
    for name, eos in [("first", 50), ("legacy", 2)]:
        model.text_model.eos_token_id = eos
        tensors[f"pooling.{name}"] = model.text_model(ids).pooler_output
    tensors["pooling.ids"] = ids
    sized = {"size": 20, "crop_size": 33, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}
    picture = Image.open(FIXTURES.parent / "media" / PICTURES[1]).convert("RGB")
    tensors["small.pixels"] = CLIPImageProcessorPil(**sized)(picture, return_tensors="pt")["pixel_values"]
    save("clip", {}, tensors, {"pictures": PICTURES, "texts": TEXTS, "small": sized})


if __name__ == "__main__":
    main()
