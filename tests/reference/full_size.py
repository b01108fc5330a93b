"""One component at the public checkpoint's full size: the original package with random weights.

    python full_size.py COMPONENT --out DIR [--anygpt AnyGPT] [--seed-repo SEED]

writes DIR/COMPONENT.safetensors (weights rounded to float16, inputs, outputs) and
DIR/COMPONENT.json (configuration, number of parameters, processor seconds of the reference).
`tests/parity_full_size.rs` compares with them. A component takes up to 8 GB of memory and 2.5 GB
of disk; the files may be deleted when they were compared.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import common
import torch
from common import randomize, waves

LLAMA_LAYERS = 4
RESULTS = {}


def timed(name, run):
    """The result of `run`; its time is noted as that of the output `name`.

    The processor's time: unlike that of a clock, other programs hardly change it.
    """
    begin, clock = time.process_time(), time.perf_counter()
    result = run()
    seconds = round(time.process_time() - begin, 3)
    RESULTS.setdefault("seconds", {})[name] = seconds
    print(f"{name}: {seconds} s of the processor, {time.perf_counter() - clock:.1f} s by the clock")
    return result


def refill(parameter, values):
    parameter.data.copy_(values.half().float())


def spread_margin(vectors, codebook):
    """How much farther the second nearest entry is than the nearest, in squared distance
    relative to that of the nearest; the smallest of all vectors."""
    nearest = torch.cdist(vectors.double(), codebook.double()).square().topk(2, largest=False).values
    return ((nearest[:, 1] - nearest[:, 0]) / nearest[:, 0]).min().item()


def note_codes(codes, margin):
    used = codes.unique().numel()
    RESULTS["codes"] = {"count": codes.numel(), "different": used, "smallest_margin": margin}
    print(f"{codes.numel()} codes, {used} different; smallest margin {margin:.1e}")


def llama(_args):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=53516, hidden_size=4096, intermediate_size=11008, num_hidden_layers=LLAMA_LAYERS,
        num_attention_heads=32, num_key_value_heads=32, rms_norm_eps=1e-5, tie_word_embeddings=False,
        attn_implementation="eager",
    )  # fmt: skip
    model = randomize(LlamaForCausalLM(config), 0)
    ids = torch.randint(0, config.vocab_size, (1, 65), generator=torch.Generator().manual_seed(1))
    prompt, step = ids[:, :64], ids[:, 64:]
    read = timed("output.prompt", lambda: model(prompt, use_cache=True))
    stepped = timed("output.step", lambda: model(step, past_key_values=read.past_key_values))
    weights = {k: v for k, v in model.state_dict().items() if "rotary" not in k}
    outputs = {"output.prompt": read.logits, "output.step": stepped.logits[:, 0]}
    return weights, {"input.prompt": prompt, "input.step": step} | outputs, config.to_dict()


def seed(args):
    import seed_tokenizer as small

    small.CONFIG |= {
        "image_size": 224, "patch_size": 14, "vit_width": 1408, "vit_depth": 39, "vit_heads": 16, "qformer_hidden_size": 768,
        "qformer_layers": 12, "qformer_heads": 12, "qformer_intermediate_size": 3072, "codebook_size": 8192, "codebook_dim": 32,
        "reverse_depth": 4, "image_embed_dim": 1024,
    }  # fmt: skip
    model = randomize(small.build(args.seed_repo), 5)
    for name, parameter in model.named_parameters():
        # What else would make all codes alike: even attention to the picture, and what layers and
        # biases add to all queries.
        if name.endswith("crossattention.self.query.weight"):
            refill(parameter, 4 * parameter)
        elif name.startswith("Qformer") and name.endswith(("output.dense.weight", "output_query.dense.weight")):
            refill(parameter, 0.5 * parameter)
        elif name.startswith(("Qformer", "encode_task_layer")) and name.endswith("bias"):
            refill(parameter, 0.25 * parameter)
    refill(model.ln_vision.weight, 1 + 0.2 * waves(1408, seed=9))
    # Of different contrast, so that the pictures differ in more than noise.
    pixels = waves(2, 3, 224, 224, seed=1) * torch.tensor([0.5, 1.5])[:, None, None, None]
    seen = {}

    def note(name):
        return lambda _module, _inputs, output: seen.update({name: output})

    model.visual_encoder.register_forward_hook(note("output.patches"))
    model.encode_task_layer.register_forward_hook(note("output.features"))
    timed("output.features", lambda: model.get_codebook_indices(pixels))
    features = seen["output.features"].reshape(-1, small.CONFIG["codebook_dim"])
    # Spread as the vectors are, so that many codes are used.
    book = model.quantize.embedding.weight
    refill(book, features.mean(0) + features.std(0) * waves(*book.shape, seed=2))
    codes = model.quantize(seen["output.features"])[2].reshape(len(pixels), -1)
    note_codes(codes, spread_margin(features, book))
    embeds = timed("output.image_embeds", lambda: model.get_codebook_entry(codes))
    tensors = {"input.pixels": pixels, "output.codes": codes, "output.image_embeds": embeds} | seen
    return model.state_dict(), tensors, small.CONFIG


def unet(_args):
    import public_shapes

    model = randomize(public_shapes.unet(), 0)
    # As guidance asks for it: both halves see the same prompt, the first no picture.
    sample, states = waves(2, 4, 96, 96, seed=1), waves(1, 77, 1024, seed=2)
    labels = torch.cat([torch.zeros(1, 2048), waves(1, 2048, seed=3)])
    output = timed("output", lambda: model(sample, 951, states.expand(2, -1, -1), class_labels=labels).sample)
    tensors = {"input.sample": sample, "input.states": states, "input.class": labels, "output": output}
    return model.state_dict(), tensors, dict(model.config)


def vae(_args):
    import public_shapes
    from unclip import decoder_only

    model = randomize(public_shapes.vae(), 0)
    latents = waves(1, 4, 96, 96, seed=1)
    pixels = timed("output.pixels", lambda: model.decode(latents).sample)
    tensors = {"input.latents": latents, "output.pixels": pixels}
    return decoder_only(model.state_dict()), tensors, dict(model.config)


def clip_text(_args):
    import public_shapes

    model = randomize(public_shapes.clip_text(), 0)
    # The empty prompt, which is what AnyGPT gives, and a full one.
    empty = torch.tensor([49406, 49407] + 75 * [0])
    full = torch.randint(0, 49406, (77,), generator=torch.Generator().manual_seed(1))
    full[0], full[-1] = 49406, 49407
    ids = torch.stack([empty, full])
    states = timed("output.states", lambda: model(ids).last_hidden_state)
    weights = {k: v for k, v in model.state_dict().items() if "position_ids" not in k}
    weights = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in weights.items()}
    return weights, {"input.ids": ids, "output.states": states}, model.config.to_dict()


def scheduler(_args):
    from unclip import scheduler as make

    made = make()
    made.set_timesteps(20)
    sample = waves(1, 4, 96, 96, seed=0)
    start, outputs, samples = sample, [], []
    for i, timestep in enumerate(made.timesteps):
        outputs.append(waves(1, 4, 96, 96, seed=1000 + i) + 0.3 * sample)
        sample = made.step(outputs[-1], timestep, sample).prev_sample
        samples.append(sample)
    tensors = {
        "input.start": start,
        "input.outputs": torch.stack(outputs),
        "output.timesteps": made.timesteps.to(torch.int64),
        "output.samples": torch.stack(samples),
    }
    return {}, tensors, dict(made.config)


def sound(seconds, rate):
    """Tones that come and go over some noise, so that frames differ."""
    t = torch.arange(int(seconds * rate)) / rate
    tones = [torch.sin(6.2832 * (110 * 2**i + 30 * t) * t) * torch.sin(3.1416 * (i + 1) * t) for i in range(5)]
    return (0.1 * torch.stack(tones).sum(0) + 0.05 * waves(len(t), seed=1))[None, None]


def fill_books(books, features):
    """Codebooks as training leaves them: entries lie near vectors that occur, each divides what
    those before it left over. Returns the smallest margin.
    """
    rest = features[0].T.contiguous()
    margins = []
    for i, book in enumerate(books):
        near = torch.randint(0, len(rest), (len(book),), generator=torch.Generator().manual_seed(50 + i))
        entries = rest[near] + 0.5 * rest.std(0) * waves(*book.shape, seed=100 + i)
        refill(book, entries)
        margins.append(spread_margin(rest, book))
        rest = rest - book[torch.cdist(rest.double(), book.double()).argmin(1)]
    return min(margins)


def without_training_state(state):
    return {k: v for k, v in state.items() if not k.endswith(("embed_avg", "cluster_size", "inited"))}


def speech_tokenizer(_args):
    import public_shapes

    config = {
        "n_filters": 64, "strides": [8, 5, 4, 2], "dimension": 1024, "semantic_dimension": 768, "bidirectional": True, "dilation_base": 2,
        "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 2, "activation": "Snake", "codebook_size": 1024, "n_q": 8,
        "sample_rate": 16000,
    }  # fmt: skip
    model = randomize(public_shapes.speech_tokenizer(), 0)
    for i, (name, parameter) in enumerate(model.named_parameters()):
        if name.endswith("alpha"):  # about 1, where training begins
            refill(parameter, 1 + 0.2 * waves(*parameter.shape, seed=i))
    samples = sound(3, 16000)
    layers = model.quantizer.vq.layers
    for layer in layers:
        layer._codebook.inited.fill_(1)
    margin = fill_books([layer._codebook.embed for layer in layers], model.encoder(samples))
    codes = timed("output.codes", lambda: model.encode(samples))
    note_codes(codes, margin)
    decoded = timed("output.samples", lambda: model.decode(codes))
    tensors = {"input.samples": samples, "output.codes": codes[:, 0], "output.samples": decoded}
    return without_training_state(model.state_dict()), tensors, config


def encodec(_args):
    import public_shapes

    # ELU takes from the signal what a gain of 1 would keep.
    model = randomize(public_shapes.encodec(), 0, gain=1.5)
    samples = sound(2, 32000)
    margin = fill_books([layer.codebook.embed for layer in model.quantizer.layers], model.encoder(samples))
    codes = timed("output.codes", lambda: model.encode(samples, bandwidth=2.2).audio_codes)
    note_codes(codes, margin)
    decoded = timed("output.samples", lambda: model.decode(codes, [None]).audio_values)
    tensors = {"input.samples": samples, "output.codes": codes[0, 0], "output.samples": decoded}
    return without_training_state(model.state_dict()), tensors, model.config.to_dict()


def soundstorm(args):
    import soundstorm as small

    module = small.reference(args.anygpt)
    # anygpt/src/infer/voice_clone.py; what is left out has the conformer's defaults.
    conformer = dict(dim=1024, depth=12, heads=8, dim_head=128, attn_flash=False)
    net = module.ConformerWrapper(codebook_size=1024, num_quantizers=7, conformer=conformer)
    model = randomize(
        module.SoundStorm(net, num_semantic_token_ids=1024, semantic_pad_id=1024, pad_id=1024, schedule="cosine"), 0
    )
    for i, (name, parameter) in enumerate(model.named_parameters()):
        # Norms whose names do not say so, and a product of three axes, which `randomize` makes too small.
        if name.endswith(("to_logits.0.weight", "conv.net1.0.weight", "gamma")):
            refill(parameter, 1 + 0.2 * waves(*parameter.shape, seed=i))
        if name == "net.to_logits.2.weight":
            refill(parameter, 2 / 1024**0.5 * waves(*parameter.shape, seed=i))
        # What else would make all frames alike: what blocks and biases add to all.
        if name.endswith(("fn.net.3.weight", "to_out.weight", "conv.net2.2.weight")):
            refill(parameter, 0.5 * parameter)
        elif name.endswith("bias"):
            refill(parameter, 0.25 * parameter)
    # Louder than the seven equal embeddings of masked codes.
    model.semantic_token_emb.weight.data.mul_(4)
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randint(0, 1024, shape, generator=generator)
    semantic, prompt = draw(1, 150), draw(1, 50, 8)
    table, table_semantic = torch.randint(0, 1025, (1, 200, 7), generator=generator), draw(1, 200)
    cond = model.semantic_token_emb(table_semantic)
    logits = timed("output.logits", lambda: model.net(table.flatten(1), cond=cond)).view(200, 7, 1024)
    noise = []

    def gumbel_noise(t):
        noise.append(torch.rand(t.shape, generator=generator))
        return -module.log(-module.log(noise[-1]))

    module.gumbel_noise = gumbel_noise
    made = timed("output.codes", lambda: model.generate(semantic, prompt, steps=3))
    best = logits.topk(2).values
    note_codes(made[..., 1:], (best[..., 0] - best[..., 1]).min().item() / logits.std().item())
    tensors = {
        "input.table": table[0],
        "input.table_semantic": table_semantic[0],
        "input.semantic": semantic[0],
        "input.prompt": prompt[0],
        # The first pass is at temperature 0, where noise is nothing.
        "input.noise": torch.stack(noise[1:])[:, 0],
        "output.logits": logits,
        "output.codes": made[0],
    }
    config = dict(dim=1024, depth=12, heads=8, dim_head=128, ff_mult=4, conv_expansion_factor=2, conv_kernel_size=31)
    return model.state_dict(), tensors, config | dict(num_quantizers=7, codebook_size=1024)


def clip(_args):
    import judge_shapes

    model = randomize(judge_shapes.clip(), 0)
    pixels = waves(2, 3, 224, 224, seed=1)
    short = torch.tensor([49406, 320, 1125, 539, 320, 2368, 49407] + 70 * [49407])
    full = torch.randint(0, 49406, (77,), generator=torch.Generator().manual_seed(1))
    full[0], full[-1] = 49406, 49407
    ids = torch.stack([short, full])
    images = timed("output.images", lambda: model.get_image_features(pixels).pooler_output)
    texts = timed("output.texts", lambda: model.get_text_features(ids).pooler_output)
    tensors = {"input.pixels": pixels, "input.ids": ids}
    for name, embeds in [("images", images), ("texts", texts)]:
        tensors[f"output.{name}"] = embeds / embeds.norm(dim=-1, keepdim=True)
    weights = {k: v for k, v in model.state_dict().items() if "position_ids" not in k}
    return weights, tensors, model.config.to_dict()


def clap(_args):
    import judge_shapes
    from clap import MIDDLE_48K, fill_statistics
    from judges import music

    model = randomize(judge_shapes.clap(), 0)
    fill_statistics(model, 0)
    # Twelve seconds, of which the network hears the middle ten.
    sound = music(576_000, 48_000)
    features = timed("output.features", lambda: MIDDLE_48K(sound, sampling_rate=48_000, return_tensors="pt")["input_features"])
    ids = torch.randint(3, 50_000, (1, 40), generator=torch.Generator().manual_seed(1))
    ids[0, 0], ids[0, -1] = 0, 2
    tensors = {"input.sound": torch.from_numpy(sound), "input.ids": ids, "output.features": features}
    tensors["output.sounds"] = timed("output.sounds", lambda: model.get_audio_features(features).pooler_output)
    tensors["output.texts"] = timed("output.texts", lambda: model.get_text_features(ids).pooler_output)
    weights = {k: v for k, v in model.state_dict().items() if not k.endswith(judge_shapes.BUFFERS)}
    return weights, tensors, model.config.to_dict()


COMPONENTS = [llama, seed, unet, vae, clip_text, scheduler, speech_tokenizer, encodec, soundstorm, clip, clap]


@torch.no_grad()
def main():
    makers = {maker.__name__: maker for maker in COMPONENTS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("component", choices=makers)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--anygpt", help="checkout of OpenMOSS/AnyGPT, for soundstorm")
    parser.add_argument("--seed-repo", help="checkout of AILab-CVC/SEED, for seed")
    args = parser.parse_args()
    if args.component == "soundstorm" and not args.anygpt:
        parser.error("soundstorm needs --anygpt")
    if args.component == "seed" and not args.seed_repo:
        parser.error("seed needs --seed-repo")
    weights, tensors, config = makers[args.component](args)
    for name, value in tensors.items():
        if value.is_floating_point():
            print(f"{name} {list(value.shape)}: root mean square {value.square().mean().sqrt():.3g}")
    common.FIXTURES = args.out
    parameters = sum(v.numel() for v in weights.values() if v.is_floating_point())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "darwin" else 1024)
    about = {"parameters": parameters, "threads": torch.get_num_threads(), "peak_mib": peak} | RESULTS
    common.save(args.component, weights, tensors, {"config": config} | about)


if __name__ == "__main__":
    main()
