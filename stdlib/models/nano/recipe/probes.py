"""Networks that judge sound and are no part of nano: who speaks, and what is played.

The speaker network is Resemblyzer's (GE2E, Wan et al. 2018) with the weights inside its package.
The music probe is trained here, on melodies of its own: a small CNN hears instrument, tempo and
register, and the mode is the likelier one of the notes under `music_data.melody`'s rules.
"""

import itertools
import random
import types
from importlib.util import find_spec
from pathlib import Path

import data
import music_data
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers.audio_utils import mel_filter_bank

RATE = 16000


def mel_bands(size, bands):
    """(size / 2 + 1, bands), as librosa makes them."""
    return torch.tensor(mel_filter_bank(size // 2 + 1, bands, 0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"), dtype=torch.float32)


def spectrum(wave, size, hop, power=2, pad="constant"):
    """(…, samples) → (…, frames, bins)"""
    made = torch.stft(wave, size, hop, window=torch.hann_window(size), pad_mode=pad, return_complex=True)
    return made.abs().pow(power).transpose(-1, -2)


class Speaker(nn.Module):
    """Samples at 16 kHz → embedding of the voice. The package's own code needs librosa and webrtcvad."""

    def __init__(self):
        super().__init__()
        self.lstm, self.linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)
        weights = Path(find_spec("resemblyzer").origin).parent / "pretrained.pt"
        state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        assert not self.load_state_dict(state, strict=False).missing_keys
        self.bands = mel_bands(400, 40)

    @torch.no_grad()
    def forward(self, audio):
        wave = torch.as_tensor(np.asarray(audio, dtype=np.float32))
        # Raised to -30 dB of full scale, never lowered.
        wave = wave * (10 ** (-30 / 20) / wave.square().mean().sqrt()).clamp(min=1)
        frames = spectrum(wave, 400, 160) @ self.bands
        step = round(RATE / 1.3 / 160)
        starts = list(range(0, max(1, len(frames) - 160 + step + 1), step))
        if len(starts) > 1 and (len(wave) / 160 - starts[-1]) / 160 < 0.75:
            starts.pop()
        frames = F.pad(frames, (0, 0, 0, max(0, starts[-1] + 160 - len(frames))))
        hidden = self.lstm(torch.stack([frames[i : i + 160] for i in starts]))[1][0][-1]
        parts = F.normalize(self.linear(hidden).relu())
        return F.normalize(parts.mean(0), dim=0)


# ---- what is played -----------------------------------------------------------------------

HEARD = {"instrument": list(music_data.INSTRUMENTS), "tempo": list(music_data.TEMPI), "register": music_data.REGISTERS}
WORDS = {**HEARD, "mode": list(music_data.MODES)}
CHECKPOINT = data.WORK / "music_probe.pt"
LENGTH, HOP, MELS = int(RATE * music_data.SECONDS), 320, 96
LOWEST, NOTES = 24, 84  # in MIDI's numbers
PARTIALS = {0: 1.0, 12: 0.8, 19: 0.6, 24: 0.5, 28: 0.4}  # semitones above the note → weight


def melodies(name, each):
    """Clips of every kind that nano has not heard: rows, (n, samples) in -1..1."""
    held = music_data.random, music_data.PER_KIND
    # The renderer's seeds are the instruments; other seeds make other melodies.
    music_data.random = types.SimpleNamespace(Random=lambda seed: random.Random(f"{name} {seed}"))
    music_data.PER_KIND = each
    made = [music_data.play(instrument) for instrument in music_data.INSTRUMENTS]
    music_data.random, music_data.PER_KIND = held
    rows = [row | {"text": music_data.caption(row), "held_out": music_data.held_out(row["instrument"], row["tempo"])} for part, _ in made for row in part]
    return rows, np.concatenate([clips for _, clips in made]).astype(np.float32) / 32768


def semitones():
    """(2049, NOTES): triangles a semitone to each side."""
    bins = torch.arange(2049).clamp(min=1) * RATE / 4096
    notes = 12 * torch.log2(bins / 440) + 69 - LOWEST
    return (1 - (notes[:, None] - torch.arange(NOTES)).abs()).clamp(min=0)


def features(clips):
    """Clips of any lengths → log-mel (n, 1, MELS, 101) and log-semitones (n, 1, NOTES, 101)"""
    cut = [torch.as_tensor(np.array(clip[:LENGTH], dtype=np.float32)) for clip in clips]
    wave = torch.stack([F.pad(clip, (0, LENGTH - len(clip))) for clip in cut])
    wave = wave / wave.abs().amax(1, keepdim=True).clamp(min=1e-4)
    shape = lambda size, bands: (spectrum(wave, size, HOP, power=1) @ bands).clamp(min=1e-2).log().transpose(1, 2)[:, None]
    return shape(1024, mel_bands(1024, MELS) * 50), shape(4096, semitones())


class Tower(nn.Sequential):
    def __init__(self, bands):
        layers, width = [], 1
        for out, size in [(16, 5), (32, 3), (64, 3)]:
            layers += [nn.Conv2d(width, out, size, stride=2, padding=size // 2), nn.BatchNorm2d(out), nn.ReLU()]
            width = out
        super().__init__(*layers)
        self.out = 2 * 64 * -(-bands // 8)

    def forward(self, x):
        x = super().forward(x).flatten(1, 2)
        return torch.cat([x.mean(-1), x.std(-1)], 1)


class Probe(nn.Module):
    def __init__(self):
        super().__init__()
        self.sound, self.notes = Tower(MELS), Tower(NOTES)
        self.middle = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.sound.out + self.notes.out, 128), nn.ReLU(), nn.Dropout(0.3))
        self.heads = nn.ModuleDict({kind: nn.Linear(128, len(words)) for kind, words in HEARD.items()})

    def forward(self, mels, notes):
        x = self.middle(torch.cat([self.sound(mels), self.notes(notes)], 1))
        return {kind: head(x) for kind, head in self.heads.items()}

    @torch.no_grad()
    def words(self, clips):
        """What is heard in each clip: a word of each kind."""
        mels, notes = features(clips)
        heard = {kind: logits.argmax(1).tolist() for kind, logits in self.eval()(mels, notes).items()}
        rows = [{kind: words[heard[kind][i]] for kind, words in HEARD.items()} for i in range(len(clips))]
        return [row | {"mode": mode} for row, mode in zip(rows, modes(rows, notes[:, 0].transpose(1, 2)))]


def modes(rows, notes):
    """The likelier mode of each clip, over all roots and all ways along the scale.

    rows say instrument, tempo and register; notes are (n, frames, NOTES). A minor scale has the
    notes of a major one, so that even from the notes themselves 88 % is the most there is.
    """
    count = notes.shape[-1]
    notes = F.pad(notes, (0, max(PARTIALS)), value=-4.6)
    emit = sum(weight * notes[..., up : up + count] for up, weight in PARTIALS.items()).log_softmax(-1)
    degrees, scales = range(-2, 10), music_data.MODES.values()
    walk = torch.zeros(12, 12)
    for at, step in itertools.product(range(12), [-4, 4] + 2 * [-2, 2] + 4 * [-1, 1]):
        walk[at, min(11, max(0, at + step))] += 1 / 14
    above = torch.tensor([[[root + 12 * (d // 7) + scale[d % 7] for d in degrees] for root in range(8)] for scale in scales])
    low = torch.tensor([music_data.INSTRUMENTS[r["instrument"]][1 + music_data.REGISTERS.index(r["register"])] for r in rows])
    # A note takes its beat, now and then two.
    leave = torch.tensor([HOP / RATE / (1.15 * music_data.TEMPI[r["tempo"]]) for r in rows])[:, None, None]
    change = ((1 - leave) * torch.eye(12) + leave * walk).log()[:, None, None]
    which = (low[:, None, None, None] + above - LOWEST).flatten(1)
    emit = emit.gather(2, which[:, None].expand(-1, emit.shape[1], -1)).unflatten(2, above.shape)
    begin = torch.tensor([0.0 if d in (0, 2, 4, 7) else -30.0 for d in degrees])
    state = begin + emit[:, 0]
    for now in emit.unbind(1)[1:]:
        state = (state[..., None] + change).logsumexp(-2) + now
    return [list(music_data.MODES)[i] for i in state.flatten(2).logsumexp(-1).argmax(1).tolist()]


def worsened(x):
    """Dull above any band, every second time, and with a noise floor of any height."""
    n, _, bands, _ = x.shape
    cut, slope = torch.rand(n, 1, 1, 1) * bands, torch.rand(n, 1, 1, 1) * 0.4 * (torch.rand(n, 1, 1, 1) < 0.5)
    x = x - slope * (torch.arange(bands)[:, None] - cut).clamp(min=0)
    return torch.maximum(x, torch.empty(n, 1, 1, 1).uniform_(-4.6, 0))


def train(epochs=16, batch=64):
    rows, clips = melodies("probe", 26)
    parts = [features(clips[i : i + 128]) for i in range(0, len(clips), 128)]
    mels, notes = (torch.cat(part) for part in zip(*parts))
    targets = {kind: torch.tensor([words.index(row[kind]) for row in rows]) for kind, words in HEARD.items()}
    torch.manual_seed(6)
    model, rng = Probe(), random.Random(6)
    steps = epochs * (len(rows) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for step in range(steps):
        some = torch.tensor(rng.sample(range(len(rows)), batch))
        # Instruments shall be known in bad sound too. And the same notes a little higher or lower.
        heard = model.train()(worsened(mels[some]), worsened(notes[some]).roll(rng.randint(-2, 2), 2))
        loss = sum(F.cross_entropy(heard[kind], targets[kind][some]) for kind in HEARD)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            print(f"probe {step + 1}/{steps} {loss.item():.3f}", flush=True)
    part = CHECKPOINT.with_suffix(".part")
    torch.save(model.state_dict(), part)
    part.replace(CHECKPOINT)


def probe():
    """Trained once and kept."""
    if not CHECKPOINT.exists():
        train()
    model = Probe()
    model.load_state_dict(torch.load(CHECKPOINT, weights_only=True))
    return model.eval()
