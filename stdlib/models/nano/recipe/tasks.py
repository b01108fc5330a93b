"""What the language model is taught: every direction between the media, and short conversations.

A task makes one conversation out of seeded draws: (user, reply) turns as `text.Vocabulary` writes
them. WEIGHTS says how many of each are in a step.
"""

import collections

import audio_codes
import codes
import data
import dialogue
import text
import torch
from train_speech_tokenizer import trained_on

# Conversations of each kind in a step, on average; those of PICTURES are all that the first stage learns.
PICTURES = {"caption": 32, "paint": 24}
WEIGHTS = {
    "caption": 4, "paint": 5, "transcribe": 8, "speak": 14, "describe_music": 4, "compose": 5, "answer": 0.5, "spoken_answer": 2.5,
    "spoken_question": 1.5, "music_question": 0.6, "aloud": 1, "story": 1.5, "paint_spoken": 1, "match": 1, "again": 1.5,
}  # fmt: skip


MUSICAL = {"describe_music", "compose", "music_question"}


def drawn(rng, weights):
    """How many of each kind there are in this step: a part of one is one now and then."""
    for name, weight in weights.items():
        for _ in range(int(weight) + (rng.random() < weight % 1)):
            yield name


class Exchange:
    """Some codes that are read become one of their 6 nearest neighbours, so that small changes do not matter."""

    def __init__(self, codebook):
        self.near = torch.cdist(codebook, codebook).argsort(1)[:, 1:7]

    def __call__(self, rng, row):
        if rng.random() < 0.4:
            return row
        share = rng.uniform(0, 0.25)
        return [int(self.near[c, rng.randrange(6)]) if rng.random() < share else c for c in row]


def stretched(rng, frames):
    """Some frames said twice, some left out: another speaker's pace."""
    if rng.random() < 0.4:
        return frames
    twice, out = rng.uniform(0, 0.12), rng.uniform(0, 0.12)
    made = []
    for frame in frames:
        draw = rng.random()
        made += [frame, frame] if draw < twice else [] if draw > 1 - out else [frame]
    return made or frames


