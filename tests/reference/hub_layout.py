"""Loads what `agpt train export --form hf` and `agpt train expand` write in transformers.

    venv/bin/python hub_layout.py make FOLDER
    AGPT_HUB_LAYOUT=FOLDER cargo test --test hub_layout -- --ignored   # from the repository's root
    venv/bin/python hub_layout.py check FOLDER

`make` writes small LLaMAs with nano's words and without media; the test trains, exports, expands,
and writes ids and logits; `check` loads the folders with AutoTokenizer, PreTrainedTokenizerFast and
LlamaForCausalLM and compares: ids must be equal, decoded texts have all media tokens, logits differ by at
most 1e-4 of the largest one. Nothing of it is kept in the repository.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TOLERANCE = 1e-4
NANO = Path(__file__).parents[2] / "stdlib/models/nano/llm/tokenizer.json"


def make(folder):
    tokenizer = json.loads(NANO.read_text())
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["id"] < 3]
    size = len(tokenizer["model"]["vocab"])
    for name, tied in [("base", False), ("base-tied", True)]:
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=52,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
            tie_word_embeddings=tied,
        )
        LlamaForCausalLM(config).save_pretrained(folder / name)
        (folder / name / "tokenizer.json").write_text(json.dumps(tokenizer))
        # As published LLaMAs have it: a class that would build the tokenizer anew.
        described = {"tokenizer_class": "LlamaTokenizer", "legacy": True, "bos_token": "<s>"}
        (folder / name / "tokenizer_config.json").write_text(json.dumps(described))


@torch.no_grad()
def check(folder):
    said = json.loads((folder / "agpt.json").read_text())
    for name in sorted({case["model"] for case in said}):
        place = folder / name
        config = AutoConfig.from_pretrained(place)
        model, info = LlamaForCausalLM.from_pretrained(place, output_loading_info=True)
        missing = set(info["missing_keys"])
        assert not missing and not info["unexpected_keys"] and not info["mismatched_keys"], info
        assert config.architectures == ["LlamaForCausalLM"], config
        assert (config.bos_token_id, config.eos_token_id) == (1, 2), config
        stored = json.loads((place / "config.json").read_text())
        for key in ["rope_theta", "tie_word_embeddings", "rms_norm_eps", "head_dim", "model_type"]:
            assert key in stored, key
        assert stored["rope_theta"] == config.rope_parameters["rope_theta"]
        if name == "sharded":
            assert model.dtype == torch.bfloat16, model.dtype
            assert (place / "model.safetensors.index.json").is_file()
        model = model.float()
        tokenizers = [kind.from_pretrained(place) for kind in (AutoTokenizer, PreTrainedTokenizerFast)]
        worst = 0.0
        for case in (case for case in said if case["model"] == name):
            for tokenizer in tokenizers:
                assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>"), tokenizer
                ids = tokenizer(case["text"], add_special_tokens=False).input_ids
                assert ids == case["ids"], (name, case["text"], ids, case["ids"])
                # The dummy prefix puts a space behind each added token; nothing else changes.
                back = tokenizer.decode(ids).replace(" ", "")
                assert back == case["text"].replace(" ", ""), (name, back)
            logits = model(torch.tensor([case["ids"]])).logits[0]
            theirs = torch.tensor(case["logits"])
            worst = max(worst, ((logits - theirs).abs().max() / logits.abs().max()).item())
        assert worst <= TOLERANCE, (name, worst)
        print(f"{name}: ids equal, logits within {worst:.1e}")


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    {"make": make, "check": check}[sys.argv[1]](folder)
