"""Metrics of texts: pycocoevalcap and its jars, jiwer, Whisper's normaliser, NumPy.

Writes tests/fixtures/metrics/*.json. Needs java on the PATH and the packages of
requirements-metrics.txt. The texts are written here; nothing is downloaded.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import jiwer
import numpy as np
import pycocoevalcap
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures" / "metrics"
PACKAGE = Path(pycocoevalcap.__file__).parent if pycocoevalcap.__file__ else Path(next(iter(pycocoevalcap.__path__)))
FUNCTION_WORDS = HERE.parent.parent / "src" / "eval" / "metrics" / "meteor" / "function_words.txt"

SUBJECTS = "a man;two women;three small children;an old dog's owner;the girl in red;someone;a black-and-white cat;a group of people;the skateboarder;an elderly couple;Mr. Smith;a 3-year-old boy".split(";")
VERBS = "is riding;are standing beside;isn't holding;sits on;rides;was walking past;can't reach;are playing with;looks at;stood near;jumped over;is about to eat;walks;has been painting".split(";")
OBJECTS = "a wave;the wooden bench;a slice of pizza;two large elephants;an umbrella;the city's streets;a tennis racket;some fresh fruits;a laptop computer;the fire hydrant;dirty dishes;a double-decker bus;a stop sign".split(";")
PLACES = "in the snow;on a sunny beach;at night;near the U.S. flag;in front of a building;at 5 p.m.;with a frisbee;on the 3rd street;while smiling;next to a parked car;in black & white".split(";")

PTB_LINES = """A man's dog (big) isn't "running" -- it's sleeping... on the 3rd street, N.Y.
I can't, cannot, gonna wanna gotta; don't won't O'Clock o'clock 12:30 p.m. mr. Smith
$5.00 £3 & AT&T 50% e-mail well-known http://www.a.com/x?y=1 foo@bar.com #hashtag @user
1/2 3-4 1,000,000 3.5 '90s 1990's the dogs' toys 'quoted' `tick` "end."
it's 5'10" tall ?! ?? !!! a/b and/or TV's [x] {y} <b> * + = ~ ^ | _ foo_bar C++
étude café naïve “smart” ‘quotes’ — dash – en… 10° m² €5 日本語 text.
cannot Cannot CANNOT gonna lemme gimme 'twas 'tis Wanna
two dogs . . . and more.. and .... and ..... end
state-of-the-art t-shirt x-ray 3-year-old 10-foot 20-30 1920s 1920's '20s
I'm you're he'd they've she'll WE'LL I'd've couldn't've
d'etre l'oeil O'Brien McDonald's M&M's m&ms B&W b&w r&b
Dr. st. St. etc. vs. vs i.e. e.g. a.m. u.s. us. no. No. 5 jan. inc. Ave. ave.
12:30pm 12pm 5ft 6'2" 1/2 3/4ths 2x4 2 x 4 12/25/2010 12-25-10 555-1234 1-800-555-1234
hello.world hello,world end.The a,b,c a;b a:b a!b a?b 1.5 .5 -5 +5 1.2.3
"quoted" 'quoted' ''quoted'' "a" "b 'c' `d' 'e
( ) [ ] { } <a href="x"> </a> < > << >> <3 :) :-) ;) :D =) :( :/
- -- --- ---- ----- a-b a--b a - b a -- b -b a-
! !! ? ?? ?! . .. ... , ,, ; : :: * ** # ## / // | ~ ^ = + & && &amp; &lt; @ _ __
www.foo.com foo.com foo.org/bar foo.com. foo.net, user@host
C++ c# f/8 w/ w/o b/w 4/4 his/her a/b/c don’t man’s dogs’ it`s
word…word a–b a—b ½ 3½ 5°C © ® ™ ¥ ¢ × § • ¿ ¡ « » „ ′
pre-1990 non-U.S. U.S.-based team. Ph.D. B.A. J. K. Rowling vitamin A. The end
7up 7-up 747s b-52 F-16 tv's t.v. TV. 'em 'til c'mon ol' goin' on y'all ma'am
a cat 🎃 and a dog 'not' Ctrl-C... b-52.5 lb., no. 7""".split("\n")


def write(name, value):
    FIXTURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, indent=0, separators=(",", ":"))
    (FIXTURES / f"{name}.json").write_text(text + "\n")
    print(name, len(text))


def sentence(rng):
    text = " ".join(rng.choice(part) for part in (SUBJECTS, VERBS, OBJECTS, PLACES))
    text = text[0].upper() + text[1:]
    return text + rng.choice([".", "", " .", "!", "..."])


def disturb(rng, text):
    words = text.split()
    for _ in range(rng.randrange(5)):
        place = rng.randrange(len(words))
        other = rng.choice(rng.choice(SUBJECTS + VERBS + OBJECTS + PLACES).split())
        kind = rng.randrange(4)
        if kind == 0:
            words[place] = other
        elif kind == 1 and len(words) > 1:
            del words[place]
        elif kind == 2:
            words.insert(place, other)
        else:
            words.insert(rng.randrange(len(words)), words.pop(place))
    return " ".join(words)


def tokenize(texts):
    captions = {number: [{"caption": text}] for number, text in enumerate(texts)}
    return [tokens[0].split() for tokens in PTBTokenizer().tokenize(captions).values()]


def ptb():
    # Lower-case letters first: the jar looks past the end of a line for the start of a sentence.
    lines = ["x " + line for line in PTB_LINES]
    rng = random.Random(1)
    lines += ["x " + sentence(rng) for _ in range(40)]
    write("ptb", [{"text": t, "tokens": k} for t, k in zip(lines, tokenize(lines))])


def caption_items():
    rng = random.Random(2)
    items = []
    for number in range(60):
        base = sentence(rng)
        references = [disturb(rng, base) for _ in range(1 + number % 5)]
        items.append({"prediction": disturb(rng, base), "references": references})
    items.append({"prediction": "", "references": ["a cat", "dogs"]})
    items.append({"prediction": "a cat", "references": ["."]})
    items.append({"prediction": "a a a a a a a a", "references": ["a", "a a a a a a a a a"]})
    items.append({"prediction": "cats", "references": ["cats"]})
    return items


def meteor(items):
    """METEOR 1.5 with exact and stem matches and our list of function words, over the caption tokens."""
    jar = PACKAGE / "meteor" / "meteor-1.5.jar"
    count = 5  # the most that an item has; fewer are repeated
    with tempfile.TemporaryDirectory() as folder:
        test, reference = Path(folder, "test"), Path(folder, "reference")
        test.write_text("".join(" ".join(i["tokens"]) + "\n" for i in items))
        lines = [" ".join(r) for i in items for r in (i["reference_tokens"] * count)[:count]]
        reference.write_text("".join(line + "\n" for line in lines))
        command = ["java", "-Xmx1G", "-jar", jar, test, reference, "-l", "en", "-r", str(count)]
        command += ["-m", "exact stem", "-w", "1.0 0.6", "-p", "0.85 0.2 0.6 0.75", "-s", FUNCTION_WORDS, "-q"]
        out = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if out.returncode:
            sys.exit(out.stderr + out.stdout)
        each = [float(line.split()[-1]) for line in out.stderr.splitlines() if line.strip()]
        return each, float(out.stdout.split()[-1])


def captions():
    items = caption_items()
    texts = [text for item in items for text in [item["prediction"], *item["references"]]]
    # The leading x is cut off again; it keeps one caption from the next, as in ptb().
    tokens = iter(line[1:] for line in tokenize(["x " + text for text in texts]))
    for item in items:
        item["tokens"] = next(tokens)
        item["reference_tokens"] = [next(tokens) for _ in item["references"]]
    truth = {n: [" ".join(r) for r in item["reference_tokens"]] for n, item in enumerate(items)}
    guess = {n: [" ".join(item["tokens"])] for n, item in enumerate(items)}
    bleu, bleu_items = Bleu(4).compute_score(truth, guess, verbose=0)
    cider, cider_items = Cider().compute_score(truth, guess)
    rouge, rouge_items = Rouge().compute_score(truth, guess)
    scored = [i for i in items if i["tokens"] and all(i["reference_tokens"])]
    each, total = meteor(scored)
    write("captions", {
        "items": [{"prediction": i["prediction"], "references": i["references"]} for i in items],
        "bleu": bleu, "cider": float(cider), "rouge_l": float(rouge),
        "bleu_4_items": list(map(float, bleu_items[3])),
        "cider_items": list(map(float, cider_items)),
        "rouge_l_items": list(map(float, rouge_items)),
        "meteor_exact_stem": total, "meteor_items": each,
        "meteor_of": [items.index(i) for i in scored],
    })


def stems():
    """The English stemmer of Snowball in METEOR's jar."""
    suffixes = ["", "s", "es", "ed", "ing", "ly", "er", "ness", "ful", "ation", "ational", "ization", "ously", "ies", "y", "'s", "edly", "ment", "able", "ive", "ally", "ion", "ism", "ility"]
    roots = "run jump happ hop hope generat commun sky skat ski agre feed fl tri sleep beautif day boy enjoy relat argu manag nation color arsen plast cont ros fall bless proceed inn out die knit rational electr hopeful possib".split()
    words = {root + suffix for root in roots for suffix in suffixes}
    for part in SUBJECTS + VERBS + OBJECTS + PLACES:
        words.update(part.lower().split())
    words.update("skis skies dying lying tying idly gently ugly early only singly news howe atlas cosmos bias andes inning succeed exceed bus gas this kiwis by say cry cried ties dies ' 's 'tis a is be".split())
    words = sorted(words)
    command = ["java", "-cp", str(PACKAGE / "meteor" / "meteor-1.5.jar"), "Stemmer", "en"]
    out = subprocess.run(command, input="\n".join(words) + "\n", capture_output=True, text=True, check=True)
    write("stems", [list(pair) for pair in zip(words, out.stdout.split("\n"))])


def error_rates():
    rng = random.Random(3)
    pairs = [(sentence(rng), "") for _ in range(3)]
    for _ in range(60):
        text = sentence(rng)
        pairs.append((text, disturb(rng, text)))
    pairs += [("a b c", "c b a"), ("the cat sat on the", "the cat on the mat"), ("  two  spaces ", "two spaces"), ("é à", "e a"), ("", "two words"), ("", "")]
    for length in (30, 130, 400):
        letters = [" ".join(rng.choice("abc") for _ in range(length + rng.randrange(20))) for _ in range(2)]
        pairs.append(tuple(letters))
    def counts(out):
        chunks = [[c.type[0], c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx] for c in out.alignments[0]]
        return {"counts": [out.hits, out.substitutions, out.deletions, out.insertions], "chunks": chunks}
    rows = []
    for reference, hypothesis in pairs:
        words = jiwer.process_words(reference, hypothesis)
        characters = jiwer.process_characters(reference, hypothesis)
        row = {"reference": reference, "hypothesis": hypothesis, "words": counts(words), "characters": {"counts": counts(characters)["counts"]}}
        row["words"].update(wer=words.wer, mer=words.mer, wil=words.wil)
        rows.append(row)
    references, hypotheses = map(list, zip(*pairs))
    write("error_rates", {"pairs": rows, "wer": jiwer.wer(references, hypotheses), "cer": jiwer.cer(references, hypotheses)})


NUMBER_WORDS = "zero oh one two three four five six seven eight nine ten eleven twelve thirteen nineteen twenty thirty ninety hundred thousand million billion first second third fifth twelfth twentieth hundredth thousands sixes twenties ones and point double triple minus plus percent per cent dollars pounds cents euro 3 7 10 100 2.5 2.0 1,000 1960s $20 £5 -3 5% half a dogs".split()

SPEECH = """Mr. Smith won't pay ten thousand dollars; he can't!
I'm gonna take twenty-three apples and a half.
The colour of the grey theatre's catalogue was analysed.
It's [noise] <unk> (laughs) uh, hmm, five o'clock.
One oh one is the room; call double seven triple oh.
two and a half million people, three point one four percent
She's been there, they'd gone. He's got it, we'd done it.
$20 million and 5 cents, £3.50, €0.07, $2 and 7 cents
1,000,000 people in the 1960s, 21st century, the 3 rd time
minus five degrees, negative space, plus one
nineteen eighty four, twenty twenty, two thousand and three
five per cent, five percent, 5 %, percent
a.b. c... d.e 3.5. 1.2.3 v1.2 x.
Café naïve Ærø straße Łódź ½ ² ﬁne ①
y'all'd've ain't let's i'ma imma woulda ma'am
no. 1 ones twenties sixes first second third twentieth one hundredth
Dr. Who, Prof. X, St. Paul Jr., Lt. Col. Gen.
one and two and three and a half and a half
the point is point five, point blank
zero zero seven, o o one, 007, 0.5, .5
thirty two hundred, four hundred twenty one thousand and six
double trouble triple crown double eleven
dollars cents pound per dollar
'tis 'cause rock 'n' roll the dogs' it 's
aeroplane honour travelled centre defence programme jewellery organisation
( ) [ < > ] (a (b) c) ((x)) [a> <b]
""".split("\n")


def whisper():
    """EnglishTextNormalizer and BasicTextNormalizer of transformers; the table of spellings is in whisper-normalizer."""
    import whisper_normalizer
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    table = json.loads((Path(whisper_normalizer.__file__).parent / "normalizers" / "english.json").read_text())
    english, basic = EnglishTextNormalizer(table), BasicTextNormalizer()
    rng = random.Random(5)
    texts = list(SPEECH)
    texts += [sentence(rng) for _ in range(40)]
    texts += [" ".join(rng.choice(NUMBER_WORDS) for _ in range(rng.randrange(1, 9))) for _ in range(600)]
    rows = []
    for text in texts:
        try:
            rows.append([text, english(text), basic(text)])
        except (AssertionError, TypeError):  # "zero point twenty five": the original stops
            continue
    write("whisper", rows)
    # Slips of the table: words that it does not turn into American ones.
    slips = "archaeology archeological flyer / flier battleax pummelled pummelling tranquilly snowploughs cancelation cancelations crenelated".split()
    write("spelling", sorted([word, to] for word, to in table.items() if word not in slips and " " not in word))


def percentiles():
    rng = np.random.default_rng(4)
    rows = []
    for size in (1, 2, 3, 10, 101, 200):
        values = rng.normal(size=size)
        points = [0, 2.5, 5, 50, 90, 97.5, 100]
        rows.append({"values": values.tolist(), "percents": points, "percentiles": np.percentile(values, points).tolist()})
    write("percentiles", rows)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["ptb", "captions", "stems", "error_rates", "whisper", "percentiles"]:
        globals()[name]()