class Tasks:
    def __init__(self, vocabulary, codebook, sound=True):
        self.v, self.pools, self.exchange = vocabulary, text.pools(), Exchange(codebook)
        self.seen, self.tidy = codes.encoded("pictures"), codes.encoded("tidy")
        self.seen_codes, self.tidy_codes = self.seen.codes.tolist(), self.tidy.codes.tolist()
        self.tidy_of = collections.defaultdict(list)
        for i, words in enumerate(self.tidy.words):
            self.tidy_of[words].append(i)
        self.colours_of = collections.defaultdict(set)
        for colour, noun in zip(self.tidy.colours, self.tidy.nouns):
            self.colours_of[noun].add(colour)
        if sound:
            self.exchange_speech = Exchange(audio_codes.codebooks("speech")[0])
            self.exchange_music = [Exchange(book) for book in audio_codes.codebooks("music")]
            self.spoken = [row for row in audio_codes.speech() if trained_on(row)]
            self.spoken_as = collections.defaultdict(list)
            for row in self.spoken:
                self.spoken_as[row["text"]].append(row)
            # Of what is only heard there is more.
            self.heard = self.spoken + audio_codes.more_speech()
            self.heard_as = collections.defaultdict(list)
            for row in self.heard:
                self.heard_as[row["text"]].append(row)
            self.painted_and_spoken = [words for words in self.tidy_of if words in self.spoken_as]
            # The music codec may take longer; what needs it comes when its codes are there.
            self.pieces = [row for row in audio_codes.music() if not row["held_out"]] + audio_codes.more_music() if audio_codes.coded("music") else []

    # ---- draws -------------------------------------------------------------------------------

    def ask(self, rng, pool):
        pool = self.pools[pool]
        return pool[0] if rng.random() < 0.5 else rng.choice(pool)

    def about(self, rng, instruction, medium):
        """The instruction in front of its medium; now and then behind it, as the chat model has it."""
        return f"{instruction} {medium}" if rng.random() < 0.75 else f"{medium} {instruction}"

    def picture(self, rng):
        i = rng.randrange(len(self.seen_codes))
        return self.v.image(self.exchange(rng, self.seen_codes[i])), self.seen.words[i]

    def painted(self, rng, words):
        return self.v.image(self.tidy_codes[rng.choice(self.tidy_of[words])])

    def said(self, rng, words):
        return self.v.speech(rng.choice(self.spoken_as[words])["codes"][0].tolist())

    def hear(self, rng, row):
        """Speech that is only read."""
        return self.v.speech(self.exchange_speech(rng, stretched(rng, row["codes"][0].tolist())))

    def piece(self, rng):
        row = rng.choice(self.pieces)
        return self.v.music(row["codes"].tolist()), row["text"]

    def hear_piece(self, rng):
        """Music that is only read."""
        row = rng.choice(self.pieces)
        return self.v.music([exchange(rng, book) for exchange, book in zip(self.exchange_music, row["codes"].tolist())]), row["text"]

    # ---- one turn ----------------------------------------------------------------------------

    def caption(self, rng):
        picture, words = self.picture(rng)
        return [(self.about(rng, self.ask(rng, "CAPTION"), picture), words)]

    def paint(self, rng):
        i = rng.randrange(len(self.tidy_codes))
        return [(f"{self.ask(rng, 'PAINT')} This is input: {self.tidy.words[i]}", self.v.image(self.tidy_codes[i]))]

    def transcribe(self, rng):
        row = rng.choice(self.heard)
        return [(self.about(rng, self.ask(rng, "TRANSCRIBE"), self.hear(rng, row)), row["text"])]

    def speak(self, rng):
        row = rng.choice(self.spoken)
        return [(f"{self.ask(rng, 'SPEAK')} This is input: {row['text']}", self.v.speech(row["codes"][0].tolist()))]

    def describe_music(self, rng):
        piece, words = self.hear_piece(rng)
        return [(self.about(rng, self.ask(rng, "DESCRIBE_MUSIC"), piece), words)]

    def compose(self, rng):
        piece, words = self.piece(rng)
        return [(f"{self.ask(rng, 'COMPOSE')} This is input: {words}", piece)]

    def answer(self, rng):
        command = rng.choice(list(dialogue.ANSWERS))
        return [(command, dialogue.ANSWERS[command])]

    # ---- from medium to medium ---------------------------------------------------------------

    def chain(self, rng, heard, answer):
        return f"<-Ins-> {heard}\n <-Res-> {answer} {self.said(rng, answer)}"

    def spoken_answer(self, rng):
        """A spoken command: what was heard, the answer, and the answer aloud."""
        command = rng.choice([c for c in dialogue.ANSWERS if c in self.spoken_as and dialogue.ANSWERS[c] in self.spoken_as])
        return [(self.hear(rng, rng.choice(self.heard_as[command])), self.chain(rng, command, dialogue.ANSWERS[command]))]

    def spoken_question(self, rng):
        """A picture with a spoken question about it."""
        picture, words = self.picture(rng)
        while words not in self.spoken_as:
            picture, words = self.picture(rng)
        question = rng.choice([q for q in dialogue.ABOUT if q in self.spoken_as])
        return [(f"{picture} {self.hear(rng, rng.choice(self.heard_as[question]))}", self.chain(rng, question, words))]

    def music_question(self, rng):
        piece, words = self.hear_piece(rng)
        while words not in self.spoken_as:
            piece, words = self.hear_piece(rng)
        question = rng.choice([q for q in dialogue.ABOUT_MUSIC if q in self.spoken_as])
        return [(f"{piece} {self.hear(rng, rng.choice(self.heard_as[question]))}", self.chain(rng, question, words))]

    def aloud(self, rng):
        picture, words = self.picture(rng)
        while words not in self.spoken_as:
            picture, words = self.picture(rng)
        return [(self.about(rng, "Say aloud what you see.", picture), f"{words} {self.said(rng, words)}")]

    def story(self, rng):
        """A thing in words, as a picture, and read aloud."""
        words = rng.choice(self.painted_and_spoken)
        asked = words if rng.random() < 0.5 else words.split(" ", 2)[2]
        return [(f"Tell me about this and show it. This is input: {asked}", f"{words} {self.painted(rng, words)} {self.said(rng, words)}")]

    def paint_spoken(self, rng):
        words = rng.choice(self.painted_and_spoken)
        return [(self.about(rng, "Paint what is said.", self.hear(rng, rng.choice(self.heard_as[words]))), self.painted(rng, words))]

    def match(self, rng):
        """Which music goes with a thing, and which thing with some music."""
        words = rng.choice(self.tidy.words)
        _, colour, noun = words.split(" ", 2)
        music = dialogue.music_for(colour, noun)
        if rng.random() < 0.5:
            return [(f"Which music goes with this? This is input: {words}", music)]
        return [(f"Which picture goes with this? This is input: {music}", words)]

    # ---- two turns ---------------------------------------------------------------------------

    def again(self, rng):
        """A picture described or painted, then said aloud, asked about or painted in another colour."""
        if rng.random() < 0.5:
            first = self.caption(rng)[0]
            words = first[1]
        else:
            words = rng.choice(self.tidy.words)
            first = (f"{self.ask(rng, 'PAINT')} This is input: {words}", self.painted(rng, words))
        noun = words.split(" ", 2)[2]
        kind = rng.randrange(3)
        if kind == 0 and words in self.spoken_as:
            return [first, ("Say it aloud.", self.said(rng, words))]
        if kind == 1:
            return [first, ("What is it?", words)]
        colour = rng.choice(sorted(self.colours_of[noun]))
        return [first, (f"Make it {colour}.", self.painted(rng, data.caption(colour, noun)))]
