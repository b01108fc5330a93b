"""Fixtures of the SpeechTokenizer, from the package of its authors (PyPI `speechtokenizer`)."""

import torch
from common import randomize, save, waves
from speechtokenizer import SpeechTokenizer

SIZES = {
    "n_filters": 4, "strides": [4, 3, 2], "dimension": 24, "semantic_dimension": 16, "dilation_base": 2,
    "residual_kernel_size": 3, "lstm_layers": 2, "codebook_size": 32, "codebook_dim": 7, "n_q": 4, "sample_rate": 16000,
}  # fmt: skip
KINDS = {
    "speech_tokenizer_snake": {"activation": "Snake", "bidirectional": True, "n_residual_layers": 1},
    "speech_tokenizer_elu": {"activation": "ELU", "bidirectional": False, "n_residual_layers": 2},
}
# Whole frames, an odd length, shorter than the first kernel, one sample.
LENGTHS = [240, 251, 5, 1]


def main():
    for seed, (name, kind) in enumerate(KINDS.items()):
        config = SIZES | kind
        model = randomize(SpeechTokenizer(config), seed)
        for layer in model.quantizer.vq.layers:
            book = layer._codebook
            book.embed.copy_((0.5 * waves(*book.embed.shape, seed=seed + 9)).half().float())
            book.inited.fill_(1)
        tensors = {}
        with torch.no_grad():
            for length in LENGTHS:
                samples = 0.5 * waves(1, 1, length, seed=length)
                codes = model.encode(samples)
                tensors[f"input.samples_{length}"] = samples
                tensors[f"output.codes_{length}"] = codes[:, 0]
                tensors[f"output.samples_{length}"] = model.decode(codes)
                tensors[f"output.first_two_{length}"] = model.decode(codes[:2])
        weights = {k: v for k, v in model.state_dict().items() if not k.endswith(("embed_avg", "cluster_size", "inited"))}
        save(name, weights, tensors, config)


if __name__ == "__main__":
    main()
