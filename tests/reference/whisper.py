"""Fixtures of Whisper, from transformers' `WhisperFeatureExtractor` and `WhisperForConditionalGeneration`."""

import json

import torch
from common import FIXTURES, randomize, save, waves
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

RATE = 16000
# The ids of single bytes come first, as in the published tokenizer.
LETTERS = 256
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|zh|>", "<|translate|>", "<|transcribe|>",
           "<|notimestamps|>"]  # fmt: skip
TIMES = ["<|0.00|>", "<|0.02|>"]
IDS = {token: LETTERS + place for place, token in enumerate(SPECIAL + TIMES)}


def sound(count, seed):
    """Noise whose loudness changes, with silence at one place."""
    time = torch.arange(count) / RATE
    samples = (0.1 * waves(count, seed=seed) + 0.3 * torch.sin(2 * torch.pi * 440 * time)) * (1 + torch.sin(7 * time)) / 2
    samples[count // 3 : count // 2] = 0
    return samples


def features():
    """Of both numbers of bins; all of a short window, and each hundredth frame of the published length."""
    tensors = {}
    samples = sound(13000, 1)
    tensors["input.samples"] = samples
    for bins in (80, 128):
        extractor = WhisperFeatureExtractor(feature_size=bins, chunk_length=1)
        tensors[f"output.short_{bins}"] = torch.tensor(extractor(samples.numpy(), sampling_rate=RATE).input_features)
        extractor = WhisperFeatureExtractor(feature_size=bins)
        whole = torch.tensor(extractor(samples.numpy(), sampling_rate=RATE).input_features)
        tensors[f"output.long_{bins}"] = whole[:, :, ::100]
    path = FIXTURES / "whisper_features.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    path.chmod(0o644)
    print(f"whisper_features: {path.stat().st_size} bytes")


def tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    assert len(alphabet) == LETTERS
    made = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    from tokenizers import AddedToken

    made.add_special_tokens(SPECIAL)
    made.add_tokens([AddedToken(token, normalized=False) for token in TIMES])
    assert all(made.token_to_id(token) == place for token, place in IDS.items())
    return made


@torch.no_grad()
def network(name, seed, tied):
    config = WhisperConfig(
        vocab_size=len(IDS) + LETTERS, num_mel_bins=16, encoder_layers=2, encoder_attention_heads=4, decoder_layers=2,
        decoder_attention_heads=2, decoder_ffn_dim=40, encoder_ffn_dim=48, d_model=24, max_source_positions=50,
        max_target_positions=40, decoder_start_token_id=IDS["<|startoftranscript|>"], eos_token_id=IDS["<|endoftext|>"],
        pad_token_id=IDS["<|endoftext|>"], bos_token_id=IDS["<|endoftext|>"], tie_word_embeddings=tied,
        attn_implementation="eager",
    )  # fmt: skip
    model = randomize(WhisperForConditionalGeneration(config), seed)
    if tied:
        model.proj_out.weight = model.model.decoder.embed_tokens.weight
    rules = dict(
        decoder_start_token_id=IDS["<|startoftranscript|>"], eos_token_id=IDS["<|endoftext|>"],
        pad_token_id=IDS["<|endoftext|>"], max_length=30, is_multilingual=True,
        lang_to_id={token: IDS[token] for token in ("<|en|>", "<|de|>", "<|zh|>")},
        task_to_id={"translate": IDS["<|translate|>"], "transcribe": IDS["<|transcribe|>"]},
        no_timestamps_token_id=IDS["<|notimestamps|>"],
    )  # fmt: skip
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    samples = sound(12000, seed + 50)
    mels = torch.tensor(extractor(samples.numpy(), sampling_rate=RATE).input_features)
    states = model.model.encoder(mels).last_hidden_state
    ids = torch.randint(0, config.vocab_size, (1, 17), generator=torch.Generator().manual_seed(seed))
    tensors = {
        "input.samples": samples,
        "output.states": states,
        "input.ids": ids,
        "output.logits": model(mels, decoder_input_ids=ids).logits,
    }
    special = [IDS[token] for token in SPECIAL[1:] + TIMES]
    texts = tokenizer()

    def generate(suppress, begin, language, **more):
        model.generation_config = GenerationConfig(
            suppress_tokens=suppress or None, begin_suppress_tokens=begin or None, **(rules | more)
        )
        made = model.generate(mels, language=language, task="transcribe", do_sample=False, num_beams=1)
        return made[0].tolist()

    # Each case forbids what the one before it wrote.
    free = generate([], [], "en")
    cases = [dict(language="en", suppress_tokens=[], begin_suppress_tokens=[], ids=free)]
    first = [free[0]] if free else []
    cases.append(dict(language="de", suppress_tokens=[], begin_suppress_tokens=first))
    cases.append(dict(language="en", suppress_tokens=sorted(set(free)) + special, begin_suppress_tokens=[IDS["<|endoftext|>"]]))
    cases.append(dict(language=None, suppress_tokens=special, begin_suppress_tokens=[]))
    for case in cases:
        case["ids"] = generate(case["suppress_tokens"], case["begin_suppress_tokens"], case["language"])
        text = [place for place in case["ids"] if place < IDS["<|0.00|>"]]
        case["text"] = texts.decode(text, skip_special_tokens=True)
        print(name, case["language"], len(case["ids"]), case["ids"][:8])
    # An end that comes early: an id of the free text ends it.
    early = free[len(free) // 2]
    case = dict(language="en", suppress_tokens=[], begin_suppress_tokens=[], eos_token_id=early)
    case["ids"] = generate([], [], "en", eos_token_id=early)
    print(name, "early", len(case["ids"]))
    cases.append(case)
    weights = dict(model.state_dict())
    if tied:
        weights.pop("proj_out.weight")
    detected = model.detect_language(mels).item()
    save(name, weights, tensors, {
        "config": config.to_dict(), "rules": rules, "preprocessor": extractor.to_dict(),
        "detected": detected, "cases": cases,
    })  # fmt: skip


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    features()
    network("whisper_tied", 3, tied=True)
    network("whisper_untied", 4, tied=False)
    path = FIXTURES / "whisper_tokenizer.json"
    path.write_text(json.dumps(json.loads(tokenizer().to_str())) + "\n")


if __name__ == "__main__":
    main()
