"""What the trainings of the two audio codecs share: their start, their loss and their two parts.

In the first part all is trained, the codebooks from step `BARE` on. In the second the encoder and
the codebooks stay as they are, rounded to what is shipped, so that the codes of all recordings are
final and the language model and SoundStorm can learn them while the decoder goes on learning.
"""

import math
import time

import torch
from torch import nn

BARE = 200  # steps of the first part without codebooks
# Steps for each stride, outermost first, while the codec grows: tones are found only in this way.
GROW = 150
WINDOWS = {n: torch.hann_window(n) for n in (256, 512, 1024, 2048)}


def settle(path, wave):
    """Scales each convolution so that what it puts out has deviation 1, the last one that of `wave`.

    With PyTorch's usual start 2 % of the signal reaches the codebooks and the codec stays at
    silence for thousands of steps (Mishkin and Matas 2016, "All you need is a good init").
    """
    gain = lambda m: m.weight_g if hasattr(m, "weight_g") else m.parametrizations.weight.original0
    convolutions = [m for m in path.modules() if hasattr(m, "weight_g") or hasattr(m, "parametrizations")]

    def scale(module, _, out):
        by = (wave.std() if module is convolutions[-1] else 1.0) / out.std()
        gain(module).mul_(by)
        module.bias.mul_(by)
        return out * by

    with torch.no_grad():
        hooks = [m.register_forward_hook(scale) for m in convolutions]
        path(wave)
        for hook in hooks:
            hook.remove()


def spectral(made, real, floor=1e-2):
    """Distance of short-time spectra at four resolutions (Yamamoto et al. 2020, section 2.2)."""
    total = 0.0
    for n, window in WINDOWS.items():
        size = lambda x: torch.stft(x, n, n // 4, window=window, return_complex=True).abs()
        a, b = size(made), size(real)
        total = total + (b - a).norm() / b.norm() + ((b + floor).log() - (a + floor).log()).abs().mean()
    return total / len(WINDOWS)


def raised(wave):
    """Pre-emphasis: highs raised by about as much as sounds have less of them.

    A loss on the bare waveform hears the loudest, lowest part alone: nothing above 1 kHz was left, and
    no word was to be understood. So lows are to be near as a wave, and highs as a spectrum.
    """
    return wave[:, 1:] - 0.97 * wave[:, :-1]


def rate(step, first, steps):
    """Of the first part, constant with a short decay at its end; of the second, a cosine."""
    if step < first:
        return min(1, (step + 1) / 100) * min(1, 0.1 + (first - step) / (0.3 * first))
    return min(1, (step - first + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * (step - first) / max(1, steps - first))) + 0.01


def outermost(encoder, decoder, wave, count):
    """Through the first strides of the encoder's layers and the last ones of the decoder's."""
    for layer in [*encoder[: 1 + 3 * count], *decoder[2 + 3 * (4 - count) :]]:
        wave = layer(wave)
    return wave


def quicken(quantizer, frames, size):
    """Codes are given up when they are used a tenth as often as all are on average."""
    for module in quantizer.modules():
        if hasattr(module, "threshold_ema_dead_code"):
            module.threshold_ema_dead_code = 0.1 * frames / size


def freeze(encoder, quantizer):
    with torch.no_grad():
        for module in (encoder, quantizer):
            for tensor in [*module.parameters(), *module.buffers()]:
                if tensor.is_floating_point():
                    tensor.copy_(tensor.bfloat16().float())


def train(model, pieces, checkpoint, *, encode, beside, first, steps, seed_rate, report, grown=()):
    """Trains `model` (encoder, quantizer, decoder) and keeps it in `checkpoint`; resumes from there.

    `grown`: the layers of encoder and decoder, where the codec begins with one stride.

    `pieces(step)` → (n, samples) of sound and what else `beside` needs; `beside(vector, more)` is a
    loss of the first codebook's vectors; `encode(model, wave, step)` → what the decoder gets, the
    first codebook's vectors, the commitment loss. `report(model)` is called when it is saved.
    """
    parameters = [*model.parameters(), *(beside.parameters() if beside else [])]
    optimizer = torch.optim.AdamW(parameters, lr=seed_rate, betas=(0.8, 0.98), weight_decay=0.0)
    frozen = checkpoint.with_suffix(".encoder.pt")
    start, more = 0, {"beside": beside} if beside else {}
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        for name, module in more.items():
            module.load_state_dict(saved[name])
        start = saved["step"]
        if start >= first:
            freeze(model.encoder, model.quantizer)
    else:
        settle(nn.Sequential(model.encoder, model.decoder), pieces(0)[0][:, None])
    growth = 4 * GROW if grown else 0
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    begun, sums = time.time(), torch.zeros(4)
    for step in range(start, steps):
        if step == first and not frozen.exists():
            freeze(model.encoder, model.quantizer)
            keep(frozen, {"model": model.state_dict(), **{name: m.state_dict() for name, m in more.items()}})
        for group in optimizer.param_groups:
            group["lr"] = seed_rate * rate(step, first, steps)
        wave, *rest = pieces(step)
        model.train()
        commit = other = torch.zeros(())
        if step >= first:
            model.eval()
            with torch.no_grad():
                given, _, _ = encode(model, wave[:, None], step)
            model.train()
        elif step < growth:
            made = outermost(*grown, wave[:, None], 1 + step // GROW)
        elif step < growth + BARE:
            given = vectors = model.encoder(wave[:, None])
        else:
            given, vectors, commit = encode(model, wave[:, None], step)
        if beside and growth <= step < first:
            other = beside(vectors, *rest)
        made = (made if step < growth else model.decoder(given))[:, 0]
        far, near = spectral(raised(made), raised(wave)), (made - wave).abs().mean() / wave.abs().mean()
        loss = far + near + 0.25 * commit + 0.5 * other
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        sums += torch.stack([x.detach() for x in (far, near, commit, other)])
        if (step + 1) % 100 == 0:
            print(f"{step + 1} {time.time() - begun:.0f}s", *(f"{n} {v:.3f}" for n, v in zip(("spectral", "wave", "commit", "beside"), sums / 100)), flush=True)
            sums.zero_()
        if step >= growth + BARE and ((step + 1) % 500 == 0 or step + 1 == steps):
            keep(checkpoint, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1, **{name: m.state_dict() for name, m in more.items()}})
            model.eval()
            with torch.no_grad():
                print("  ", report(model), flush=True)


def keep(path, state):
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
