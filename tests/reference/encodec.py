"""Fixtures of EnCodec, from transformers' `EncodecModel`."""

import torch
from common import randomize, save, waves
from transformers import EncodecConfig, EncodecModel

KINDS = {
    "encodec_plain": {"use_conv_shortcut": False, "num_residual_layers": 1},
    "encodec_shortcut": {"use_conv_shortcut": True, "num_residual_layers": 2},
}
LENGTHS = [240, 251, 5, 1]


def main():
    for seed, (name, kind) in enumerate(KINDS.items()):
        config = EncodecConfig(
            sampling_rate=1200, audio_channels=1, normalize=False, num_filters=4, upsampling_ratios=[4, 3, 2], hidden_size=16,
            codebook_size=32, codebook_dim=16, target_bandwidths=[1.0], use_causal_conv=False, pad_mode="reflect", **kind,
        )  # fmt: skip
        model = randomize(EncodecModel(config), seed)
        assert config.num_quantizers == 4
        for layer in model.quantizer.layers:
            layer.codebook.embed.copy_((0.5 * waves(32, 16, seed=seed + 9)).half().float())
        tensors = {}
        with torch.no_grad():
            for length in LENGTHS:
                samples = 0.5 * waves(1, 1, length, seed=length)
                codes = model.encode(samples, bandwidth=1.0).audio_codes
                tensors[f"input.samples_{length}"] = samples
                tensors[f"output.codes_{length}"] = codes[0, 0]
                tensors[f"output.samples_{length}"] = model.decode(codes, [None]).audio_values
        weights = {k: v for k, v in model.state_dict().items() if not k.endswith(("embed_avg", "cluster_size", "inited"))}
        if seed == 0:  # the spelling of the published checkpoint
            weights = {k.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): v for k, v in weights.items()}
        save(name, weights, tensors, config.to_dict())


if __name__ == "__main__":
    main()
