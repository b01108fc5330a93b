"""Runs the published program, task by task, and notes what went in and came out."""

import re
import types

import torch
from checkpoints import sound_storm
from grammar import Grammar
from noise import Stream
from sizes import SEED
from speechtokenizer import SpeechTokenizer
from tasks import INSTRUCTIONS
from transformers import EncodecFeatureExtractor, EncodecModel, LlamaForCausalLM, LlamaTokenizer, LogitsProcessorList

PREFIX = {"image": "👀", "speech": "🗣️", "music": "🎶"}
SPAN = {"image": ("<soim>", "<eoim>"), "speech": ("<sosp>", "<eosp>"), "music": ("<somu>", "<eomu>")}


class Asked(Exception):
    """Stands for the language model's reply before there is one."""


def written(reply):
    """A reply as one string of the joint vocabulary."""
    text = ""
    for part in reply:
        if isinstance(part, str):
            text += part
        else:
            (start, end), prefix = SPAN[part[0]], PREFIX[part[0]]
            text += start + "".join(f"<{prefix}{code}>" for code in part[1]) + end
    return text


class Greedy:
    """The language model; takes the likeliest token where the program would draw one."""

    def __init__(self, folder, tokenizer):
        self.tokenizer = tokenizer
        self.network = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        self.smallest = float("inf")
        self.calls = []
        # What holds the reply, if anything does: the kind of reply, and the most ids.
        self.rules = None

    def generate(self, input_ids, generation_config, **options):
        generation_config.do_sample, generation_config.num_beams = False, 1
        count = input_ids.shape[1]
        if self.rules:
            options["logits_processor"] = LogitsProcessorList([Grammar(self.tokenizer, *self.rules, count)])
        made = self.network.generate(input_ids=input_ids, generation_config=generation_config, **options)
        best = torch.stack([scores[0].topk(2).values for scores in made.scores])
        self.smallest = min(self.smallest, (best[:, 0] - best[:, 1]).min().item())
        self.calls.append((input_ids[0].tolist(), made.sequences[0, count:].tolist()))
        return made


class Ask:
    """Notes the prompt and goes no further."""

    def generate(self, **_options):
        raise Asked


