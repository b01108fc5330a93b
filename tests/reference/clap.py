"""transformers' ClapModel, its feature extractor and its tokenizer, on small networks."""

import numpy as np
import torch
from common import randomize, save
from judges import TEXTS, folder, music, save_weights, train, write_json
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

VOCAB = 400
RATE = 48_000
LENGTH = 12_000  # a quarter of a second
MELS = 16


def middle(low, high):
    """In place of the draw of a window: agpt takes the middle one."""
    return (high - 1) // 2


np.random.randint = middle
MIDDLE_48K = ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc")


def config(**audio):
    return ClapConfig(
        text_config=dict(
            vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=24, type_vocab_size=1,
        ),
        audio_config=dict(
            num_mel_bins=MELS, spec_size=64, window_size=4, patch_embeds_hidden_size=8, hidden_size=32, depths=[2, 2, 2],
            num_attention_heads=[1, 2, 4],
        )
        | audio,
        projection_dim=16,
        attn_implementation="eager",
    )


def extractor(**other):
    made = ClapFeatureExtractor(
        sampling_rate=RATE, frequency_min=50, frequency_max=14_000, truncation="rand_trunc", **{"padding": "repeatpad"} | other
    )
    made.nb_max_samples = LENGTH
    return made


def tokenizer(path):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocab, merges = train(RobertaTokenizer(), VOCAB, special)
    made = RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=22)
    made._tokenizer.save(str(path / "tokenizer.json"))
    return made


def fill_statistics(model, seed):
    """What batch normalisation has learnt: levels and variances of spectrograms in dB."""
    norm = model.audio_model.audio_encoder.batch_norm
    generator, mels = torch.Generator().manual_seed(seed), len(norm.running_mean)
    norm.running_mean.copy_((torch.randn(mels, generator=generator) * 5 - 40).half().float())
    norm.running_var.copy_((torch.rand(mels, generator=generator) * 300 + 100).half().float())


def network(seed, **audio):
    model = randomize(ClapModel(config(**audio)), seed)
    fill_statistics(model, seed)
    model.logit_scale_a.data.fill_(2.5)
    model.logit_scale_t.data.fill_(2.0)
    return model


def heard(model, features):
    """Every stage of the audio encoder, what is pooled of the last, and the embedding."""
    out = model.audio_model(features, output_hidden_states=True)
    states = {f"stage.{i}": s.flatten(2).transpose(1, 2) for i, s in enumerate(out.hidden_states[1:])}
    embeds = model.audio_projection(out.pooler_output)
    return states | {"pooled": out.pooler_output, "embeds": embeds / embeds.norm(dim=-1, keepdim=True)}


@torch.no_grad()
def main():
    sound = music(15_001, RATE)
    sounds = {"long": sound, "whole": sound[:LENGTH], "short": sound[:5_000], "tiny": sound[2_000:2_300]}

    # The published settings: 64 mels.
    tensors = {"sound": torch.from_numpy(sound).half()}
    for padding in ["repeatpad", "repeat", "pad"]:
        for name, samples in sounds.items():
            if padding == "repeatpad" or name == "short":
                features = extractor(padding=padding)(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
                tensors[f"{padding}.{name}"] = features
    save("clap_features", {}, tensors, {})

    path = folder("clap")
    model = network(11)
    save_weights(model, path / "pytorch_model.bin")
    write_json(path / "config.json", model.config.to_diff_dict() | {"model_type": "clap"})
    features = extractor(feature_size=MELS)
    write_json(path / "preprocessor_config.json", features.to_dict() | {"max_length_s": LENGTH / RATE})
    texts = tokenizer(path)
    tensors = {}
    for name, samples in sounds.items():
        mel = features(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
        tensors[f"{name}.features"] = mel
        tensors |= {f"{name}.{key}": value for key, value in heard(model, mel).items()}
    # The longest spectrogram is not stretched.
    mel = torch.randn((1, 1, 256, MELS), generator=torch.Generator().manual_seed(3)) * 20 - 50
    tensors |= {"full.features": mel} | {f"full.{key}": value for key, value in heard(model, mel).items()}
    for i, text in enumerate(TEXTS):
        # Special tokens in a text are text (the published program would take them for its own).
        ids = texts(text, truncation=True, max_length=22, split_special_tokens=True, return_tensors="pt")["input_ids"]
        out = model.text_model(ids, attention_mask=torch.ones_like(ids))
        embeds = model.text_projection(out.pooler_output)
        tensors |= {f"text.{i}.ids": ids, f"text.{i}.pooled": out.pooler_output}
        tensors[f"text.{i}.embeds"] = embeds / embeds.norm(dim=-1, keepdim=True)
    outputs = model(input_ids=tensors["text.0.ids"], input_features=tensors["long.features"])
    tensors |= {"logits_per_audio": outputs.logits_per_audio, "logits_per_text": outputs.logits_per_text}
    save("clap", {}, tensors, {"texts": TEXTS})

    # Overlapping patches, no norm of patches, queries without bias, one shifted stage.
    other = dict(patch_size=6, enable_patch_layer_norm=False, qkv_bias=False, depths=[2, 1], num_attention_heads=[2, 4], hidden_size=16)
    model = network(12, **other)
    states = {k: v for k, v in model.state_dict().items() if k.startswith("audio_") and "index" not in k}
    mel = tensors["long.features"]
    tensors = {"features": mel} | heard(model, mel)
    save("clap_overlap", states, tensors, model.config.to_diff_dict())


if __name__ == "__main__":
    main()
