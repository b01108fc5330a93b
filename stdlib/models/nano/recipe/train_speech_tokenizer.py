"""Trains the speech tokenizer: SEANet with a BiLSTM, eight codebooks, the first of which carries words.

The network is the reference's (PyPI `speechtokenizer`) in nano's size. HuBERT, which the
reference distils into the first codebook, is replaced by what is known here: the text. A small
head spells each utterance from the first codebook alone (CTC), so that its codes say what is
said and leave how it sounds to the other seven. Resumes from its checkpoint.
"""

import argparse
import math
import random
import time

import data
import numpy as np
import speech_data
import torch
import torch.nn.functional as F
from codec_training import distance, growing, outermost, rate, strides
from speechtokenizer import SpeechTokenizer
from torch import nn

CHECKPOINT = data.WORK / "speech_tokenizer.pt"
CONFIG = {
    "n_filters": 8, "strides": [8, 5, 4, 2], "dimension": 128, "semantic_dimension": 128, "bidirectional": True,
    "dilation_base": 2, "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 2, "activation": "Snake",
    "codebook_size": 512, "n_q": 8, "sample_rate": 16000,
}  # fmt: skip
FIRST = 4000  # steps of the first part
HOP = math.prod(CONFIG["strides"])
LETTERS = " abcdefghijklmnopqrstuvwxyz"


def letters(sentence):
    return [LETTERS.index(c) + 1 for c in sentence.lower() if c in LETTERS]


class Speller(nn.Module):
    """(batch, frames, 128) → log-probabilities of letters, blank first."""

    def __init__(self, width=CONFIG["dimension"], hidden=128):
        super().__init__()
        self.near = nn.Conv1d(width, hidden, 5, padding=2)
        self.far = nn.GRU(hidden, hidden, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, len(LETTERS) + 1)

    def forward(self, x):
        x = F.gelu(self.near(x.transpose(1, 2))).transpose(1, 2)
        return self.head(self.far(x)[0]).log_softmax(-1)


def spelled(log_probabilities):
    """The likeliest letters of one utterance."""
    best = log_probabilities.argmax(-1).tolist()
    kept = [b for a, b in zip([0, *best], best) if b != a and b]
    return "".join(LETTERS[b - 1] for b in kept)


class Utterances:
    def __init__(self, keep):
        rows, self.samples = speech_data.load()
        self.rows = [row for row in rows if keep(row)]

    def batch(self, which):
        """(n, samples) padded with silence to whole frames, frames of each, texts"""
        rows = [self.rows[i] for i in which]
        most = -(-max(row["count"] for row in rows) // HOP) * HOP
        out = torch.zeros(len(rows), most)
        for to, row in zip(out, rows):
            cut = self.samples[row["first"] : row["first"] + row["count"]]
            to[: len(cut)] = torch.from_numpy(np.array(cut, dtype=np.float32) / 32768)
        return out, [-(-row["count"] // HOP) for row in rows], [row["text"] for row in rows]


def trained_on(row):
    return row["voice"] != speech_data.HELD_OUT_VOICE and not speech_data.held_out(row["text"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6400)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(3)
    train = Utterances(trained_on)
    test = Utterances(lambda row: row["voice"] != speech_data.HELD_OUT_VOICE and speech_data.held_out(row["text"]))
    order = sorted(range(len(train.rows)), key=lambda i: train.rows[i]["count"])
    model, speller = SpeechTokenizer(CONFIG), Speller()
    parameters = [*model.parameters(), *speller.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.8, 0.98), weight_decay=0.0)
    start = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(saved["model"])
        speller.load_state_dict(saved["speller"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(train.rows)} utterances", flush=True)
    begun, sums = time.time(), np.zeros(4)
    for step in range(start, args.steps):
        rng = random.Random(step)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * rate(step, args.steps, FIRST)
        # Utterances of about the same length, so that little is padding.
        middle = rng.randrange(len(order) - 200)
        wave, frames, texts = train.batch(rng.sample(order[middle : middle + 200], args.batch))
        model.train()
        made, ctc, commit = None, torch.zeros(()), torch.zeros(())
        if growing(step) and strides(step) < 5:
            made = outermost(model.encoder.model, model.decoder.model, wave.unsqueeze(1), strides(step))
        elif growing(step):
            encoded = model.encoder(wave.unsqueeze(1))
            made, first = model.decoder(encoded), encoded.transpose(1, 2)
        else:
            # Now and then only the first books, so that each adds to those before it.
            books = 8 if rng.random() < 0.6 else rng.randint(1, 8)
            made, commit, first = model(wave.unsqueeze(1), n_q=books)
            commit = commit.mean()
        if strides(step) == 5:
            text = [letters(t) for t in texts]
            ctc = F.ctc_loss(speller(first).transpose(0, 1), torch.tensor(sum(text, [])), torch.tensor(frames), torch.tensor([len(t) for t in text]), zero_infinity=True)
        loss, real, near = distance(made[:, 0], wave, step, FIRST)
        loss = loss + (0.5 if step < FIRST else 1.0) * ctc + 0.25 * commit
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        sums += [float(x.detach()) for x in (real, near, ctc, commit)]
        if (step + 1) % 100 == 0:
            real, near, ctc, commit = sums / 100
            sums[:] = 0
            print(f"{step + 1} {time.time() - begun:.0f}s spectral {real:.3f} wave {near:.4f} letters {ctc:.3f} commit {commit:.4f}", flush=True)
        if (step + 1) % 500 == 0 or step + 1 == args.steps:
            part = CHECKPOINT.with_suffix(".part")
            torch.save({"model": model.state_dict(), "speller": speller.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, part)
            part.replace(CHECKPOINT)
            if growing(step):
                continue
            model.eval()
            with torch.no_grad():
                wave, frames, texts = test.batch(range(8))
                codes = model.encode(wave.unsqueeze(1))
                said = speller(model.quantizer.decode(codes[:1]).transpose(1, 2))
            print("  ", *[f"{t} = {spelled(s[:n])}" for t, s, n in zip(texts[:4], said, frames)], sep=" | ", flush=True)
            print("   codes used:", [len(book.unique()) for book in codes], flush=True)


if __name__ == "__main__":
    main()