class Flow:
    def __init__(self, published, kind, hub, media):
        self.published, self.kind, self.media = published, kind, media
        self.module = {"base": published.base, "chat": published.chat}[kind]
        cls = {"base": published.base.AnyGPTInference, "chat": published.chat.AnyGPTChatInference}[kind]
        # As __init__ does it, but on the processor, in float32, and with these files.
        program = self.program = object.__new__(cls)
        published.vit_file = hub / "eva_vit_g.pth"
        program.device = torch.device("cpu")
        program.prompter = self.module.Prompter()
        program.image_tokenizer = self.module.ImageTokenizer(
            model_path=str(hub / "seed-tokenizer-2/seed_quantizer.pt"), load_diffusion=True, device="cpu", fp16=False,
            diffusion_model_path=str(hub / "stable-diffusion-2-1-unclip"), image_size=SEED["image_size"],
        )  # fmt: skip
        program.image_tokenizer.diffusion_model.set_progress_bar_config(disable=True)
        speech = hub / "AnyGPT-speech-modules"
        codec = SpeechTokenizer.load_from_checkpoint(speech / "speechtokenizer/config.json", speech / "speechtokenizer/ckpt.dev")
        program.speech_tokenizer = codec.eval()
        program.soundstorm = sound_storm(published)
        program.soundstorm.load(speech / "soundstorm/speechtokenizer_soundstorm_mls.pt")
        program.music_tokenizer = EncodecModel.from_pretrained(hub / "encodec_32khz").eval()
        program.music_sample_rate = 32000
        program.music_processor = EncodecFeatureExtractor(feature_size=1, sampling_rate=program.music_sample_rate)
        program.music_segment_duration = {"base": 20, "chat": 5}[kind]
        program.output_dir = str(hub / "output")
        (hub / "output").mkdir(exist_ok=True)
        self.watch()

    def load(self, folder, greedy):
        """The tokenizer, and the language model if it is there."""
        tokenizer = self.program.tokenizer = LlamaTokenizer.from_pretrained(folder)
        tokenizer.pad_token_id, tokenizer.padding_side = 0, "left"
        self.program.model = Greedy(folder, tokenizer) if greedy else Ask()

    def watch(self):
        """Notes prompts, texts and media, and hands the program the noise that agpt draws."""
        program, published = self.program, self.published
        preprocess, response = program.preprocess, program.response

        def noting_prompt(*args, **options):
            self.prompt = preprocess(*args, **options)
            return self.prompt

        def noting_text(*args, **options):
            self.text = response(*args, **options)
            return self.text

        program.preprocess, program.response = noting_prompt, noting_text
        # In half precision the noise of level 0 is rounded to nothing; in float32 it would not be.
        published.pipeline.randn_tensor = lambda shape, **_options: torch.zeros(shape)
        published.soundstorm.gumbel_noise = self.gumbel
        for medium in SPAN:
            self.watch_decoder(medium)

    def watch_decoder(self, medium):
        decode = getattr(self.program, f"decode_{medium}")

        def noting(content, *args):
            # A mixed reply's media have addresses of their own, by their place among its pieces.
            address = f"{self.address}/decode" + (f"[{self.place(medium)}]" if self.mixed else "")
            self.stream, self.passes = Stream(0, address), 0
            size = self.program.image_tokenizer.diffusion_model.unet.config.sample_size
            if medium == "image":
                latents = torch.tensor(self.stream.normal(4 * size * size))
                self.program.image_tokenizer.latents = latents.view(1, 4, size, size)
            made = decode(content, *args)
            # How the program reads codes: every number in the text between the tags.
            self.made.append((medium, [int(code) for code in re.findall(r"\d+", content)], made))
            return made

        setattr(self.program, f"decode_{medium}", noting)

    def place(self, medium):
        """Where the last medium of a kind is among the pieces of the reply, as agpt cuts them."""
        of = self.program.tokenizer.convert_tokens_to_ids
        starts = {of(start): kind for kind, (start, _) in SPAN.items()}
        ends = {of(end) for _, end in SPAN.values()}
        pieces, inside = [], False
        for token in self.program.model.calls[-1][1]:
            if token in starts:
                pieces.append(starts[token])
                inside = True
            elif token in ends:
                inside = False
            elif not inside and token not in (of("<eos>"), of("</s>")) and pieces[-1:] != ["text"]:
                pieces.append("text")
        return len(pieces) - 1 - pieces[::-1].index(medium)

    def gumbel(self, shaped):
        self.passes += 1
        if self.passes == 1:  # at temperature 0, where noise is nothing
            return torch.zeros_like(shaped)
        log = self.published.soundstorm.log
        draws = torch.tensor([self.stream.uniform() for _ in range(shaped.numel())]).view(shaped.shape)
        return -log(-log(draws))

    def encode_music(self, path):
        program = self.program
        return self.module.encode_music_by_path(
            path, program.music_sample_rate, program.music_tokenizer, program.music_processor, program.device,
            segment_duration=program.music_segment_duration,
        )[0][0]  # fmt: skip

    def line(self, line):
        paths = {name: str(path) for name, path in self.media.items()}
        program, tokens = self.program, self.published.tokens
        if "_codes}" in line:
            codes = {"said": ("speech", program.encode_speech), "second": ("image", lambda path: program.encode_image(path)[0])}
            codes["piece"] = ("music", self.encode_music)
            for name, (medium, encode) in codes.items():
                paths[f"{name}_codes"] = tokens.modality_tokens_to_string(encode(paths[name]), medium)
        for name, path in paths.items():
            line = line.replace("{%s}" % name, path)
        fields = line.split("|")
        prompt, colon, rest = fields[1].partition(": ")
        if colon and prompt in self.published.prompter.task_prompts:
            fields[1] = re.sub(r"\{\w+\}", lambda _: rest, self.published.prompter.task_prompts[prompt])
        return "|".join(fields)

    def say(self, line, mixed=False):
        """One line of the program's user; `mixed` if agpt is asked for a mixed reply."""
        line = self.line(line)
        self.mixed = mixed
        self.made, self.text = [], None
        if self.kind == "base":
            modality, to, *_ = line.split("|")

            def choose(pool):
                pools = self.published.prompter.text2other_instructions if modality == "text" else self.published.prompter.other2text_instructions
                assert pool is pools[to if modality == "text" else modality]
                return INSTRUCTIONS[modality, to]

            self.published.prompter.random = types.SimpleNamespace(choice=choose)
        self.program.forward(line)

    def begin(self, one):
        """Forgets the conversation; what is asked now is this task."""
        # The node of the plan that makes the media; both conversations make one picture.
        self.address = one["pipeline"] + ("/painted" if one["then"] else "")
        if self.kind == "chat":
            self.program.forward("any|clear")

    def prompt_of(self, line):
        """The prompt that the program makes of a line; the language model is not asked."""
        model, self.program.model = self.program.model, Ask()
        try:
            self.say(line)
        except Asked:
            return self.prompt
        finally:
            self.program.model = model
        raise AssertionError("the language model was not asked")

    def repair_history(self, reply):
        """The program stores replies as decoded text; this is what the model was trained on.

        Also takes away questions that have no reply.
        """
        messages = self.module.conversation.messages
        messages[1:] = [[self.module.conversation.roles[1], written(reply)]]
