"""Whisper and WavLM at the size of public checkpoints, as `full_size.py` does it for a model's parts.

    python full_size_speech.py whisper|wavlm --out DIR

`tests/parity_full_size_speech.rs` compares with the files.
"""

import full_size
import torch
from common import randomize, waves
from full_size import timed

RATE = 16000


def sound(seconds):
    """Noise whose loudness changes, and a tone."""
    count = int(seconds * RATE)
    time = torch.arange(count) / RATE
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * time)
    return (0.1 * waves(count, seed=7) + tone) * (1 + torch.sin(3 * time)) / 2


def whisper(_args):
    """The sizes of openai/whisper-base; larger ones are more of the same layers, and wider."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
    from transformers.modeling_outputs import BaseModelOutput

    config = WhisperConfig(
        vocab_size=51865, num_mel_bins=80, d_model=512, encoder_layers=6, encoder_attention_heads=8,
        encoder_ffn_dim=2048, decoder_layers=6, decoder_attention_heads=8, decoder_ffn_dim=2048,
        attn_implementation="eager",
    )  # fmt: skip
    model = randomize(WhisperForConditionalGeneration(config), 1)
    samples = sound(30)
    extractor = WhisperFeatureExtractor()
    extract = lambda: extractor(samples.numpy(), sampling_rate=RATE).input_features  # noqa: E731
    mels = torch.tensor(timed("output.spectrogram", extract))
    states = timed("output.states", lambda: model.model.encoder(mels).last_hidden_state)
    ids = torch.randint(0, config.vocab_size, (1, 12), generator=torch.Generator().manual_seed(2))
    seen = BaseModelOutput(last_hidden_state=states)
    logits = timed("output.logits", lambda: model(encoder_outputs=seen, decoder_input_ids=ids).logits)
    text = ids[:, :4]
    for _ in range(8):
        scores = model(encoder_outputs=seen, decoder_input_ids=text).logits[:, -1]
        text = torch.cat([text, scores.argmax(-1, keepdim=True)], 1)
    weights = {k: v for k, v in model.state_dict().items() if k != "proj_out.weight"}
    tensors = {
        "input.samples": samples, "output.spectrogram": mels, "output.states": states, "input.ids": ids[0],
        "output.logits": logits[0], "output.text": text[0, 4:],
    }  # fmt: skip
    return weights, tensors, config.to_dict()


def wavlm(_args):
    """The sizes of microsoft/wavlm-base-plus-sv."""
    from transformers import WavLMConfig, WavLMForXVector

    config = WavLMConfig(use_weighted_layer_sum=True, mask_time_prob=0.0, attn_implementation="eager")
    model = randomize(WavLMForXVector(config), 2)
    samples = sound(6)
    states = timed("output.states", lambda: model.wavlm(samples[None]).last_hidden_state)
    vector = timed("output.vector", lambda: model(samples[None]).embeddings)
    unused = ("classifier.", "objective.")
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith(unused)}
    return weights, {"input.samples": samples, "output.states": states, "output.vector": vector}, config.to_dict()


if __name__ == "__main__":
    full_size.COMPONENTS = [whisper, wavlm]
    full_size.main()
