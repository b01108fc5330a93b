"""The published program, AnyGPT's checkout, at the miniature's sizes.

Its modules are imported as they are. What is replaced is what holds a full-size number, what
would fetch a file, and two packages that only its scoring of transcripts uses.
"""

import importlib
import os
import sys
import types
from pathlib import Path

from sizes import AUDIO, IMAGE, MUSIC, SEED, SPEECH
from transformers import EncodecConfig


def empty(name, **contents):
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    return module


class Published:
    """`base` and `chat` are the two command-line programs' modules."""

    def __init__(self, checkout):
        self.checkout = Path(checkout).resolve()
        # The programs read config/*.json from the folder they are started in.
        os.chdir(self.checkout)
        sys.path[:0] = [str(self.checkout / part) for part in ["", "anygpt/src", "anygpt/src/infer"]]
        empty("cleantext", clean=None)
        for name in ["nemo_text_processing", "nemo_text_processing.inverse_text_normalization"]:
            empty(name).__path__ = []
        normalizer = type("InverseNormalizer", (), {"__init__": lambda self, lang: None})
        empty("nemo_text_processing.inverse_text_normalization.inverse_normalize", InverseNormalizer=normalizer)

        # Without the package's __init__, which wants the trainer's dependencies.
        package = empty("soundstorm_speechtokenizer")
        package.__path__ = [str(self.checkout / "soundstorm_speechtokenizer")]
        self.soundstorm = importlib.import_module("soundstorm_speechtokenizer.soundstorm")
        package.SoundStorm, package.ConformerWrapper = self.soundstorm.SoundStorm, self.soundstorm.ConformerWrapper

        self.tokens = importlib.import_module("m_utils.anything2token")
        for name, size in {"image": IMAGE, "speech": SPEECH, "music": 4 * MUSIC, "audio": 4 * AUDIO}.items():
            setattr(self.tokens, f"{name}_vocab_size", size)
            if name in self.tokens.modal_special_str:
                self.tokens.modal_special_str[name]["vocab_size"] = size
        self.tokens.music_codebook_size, self.tokens.audio_codebook_size = MUSIC, AUDIO
        self.prompter = importlib.import_module("m_utils.prompter")
        self.seed = self.small_seed()
        self.pipeline = importlib.import_module("seed2.pipeline_stable_unclip_img2img")
        self.base = importlib.import_module("infer.cli_infer_base_model")
        self.chat = importlib.import_module("infer.cli_infer_chat_model")
        # transformers 4.34 counts ten bits a code here, and the true number elsewhere.
        EncodecConfig.num_quantizers = property(lambda _self: 4)

    def small_seed(self):
        """SEED's class with the miniature's sizes, where the published code finds it."""
        eva, blip, quantizer = (importlib.import_module(f"seed2.seed_qformer.{m}") for m in ["eva_vit", "blip2", "qformer_quantizer"])
        transformer = eva.VisionTransformer
        sizes = dict(
            img_size=SEED["image_size"], patch_size=SEED["patch_size"], embed_dim=SEED["vit_width"], depth=SEED["vit_depth"],
            num_heads=SEED["vit_heads"],
        )  # fmt: skip
        eva.VisionTransformer = lambda **options: transformer(**(options | sizes))
        # Set before a tokenizer is made.
        self.vit_file = None
        eva.download_cached_file = lambda *_args, **_options: self.vit_file
        # Training alone reads the tokenizer of BERT.
        blip.Blip2Base.init_tokenizer = classmethod(lambda _cls: None)
        bert, head = blip.BertConfig, blip.BertLMHeadModel

        def config(_name):
            return bert(
                vocab_size=4, hidden_size=SEED["qformer_hidden_size"], num_hidden_layers=SEED["qformer_layers"],
                num_attention_heads=SEED["qformer_heads"], intermediate_size=SEED["qformer_intermediate_size"], max_position_embeddings=32,
            )  # fmt: skip

        blip.BertConfig = types.SimpleNamespace(from_pretrained=config)
        blip.BertLMHeadModel = types.SimpleNamespace(from_pretrained=lambda _name, config: head(config=config))
        full = quantizer.Blip2QformerQuantizer

        class Small(full):
            def __init__(self, **options):
                small = dict(
                    codebook_embed_dim=SEED["codebook_dim"], n_embed=SEED["codebook_size"], decode_depth=SEED["reverse_depth"],
                    image_features_dim=SEED["image_embed_dim"],
                )  # fmt: skip
                full.__init__(self, **(options | small))

        quantizer.Blip2QformerQuantizer = Small
        return Small
