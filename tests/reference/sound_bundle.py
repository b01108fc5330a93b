"""A whole bundle with speech and music and random weights: tests/fixtures/bundle/sound.

Its replies mean nothing, but every step from a sound file to a sound file runs.
"""

import importlib
import json
import sys

import torch
from common import FIXTURES, half, randomize, waves
from safetensors.torch import save_file
from speechtokenizer import SpeechTokenizer
from transformers import EncodecConfig, EncodecModel, LlamaConfig, LlamaForCausalLM

OUT = FIXTURES.parent / "bundle" / "sound"
TINY = FIXTURES.parent / "bundle" / "tiny" / "llm" / "tokenizer.json"
TEXT, SPEECH, MUSIC = 420, 16, (4, 8)
MANIFEST = """# Random weights; made by tests/reference/sound_bundle.py.
format: 1
name: sound
license: CC0-1.0
components:
  llm: { architecture: llama, path: llm }
  tokenizers:
    speech: { architecture: speech-tokenizer, path: speech_tokenizer }
    music: { architecture: encodec, path: music_codec }
  detokenizers:
    speech: { architecture: soundstorm, path: soundstorm }
    music: { architecture: encodec, path: music_codec }
vocabulary:
  tokenizer: llm/tokenizer.json
  media:
    speech:
      { prefix: "🗣️", start: <sosp>, end: <eosp>, codebook_size: 16, length: { frames_per_second: 50 } }
    music:
      prefix: "🎶"
      start: <somu>
      end: <eomu>
      codebook_size: 8
      codebooks: 4
      length: { frames_per_second: 50 }
prompt:
  begin: <s>
  user: { before: "[Human]: ", after: <eoh> }
  assistant: { before: " [MMGPT]:", lead: " ", after: <eos> }
  between: "\\n"
  stop: [<eos>, </s>]
context: 512
sampling:
  text: { max_tokens: 8 }
  speech: { max_tokens: 20 }
  music: { max_tokens: 40 }
"""


def write(folder, config, state):
    (OUT / folder).mkdir(parents=True, exist_ok=True)
    (OUT / folder / "config.json").write_text(json.dumps(config) + "\n")
    drop = ("embed_avg", "cluster_size", "inited", "rotary_emb.inv_freq")
    file = OUT / folder / "model.safetensors"
    save_file(half({k: v for k, v in state.items() if not k.endswith(drop)}), file)
    file.chmod(0o644)
    print(folder, file.stat().st_size)


def main():
    tokenizer = json.loads(TINY.read_text())
    names = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"]
    names += [f"<🗣️{n}>" for n in range(SPEECH)] + ["<sosp>", "<eosp>"]
    names += [f"<🎶{n}>" for n in range(MUSIC[0] * MUSIC[1])] + ["<somu>", "<eomu>"]
    first = tokenizer["added_tokens"][:3]
    tokenizer["added_tokens"] = first + [dict(first[0], id=TEXT + i, content=name, special=False) for i, name in enumerate(names)]
    llama = LlamaConfig(
        vocab_size=TEXT + len(names), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        tie_word_embeddings=False, max_position_embeddings=512,
    )  # fmt: skip
    write("llm", llama.to_dict(), randomize(LlamaForCausalLM(llama), 1).state_dict())
    (OUT / "llm" / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n")

    speech = {
        "n_filters": 2, "strides": [8, 5, 4, 2], "dimension": 16, "semantic_dimension": 16, "bidirectional": True, "dilation_base": 2,
        "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 1, "activation": "Snake", "codebook_size": SPEECH, "n_q": 3,
        "sample_rate": 16000,
    }  # fmt: skip
    codec = randomize(SpeechTokenizer(speech), 2)
    for layer in codec.quantizer.vq.layers:
        layer._codebook.embed.copy_(0.3 * waves(SPEECH, 16, seed=3))
    write("speech_tokenizer", speech, codec.state_dict())

    storm = {
        "dim": 16, "depth": 1, "heads": 2, "dim_head": 8, "ff_mult": 2, "conv_expansion_factor": 2, "conv_kernel_size": 5,
        "num_quantizers": 2, "codebook_size": SPEECH,
    }  # fmt: skip
    sys.path.insert(0, str(FIXTURES.parents[2] / "stdlib/models/nano/recipe"))
    network = importlib.import_module("soundstorm").SoundStorm(storm)
    write("soundstorm", storm, randomize(network, 4).state_dict())

    music = EncodecConfig(
        sampling_rate=16000, num_filters=2, upsampling_ratios=[8, 5, 4, 2], hidden_size=16, codebook_size=MUSIC[1], codebook_dim=16,
        target_bandwidths=[0.6], use_causal_conv=False, use_conv_shortcut=False, num_lstm_layers=1, pad_mode="reflect",
    )  # fmt: skip
    model = randomize(EncodecModel(music), 5)
    assert music.num_quantizers == MUSIC[0]
    for layer in model.quantizer.layers:
        layer.codebook.embed.copy_(0.3 * waves(MUSIC[1], 16, seed=6))
    write("music_codec", music.to_dict(), model.state_dict())
    (OUT / "bundle.yaml").write_text(MANIFEST)


if __name__ == "__main__":
    sys.path = [p for p in sys.path if not p.endswith("tests/reference")] + [str(FIXTURES.parents[2] / "tests/reference")]
    main()
