"""Fixtures of WavLM's x-vectors, from transformers' `Wav2Vec2FeatureExtractor` and `WavLMForXVector`."""

import torch
from common import randomize, save, waves
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

KINDS = {
    # As microsoft/wavlm-base-plus-sv: a norm per channel, norms behind, a weighted sum of layers.
    "wavlm_group": dict(feat_extract_norm="group", do_stable_layer_norm=False, use_weighted_layer_sum=True, conv_bias=False, num_conv_pos_embeddings=16),
    # As those of the size of wavlm-large: norms per step, norms first.
    "wavlm_layer": dict(feat_extract_norm="layer", do_stable_layer_norm=True, use_weighted_layer_sum=True, conv_bias=True, num_conv_pos_embeddings=16),
    # The last state only, an odd kernel of positions.
    "wavlm_last": dict(feat_extract_norm="layer", do_stable_layer_norm=True, use_weighted_layer_sum=False, conv_bias=False, num_conv_pos_embeddings=7),
}  # fmt: skip
NORMALIZED = {"wavlm_group": False, "wavlm_layer": True, "wavlm_last": True}
LENGTHS = [1500, 617]


@torch.no_grad()
def main():
    for seed, (name, kind) in enumerate(KINDS.items()):
        config = WavLMConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40, conv_dim=[12, 16, 20],
            conv_stride=[5, 2, 2], conv_kernel=[10, 3, 2], num_conv_pos_embedding_groups=4, num_buckets=16,
            max_bucket_distance=30, tdnn_dim=[24, 24, 24, 24, 28], xvector_output_dim=20, num_labels=3,
            mask_time_prob=0.0, attn_implementation="eager", **kind,
        )  # fmt: skip
        model = randomize(WavLMForXVector(config), seed + 20)
        attention = model.wavlm.encoder.layers[0].attention
        # Embeddings of distances that matter beside the scores.
        attention.rel_attn_embed.weight.copy_(waves(16, 4, seed=seed).half().float())
        if config.use_weighted_layer_sum:
            model.layer_weights.copy_(waves(4, seed=seed + 5).half().float())
        extractor = Wav2Vec2FeatureExtractor(do_normalize=NORMALIZED[name])
        tensors = {}
        for length in LENGTHS:
            samples = 0.2 * waves(length, seed=length) + 0.05
            values = extractor(samples.numpy(), sampling_rate=16000, return_tensors="pt").input_values
            tensors[f"input.samples_{length}"] = samples
            states = model.wavlm(values, output_hidden_states=True)
            for place, state in enumerate(states.hidden_states):
                tensors[f"output.state_{place}_{length}"] = state
            tensors[f"output.vector_{length}"] = model(values).embeddings
        vectors = [tensors[f"output.vector_{length}"][0] for length in LENGTHS]
        tensors["output.cosine"] = torch.nn.functional.cosine_similarity(*vectors, dim=0).reshape(1)
        unused = ("classifier.", "objective.")
        weights = {k: v for k, v in model.state_dict().items() if not k.startswith(unused)}
        if name == "wavlm_group":  # the spelling of the published checkpoint
            weights = {k.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): v for k, v in weights.items()}
        save(name, weights, tensors, {"config": config.to_dict(), "preprocessor": extractor.to_dict()})


if __name__ == "__main__":
    main()
