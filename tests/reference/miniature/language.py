"""The miniature's language models: the text tokenizer, the vocabulary, and the network.

The network is trained until it knows the replies of `tasks.py` by heart. So the published program
needs no help to give replies that it can decode, and no two candidates are ever nearly as likely.
"""

import io
import json

import sentencepiece as spm
import torch
from sizes import AUDIO, BOOKS, IMAGE, LLAMA, MUSIC, SPEECH
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

ROLES = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"]
# The codes of sound effects are in the published vocabulary, although nothing uses them.
MEDIA = [
    ("👀", IMAGE, "<soim>", "<eoim>"),
    ("🗣️", SPEECH, "<sosp>", "<eosp>"),
    ("🎶", BOOKS * MUSIC, "<somu>", "<eomu>"),
    ("👂", BOOKS * AUDIO, "<soau>", "<eoau>"),
]
CHAT = ["<-Res->", "<-Ins->"]


def tokenizer(folder, sentences, chat):
    """Writes tokenizer.model, added_tokens.json and tokenizer_config.json; gives the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, model_type="bpe", vocab_size=400, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    made = LlamaTokenizer(str(folder / "tokenizer.model"), add_bos_token=True, add_eos_token=False)
    # In the order of the published training script.
    for token in ROLES:
        made.add_tokens([token])
    for prefix, count, start, end in MEDIA:
        made.add_tokens([f"<{prefix}{n}>" for n in range(count)] + [start, end])
    if chat:
        made.add_tokens(CHAT)
    made.save_pretrained(folder)
    return LlamaTokenizer.from_pretrained(folder)


def batch(tokenizer, samples):
    """Ids and labels of (prompt, reply): the loss is on the reply, its `<eos>` and `</s>`."""
    rows, labels = [], []
    for prompt, reply in samples:
        given = tokenizer(prompt).input_ids
        whole = tokenizer(f"{prompt} {reply}<eos>").input_ids + [tokenizer.eos_token_id]
        assert whole[: len(given)] == given, f"{prompt!r}: the prompt does not begin the whole"
        rows.append(whole)
        labels.append([-100] * len(given) + whole[len(given) :])
    longest = max(map(len, rows))
    pad = lambda row, value: row + [value] * (longest - len(row))
    return torch.tensor([pad(r, 0) for r in rows]), torch.tensor([pad(r, -100) for r in labels])


def train(folder, tokenizer, samples, steps):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **LLAMA))
    # Without it, a network this narrow begins with almost equal logits.
    model.lm_head.weight.data.mul_(4)
    ids, labels = batch(tokenizer, samples)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.98), weight_decay=0.0)
    rate = lambda step: min(1, (step + 1) / 50) * (1 - step / steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    model.train()
    for step in range(steps):
        logits = model(ids, attention_mask=(labels != -100) | (ids != 0)).logits
        losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
        # A short reply weighs as much as a long one.
        loss = (losses.sum(1) / (labels != -100).sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step + 1 == steps:
            print(f"{folder.name}: step {step}, loss {loss.item():.5f}", flush=True)
    # float32 numbers as published, of which float16 would keep every bit.
    weights = {k: wrapped(v.half().float()) for k, v in model.state_dict().items()}
    torch.save(weights, folder / "pytorch_model.bin")
    model.config.architectures = ["LlamaForCausalLM"]
    model.config.torch_dtype = "float32"
    config = json.loads(model.config.to_json_string(use_diff=False))
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def wrapped(tensor):
    """A tensor that torch.save writes with its type and state, as the published ones are."""
    tensor = tensor.clone()
    tensor.published = True
    return tensor
