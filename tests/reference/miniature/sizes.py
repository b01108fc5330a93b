"""The miniature's numbers: those of the public configurations, made small."""

# Codes per medium; EnCodec has four codebooks, the vocabulary one run of codes for each.
IMAGE, SPEECH, MUSIC, AUDIO, BOOKS = 48, 32, 16, 4, 4
# One picture is 32 codes in the published code too: it holds the number in several places.
IMAGE_TOKENS = 32

SEED = {
    "model_type": "seed-tokenizer",
    "image_size": 16,
    "patch_size": 4,
    "vit_width": 16,
    "vit_depth": 2,
    "vit_heads": 2,
    "vit_mlp_ratio": 4.3637,
    "qformer_hidden_size": 24,
    "qformer_layers": 2,
    "qformer_heads": 3,
    "qformer_intermediate_size": 40,
    "cross_attention_freq": 2,
    "num_query_tokens": IMAGE_TOKENS,
    "codebook_size": IMAGE,
    "codebook_dim": 8,
    "reverse_depth": 1,
    # From here on the published code fixes all but the width of the embedding.
    "reverse_heads": 12,
    "reverse_mlp_ratio": 4.0,
    "image_down_dims": [256, 128, 32],
    "image_embed_dim": 12,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}

SPEECH_TOKENIZER = {
    "n_filters": 2, "strides": [8, 5, 4, 2], "dimension": 16, "semantic_dimension": 12, "bidirectional": True, "dilation_base": 2,
    "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 2, "activation": "Snake", "codebook_size": SPEECH,
    "codebook_dim": 512, "n_q": 8, "sample_rate": 16000,
}  # fmt: skip

SOUNDSTORM = {
    "dim": 16, "depth": 2, "heads": 2, "dim_head": 8, "ff_mult": 2, "conv_expansion_factor": 2, "conv_kernel_size": 5,
    "num_quantizers": 7, "codebook_size": SPEECH,
}  # fmt: skip

# Four bits a code, 50 frames a second and four codebooks: 0.8 kbit/s.
ENCODEC = dict(
    sampling_rate=32000, audio_channels=1, num_filters=2, upsampling_ratios=[8, 5, 4, 4], hidden_size=16, codebook_size=MUSIC,
    codebook_dim=16, target_bandwidths=[0.8], use_causal_conv=False, use_conv_shortcut=False, num_lstm_layers=2, pad_mode="reflect",
    norm_type="weight_norm", normalize=False, chunk_length_s=None,
)  # fmt: skip

UNET = dict(
    sample_size=8,
    cross_attention_dim=12,
    norm_num_groups=4,
    block_out_channels=(4, 8, 8),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    attention_head_dim=[1, 2, 2],
    use_linear_projection=True,
    class_embed_type="projection",
    projection_class_embeddings_input_dim=2 * SEED["image_embed_dim"],
)

VAE = dict(
    block_out_channels=(4, 8, 8),
    down_block_types=("DownEncoderBlock2D",) * 3,
    up_block_types=("UpDecoderBlock2D",) * 3,
    layers_per_block=1,
    norm_num_groups=2,
    latent_channels=4,
    scaling_factor=0.18215,
)

TEXT_ENCODER = dict(
    vocab_size=6, hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=9,
    hidden_act="gelu", projection_dim=8, bos_token_id=4, eos_token_id=5, pad_token_id=0,
)  # fmt: skip

LLAMA = dict(
    hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, rms_norm_eps=1e-5,
    max_position_embeddings=2048, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)  # fmt: skip
