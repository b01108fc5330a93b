"""Writes the tables of sound in ../CARD.md from what evaluate_sound.py has left in ../card/figures.json.

    python card.py

Everything from "## Speech" to "## Data and licences" is replaced; the rest of the card is written by hand.
"""

import json

import data

HERE = data.HERE.parent
GRAMMAR, WHISPER = "pocketsphinx with a grammar", "Whisper tiny"


def percent(share):
    return f"{100 * share:.1f} %"


def wrong(errors, listener):
    return percent(errors[listener]["WER"])


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(*heads):
    return [row(*heads), "|" + "---|" * len(heads)]


def speech_to_text(groups):
    lines = table("recordings", "nano", "chance", "always the most frequent sentence", "pocketsphinx", "Whisper tiny")
    for name, d in groups.items():
        heard = d["recognisers, first 40"]
        often = d["always the most frequent sentence"]["WER"]
        lines.append(row(name, percent(d["nano"]["WER"]), percent(d["nano"]["WER by chance"]), percent(often), wrong(heard, GRAMMAR), wrong(heard, WHISPER)))
    return lines


def text_to_speech(groups):
    lines = table("sentences", "", "pocketsphinx", "Whisper tiny")
    for name, d in groups.items():
        for kind in ("original", "codec, all eight codes", "first codes of the original, the others by SoundStorm", "nano"):
            lines.append(row(name, kind, wrong(d[kind], GRAMMAR), wrong(d[kind], WHISPER)))
    return lines


def voice(figures):
    names = ["slt", "rms", "kal16", "awb"]
    lines = table("", "slt", "rms", "kal16", "awb (unseen)", "nearest is the prompt's")
    for kind in ("original", "codec resynthesis", "nano, with the voice prompt", "nano, without a voice prompt"):
        d = figures[kind]
        near = sum(d[name]["nearest is the prompt's"] for name in names) / len(names)
        lines.append(row(kind, *(format(d[name]["prompt's voice"], ".2f") for name in names), percent(near)))
    return lines


def music(figures):
    lines = table("", "pieces", "instrument", "tempo", "register", "mode")
    add = lambda name, d: lines.append(row(name, d["pieces"], *(percent(d[kind]) for kind in ("instrument", "tempo", "register", "mode"))))
    for group in ("seen pairs, new melodies", "held-out pairs"):
        d = figures[group]
        add(f"{group}: the probe on originals", d["probe on originals"])
        add(f"{group}: the probe on the codec's resynthesis", d["probe on codec resynthesis"])
        add(f"{group}: **nano, music to text**", d["music to text"])
        add(f"{group}: always the most frequent", {"pieces": ""} | d["probe on originals"]["always the most frequent"])
    for group in ("seen pairs", "held-out pairs"):
        add(f"{group}: **nano, text to music**, as the probe hears it", figures[f"text to music, {group}"])
    return lines


def seams(figures):
    lines = table("", "level", "spectrum, mean of 40 bands")
    for kind in ("at seams", "elsewhere", "rendered melodies, same places of their beat", "rendered melodies, elsewhere"):
        d = figures[kind]
        lines.append(row(kind.replace(", same places of their beat", ", at the second"), f"{d['level, dB']} dB", f"{d['spectrum, dB']} dB"))
    return lines


def codecs(groups):
    lines = table("", "SI-SDR", "another item's", "mel L1", "another item's", "words wrong, originals", "words wrong, resynthesis")
    for name, d in groups.items():
        other, words = d["by chance, another item's"], d.get("words")
        said = (wrong(words["original"], GRAMMAR), wrong(words["resynthesis"], GRAMMAR)) if words else ("", "")
        lines.append(row(name, f"{d['SI-SDR']} dB", f"{other['SI-SDR']} dB", d["mel L1"], other["mel L1"], *said))
    return lines


def sections(f):
    spoken = f["text to speech"]["held-out sentences"]["nano"]
    chance = [percent(spoken[listener]["WER by chance"]) for listener in (GRAMMAR, WHISPER)]
    phones = [percent(f["codec"][group]["phones right, from the first code"]) for group in ("seen voices, held-out sentences", "unseen voice")]
    return f"""## Speech

It writes down and says the sentences of its world: "a *colour* *thing*", "a *tempo* *mode* *register* *instrument* melody",
and some sixty sentences of a conversation. Three voices were trained on, each faster, slower, higher and lower than it
is; `awb`, a Scottish speaker, was not, and one sentence in twenty was not in any voice. Nobody's voice but flite's was
ever heard: microphones, other accents and open English fail.

**Speech to text**, 80 recordings each, words wrong (`python recipe/evaluate_sound.py stt`; chance is the answer to
another recording; the recognisers hear the first 40):

{lines(speech_to_text(f["speech to text"]))}

pocketsphinx is told the grammar of nano's world, so its figures are what can be understood by who knows what may be
said; Whisper is not, and knows no such sentences.

**Text to speech**, 40 sentences each, words that the recognisers get wrong (`evaluate_sound.py tts`). The rows above the
last are ceilings: the recordings themselves, the codec with all eight codes, and SoundStorm on the true first codes.

{lines(text_to_speech(f["text to speech"]))}

Chance is {chance[0]} for pocketsphinx and {chance[1]} for Whisper.

**Voice**: cosine of Resemblyzer's embeddings with the voice prompt, a recording of another sentence, and how often the
nearest of the four prompts is the right one (chance 25 %; `evaluate_sound.py voice`):

{lines(voice(f["voice"]))}

The voice prompt moves the voice, but seldom to the prompt's: most of who speaks is in the first codes, which the
language model writes without hearing the prompt.

## Music

Two seconds of one melody on one of twelve instruments, in one of three tempi, two modes, two registers. A network that is
no part of nano hears what is played (`recipe/probes.py`); it is right about the originals, and what the codec loses is the
ceiling for what nano plays (`evaluate_sound.py music`). Chance: instrument 8.3 %, tempo 33 %, register and mode 50 %.

{lines(music(f["music"]))}

Longer music is made in stretches of two seconds, each beginning with the last second of what is there. Where a stretch
ends, level and spectrum of the 50 ms on both sides differ by (`evaluate_sound.py seams`, {f["seams of music"]["pieces"]} pieces of six seconds):

{lines(seams(f["seams of music"]))}

## Codecs

{lines(codecs(f["codec"]))}

From the first code of speech alone a linear layer tells {phones[0]} of the frames' phones in held-out sentences of seen
voices, {phones[1]} of the unseen voice's (`evaluate_sound.py codec`).

"""


def lines(rows):
    return "\n".join(rows)


def main():
    figures = json.loads((HERE / "card" / "figures.json").read_text())
    card = (HERE / "CARD.md").read_text()
    begin, end = card.index("## Speech\n"), card.index("## Data and licences")
    (HERE / "CARD.md").write_text(card[:begin] + sections(figures) + card[end:])


if __name__ == "__main__":
    main()
