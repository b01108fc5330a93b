"""diffusers' parts of stable unCLIP, and its pipeline made of them."""

import torch
from common import randomize, save, waves
from diffusers import AutoencoderKL, DDPMScheduler, PNDMScheduler, StableUnCLIPImg2ImgPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

DIM = 10  # of the image embeddings

UNETS = {
    "unet_class": dict(
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=[2, 4, 4],
        use_linear_projection=True,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * DIM,
    ),
    "unet_plain": dict(
        block_out_channels=(4, 12),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        use_linear_projection=False,
        flip_sin_to_cos=False,
        freq_shift=1,
    ),
}


def unet(name, seed):
    options = UNETS[name]
    model = UNet2DConditionModel(
        sample_size=8, cross_attention_dim=12, norm_num_groups=4, norm_eps=1e-5, **options
    )
    return randomize(model, seed)


def vae(seed):
    model = AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.3,
    )
    return randomize(model, seed)


def scheduler(**options):
    settings = dict(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="leading",
    )
    return PNDMScheduler(**(settings | options))


def decoder_only(state):
    return {k: v for k, v in state.items() if k.startswith(("decoder.", "post_quant_conv."))}


def save_unets():
    for seed, name in enumerate(UNETS):
        model = unet(name, seed)
        has_class = model.config.class_embed_type is not None
        # One size that halves evenly, one that does not.
        tensors = {}
        for i, (height, width) in enumerate([(8, 8), (10, 7)]):
            sample, states = waves(2, 4, height, width, seed=i), waves(2, 5, 12, seed=10 + i)
            labels = waves(2, 2 * DIM, seed=20 + i) if has_class else None
            timestep = [951, 1][i]
            output = model(sample, timestep, states, class_labels=labels).sample
            tensors |= {f"input.{i}.sample": sample, f"input.{i}.states": states, f"output.{i}": output}
            if has_class:
                tensors[f"input.{i}.class"] = labels
        save(name, model.state_dict(), tensors, dict(model.config))


def save_vae():
    model = vae(3)
    latents = waves(2, 4, 5, 6, seed=3)
    tensors = {"input.latents": latents, "output.pixels": model.decode(latents).sample}
    save("vae", decoder_only(model.state_dict()), tensors, dict(model.config))


def save_scheduler():
    tensors, cases = {}, []
    for i, (steps, options) in enumerate(
        [
            (20, dict()),
            (7, dict(prediction_type="epsilon", set_alpha_to_one=True, steps_offset=0)),
            (5, dict(beta_schedule="linear", beta_start=0.0001, beta_end=0.02)),
            (2, dict()),
            (1, dict()),
        ]
    ):
        made = scheduler(**options)
        made.set_timesteps(steps)
        sample = waves(1, 4, 3, 3, seed=i)
        tensors[f"{i}.alphas"] = made.alphas_cumprod
        tensors[f"{i}.timesteps"] = made.timesteps.to(torch.int64)
        tensors[f"{i}.start"] = sample
        outputs, samples = [], []
        for j, timestep in enumerate(made.timesteps):
            output = waves(1, 4, 3, 3, seed=1000 * i + j) + 0.3 * sample
            sample = made.step(output, timestep, sample).prev_sample
            outputs.append(output)
            samples.append(sample)
        tensors[f"{i}.outputs"] = torch.stack(outputs)
        tensors[f"{i}.samples"] = torch.stack(samples)
        cases.append({"steps": steps, "config": dict(made.config)})
    save("pndm", {}, tensors, cases)


def save_pipeline():
    """StableUnCLIPImg2ImgPipeline from given image embeddings, prompt states and latents."""
    normalizer = StableUnCLIPImageNormalizer(DIM)
    normalizer.mean.data = waves(1, DIM, seed=31).half().float()
    normalizer.std.data = (1 + 0.3 * waves(1, DIM, seed=32).abs()).half().float()
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=4, patch_size=2,
        projection_dim=DIM,
    )
    pipe = StableUnCLIPImg2ImgPipeline(
        feature_extractor=None,
        image_encoder=CLIPVisionModelWithProjection(vision),
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=None,
        text_encoder=None,
        unet=unet("unet_class", 0),
        scheduler=scheduler(),
        vae=vae(3),
    )
    pipe.set_progress_bar_config(disable=True)
    states = waves(1, 5, 12, seed=33)
    tensors = {"mean": normalizer.mean.data, "std": normalizer.std.data, "input.states": states}
    cases = [
        dict(steps=20, guidance=10.0, noise_level=0),
        dict(steps=6, guidance=3.0, noise_level=300),
        dict(steps=4, guidance=1.0, noise_level=0),
    ]
    for i, case in enumerate(cases):
        embeds, latents = waves(1, DIM, seed=40 + i), waves(1, 4, 8, 8, seed=50 + i)
        picture = pipe(
            image=None,
            image_embeds=embeds,
            prompt_embeds=states,
            negative_prompt_embeds=states,
            latents=latents,
            num_inference_steps=case["steps"],
            guidance_scale=case["guidance"],
            noise_level=case["noise_level"],
            generator=torch.Generator().manual_seed(60 + i),
            output_type="pt",
        ).images
        # The pipeline's first use of its generator.
        noise = torch.randn(embeds.shape, generator=torch.Generator().manual_seed(60 + i))
        tensors |= {
            f"{i}.embeds": embeds,
            f"{i}.latents": latents,
            f"{i}.noise": noise,
            f"{i}.class": pipe.noise_image_embeddings(embeds, case["noise_level"], noise),
            f"{i}.picture": picture,
        }
    config = {
        "scheduler": dict(pipe.scheduler.config),
        "image_noising_scheduler": dict(pipe.image_noising_scheduler.config),
        "cases": cases,
    }
    # The weights are those of the files unet_class and vae.
    save("unclip", {}, tensors, config)


@torch.no_grad()
def main():
    save_unets()
    save_vae()
    save_scheduler()
    save_pipeline()


if __name__ == "__main__":
    main()
