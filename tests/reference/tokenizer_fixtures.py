"""Makes tests/fixtures/bundle: a tiny LLaMA-style tokenizer, and ids computed by SentencePiece.

The reference is what transformers' slow LLaMA tokenizer does: split at added tokens (the longest
first), then SentencePiece on every piece by itself; without `legacy`, no dummy prefix, but one
sign for a space in front of the whole string.

Usage: python tests/reference/tokenizer_fixtures.py   (needs sentencepiece and protobuf)
"""
import io
import json
import re
from pathlib import Path

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "bundle" / "tiny"
CORPUS = [
    "Describe this picture in a plain way.", "This is input: a cat on a mat.", "What do you see in the picture?",
    "a red apple", "an orange cat", "a black and white dog", "Please draw a green tree.", "It is a yellow car.",
    "Generate an image of a blue house with a red roof.", "Human: show me the moon", "the sun and the stars",
] * 8
ROLES = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"]
MEDIA = [("\U0001F440", 8, "<soim>", "<eoim>"), ("\U0001F5E3\uFE0F", 4, "<sosp>", "<eosp>"), ("\U0001F3B6", 8, "<somu>", "<eomu>")]
PLAIN = [
    "a cat", " a cat", "  two  spaces ", "", " ", "Füße, 猫 and 🐈‍⬛!", "line\nbreak\ttab", "[Human]: <eoh> <soim><👀1>", "<s></s><unk>",
    "▁under▁score", "e\u0301 combining", "\u00a0nbsp", "</eos>", "<0x41>", "a" * 60, "Describe this picture in a plain way.",
]
FORMATS = [
    "[Human]: a cat<eoh> [MMGPT]:", "[Human]: a cat<eoh> [MMGPT]: <soim><👀0><👀7><eoim><eos>", "[Human]", "<eoh> <eoh>", " [Human] x ",
    "[Human]: <sosp><🗣️3><eosp> what?<eoh>\n[MMGPT]: It is a cat.<eos>\n[Human]: 猫<eoh>", "<👀10><👀1>0>", "", "plain", " ",
    "<eos></s>", "<s>[Human]",
]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, model_type="bpe", vocab_size=420, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
    )
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    legacy = spm.SentencePieceProcessor(model_proto=model.getvalue())
    proto.normalizer_spec.add_dummy_prefix = False
    plain = spm.SentencePieceProcessor(model_proto=proto.SerializeToString())

    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    # A merge is as early as what it makes; SentencePiece scores are minus the rank.
    merges = [
        (vocab[word], vocab[word[:i]], vocab[word[i:]], [word[:i], word[i:]])
        for word in vocab
        for i in range(1, len(word))
        if not word.startswith("<") and word[:i] in vocab and word[i:] in vocab
    ]
    merges = [pair for *_, pair in sorted(merges)]
    names = ROLES[:]
    for prefix, count, start, end in MEDIA:
        names += [f"<{prefix}{n}>" for n in range(count)] + [start, end]
    added = [{"id": i, "content": s, "special": True} for i, s in enumerate(["<unk>", "<s>", "</s>"])]
    added += [{"id": len(vocab) + i, "content": s, "special": False} for i, s in enumerate(names)]
    for token in added:
        token.update(single_word=False, lstrip=False, rstrip=False, normalized=False)
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocab, "merges": merges},
    }
    (OUT / "llm").mkdir(exist_ok=True)
    (OUT / "llm" / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n")

    # The same as the hub's LLaMA checkpoints have it.
    (OUT / "llm" / "tokenizer.model").write_bytes(model.getvalue())
    (OUT / "llm" / "added_tokens.json").write_text(json.dumps({t["content"]: t["id"] for t in added if not t["special"]}, ensure_ascii=False) + "\n")

    ids = {token["content"]: token["id"] for token in added}
    special = {token["content"] for token in added if token["special"]}
    pattern = re.compile("(" + "|".join(re.escape(s) for s in sorted(ids, key=len, reverse=True)) + ")")

    def whole(text, processor, is_legacy):
        pieces = [piece for piece in pattern.split(text) if piece]
        if not is_legacy and pieces:
            if pieces[0] not in ids:
                pieces[0] = "▁" + pieces[0]
            elif pieces[0] not in special:
                pieces.insert(0, "▁")
        return [i for p in pieces for i in ([ids[p]] if p in ids else processor.encode(p))]

    result = {
        "legacy": {"text": [[t, legacy.encode(t), legacy.decode(legacy.encode(t))] for t in PLAIN],
                   "format": [[t, whole(t, legacy, True)] for t in FORMATS]},
        "plain": {"text": [[t, plain.encode(t)] for t in PLAIN], "format": [[t, whole(t, plain, False)] for t in FORMATS]},
    }
    (OUT.parent / "tokenizer.golden.json").write_text(json.dumps(result, ensure_ascii=False, indent=0) + "\n")


main()
