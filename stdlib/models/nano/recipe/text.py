"""The joint vocabulary and the prompts: text pieces, role strings, codes of image, speech, music.

The layout is that of the published checkpoints with smaller numbers: BPE with byte fallback first,
then the role strings, then the codes of each medium and its start and end, then the two marks of
the chain from a spoken command to its answer.
"""

import json
import re

import data
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXT = 1024
ROLES = ["[Human]", "[MMGPT]", "<eoh>", "<eos>"]
MEDIA = [("\U0001f440", 1024, "<soim>", "<eoim>"), ("\U0001f5e3\ufe0f", 512, "<sosp>", "<eosp>"), ("\U0001f3b6", 1024, "<somu>", "<eomu>")]
MARKS = ["<-Res->", "<-Ins->"]
FILE = data.WORK / "tokenizer.json"

# The text pieces are learnt from these and the sentences below. They are kept as they were when the first
# weights were trained: the prompts themselves take their instructions from stdlib/instructions.agpt.
CAPTION = ["Describe this picture.", "What is in this picture?", "What do you see?", "Say what this picture shows.", "Tell me what this is.",
           "Put this picture into words.", "Give this image a caption.", "What does the image show?", "Name what you see here.", "Caption this, please."]  # fmt: skip
PAINT = ["Please paint this.", "Draw this for me.", "Make a picture of this.", "Paint what is described.", "Show me this as a picture.",
         "Create an image of this.", "Generate a picture from these words.", "Could you draw this?", "Turn these words into an image.", "I want to see this."]  # fmt: skip
# Everyday sentences, so that other people's words do not fall apart into letters.
ENGLISH = """please tell me what you can see here and how many things there are the small one is on the left and the big one is on the right
this is a photo of some things that people use every day in the house in the garden and in the city it was made with a camera
write down what is said say this aloud in a clear voice describe this music compose a happy song with a piano and a violin slow fast cheerful sad
i would like to have a new picture with more light and a dark blue sky over the green hills and the old town near the sea
who what when where which why how is are was were will would could should do does did have has had not no yes and or but if then
one two three four five six seven eight nine ten first second last next more less very little much many other another same different
the man woman child boy girl friend family people dog cat bird fish horse tree flower water fire earth air sun moon star day night morning evening
make take give get go come look find think know want need use work play read write speak listen hear see feel eat drink sleep walk run stand sit""".split("\n")


def colour_words():
    table = data.concepts()
    return [data.caption(colour, noun) for noun in table for colour in data.COLOURS]


def train():
    """The text pieces, from the captions, the instructions and the sentences above."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Merges stay inside words, as SentencePiece's do, and leave punctuation alone.
    words = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    marks = pre_tokenizers.Split(Regex(r"[.,:;!?'\"()-]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, marks])
    first = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted(set("▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()-"))
    trainer = trainers.BpeTrainer(vocab_size=TEXT, special_tokens=first, initial_alphabet=letters, show_progress=False)
    corpus = 6 * (ENGLISH + CAPTION + [f"{line} This is input: " for line in PAINT]) + colour_words()
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]


def build():
    model = train()
    assert len(model["vocab"]) == TEXT, len(model["vocab"])
    model.update(dropout=None, unk_token="<unk>", byte_fallback=True, fuse_unk=True, ignore_merges=False)
    names = ROLES[:]
    for prefix, count, start, end in MEDIA:
        names += [f"<{prefix}{n}>" for n in range(count)] + [start, end]
    names += MARKS
    added = [{"id": i, "content": s, "special": True} for i, s in enumerate(["<unk>", "<s>", "</s>"])]
    added += [{"id": TEXT + i, "content": s, "special": False} for i, s in enumerate(names)]
    for token in added:
        token.update(single_word=False, lstrip=False, rstrip=False, normalized=False)
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": model,
    }  # fmt: skip
    FILE.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n")


def pools():
    """name → instructions, as stdlib/instructions.agpt has them."""
    source = (data.HERE.parents[2] / "instructions.agpt").read_text()
    return {name: re.findall(r'"([^"]+)"', body) for name, body in re.findall(r"pub const (\w+) = \[(.*?)\]", source, re.S)}


class Vocabulary:
    """Prompts as texts in which media are runs of their tokens' names."""

    def __init__(self, file=FILE):
        self.tokenizer = Tokenizer.from_file(str(file))
        self.size = self.tokenizer.get_vocab_size()
        named = ROLES + MARKS + ["<s>"] + [token for _, _, *ends in MEDIA for token in ends]
        self.ids = {token: self.tokenizer.token_to_id(token) for token in named}
        # Of the first code of image, speech and music.
        self.first = [self.tokenizer.token_to_id(f"<{prefix}0>") for prefix, *_ in MEDIA]
        self.names = [[f"<{prefix}{n}>" for n in range(count)] for prefix, count, *_ in MEDIA]

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def _medium(self, which, codes):
        _, _, start, end = MEDIA[which]
        return start + "".join(self.names[which][int(c)] for c in codes) + end

    def image(self, codes):
        return self._medium(0, codes)

    def speech(self, codes):
        """Codes of the first layer."""
        return self._medium(1, codes)

    def music(self, codes):
        """(books, frames) codes; the books take turns within a frame."""
        books, size = len(codes), MEDIA[2][1] // len(codes)
        return self._medium(2, [int(codes[b][f]) + size * b for f in range(len(codes[0])) for b in range(books)])

    def conversation(self, *turns):
        """(user, reply), … → ids, and which of them the assistant says.

        A reply begins where its prompt ends: a text with the space behind the colon, a medium with
        its first code, because the program writes the start token of the medium that is asked for.
        """
        text, ids, said = "", [self.ids["<s>"]], [False]
        for user, reply in turns:
            text += ("\n" if text else "") + f"[Human]: {user}<eoh> [MMGPT]:"
            asked = self.encode(text)
            text += f" {reply}<eos>"
            whole = self.encode(text)
            assert whole[: len(asked)] == asked and whole[: len(ids) - 1] == ids[1:], text
            said += [False] * (len(asked) - len(said) + 1) + [True] * (len(whole) - len(asked))
            ids = [self.ids["<s>"], *whole]
        return ids, said

    def caption_prompt(self, instruction, codes):
        """Ends where the model goes on with " a red apple<eos>"."""
        return [self.ids["<s>"], *self.encode(f"[Human]: {instruction} {self.image(codes)}<eoh> [MMGPT]:")]

    def words(self, ids):
        return self.tokenizer.decode([i for i in ids if i < TEXT]).strip()


if __name__ == "__main__":
    build()
    vocabulary = Vocabulary()
    print(vocabulary.size, vocabulary.ids, vocabulary.first)
    ids, said = vocabulary.conversation(("Describe this picture. " + vocabulary.image([1, 2]), "a red apple"), ("Say it aloud.", vocabulary.speech([3, 3])))
    print([(vocabulary.tokenizer.id_to_token(i), s) for i, s in zip(ids, said)])
