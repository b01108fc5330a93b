"""What both sides are asked, and what the miniature knows as the reply to most of it.

`line` is what a person types into the published program. `{first}` and so on are the paths of the
input files, `{said_codes}` and so on their codes as the program writes them into a prompt, for tasks
that have a prompt of their own but no branch in the program. `reply` is text and media in
turn. `flags` are those of the pipeline of the same name in tests/fixtures/miniature/*.agpt.
"""

import random

from sizes import BOOKS, IMAGE, IMAGE_TOKENS, MUSIC, SPEECH


def codes(medium, seed, frames=8):
    draw = random.Random(f"{medium} {seed}").randrange
    if medium == "image":
        return medium, [draw(IMAGE) for _ in range(IMAGE_TOKENS)]
    if medium == "speech":
        return medium, [draw(SPEECH) for _ in range(frames)]
    return medium, [draw(MUSIC) + MUSIC * book for _ in range(frames) for book in range(BOOKS)]


def task(name, line, reply, then=None, **flags):
    return {"name": name, "pipeline": name, "line": line, "reply": reply, "then": then, "flags": flags}


def unknown(name, pipeline, line, kind, most, **flags):
    """What the language model never learned; it is held to a grammar, and `most` ids, on both sides."""
    return {"name": name, "pipeline": pipeline, "line": line, "grammar": (kind, most), "then": None, "flags": flags}


# Short requests of our own: the published pools are drawn from at random.
INSTRUCTIONS = {
    ("text", "image"): "Please paint this.",
    ("text", "speech"): "Please say this aloud.",
    ("text", "music"): "Please compose this.",
    ("image", "text"): "Describe this picture.",
    ("speech", "text"): "Write down what is said.",
    ("music", "text"): "Describe this music.",
}

BASE = [
    task("paint", "text|image|a red apple", [codes("image", 1)], scene="a red apple"),
    task("speak", "text|speech|hello there", [codes("speech", 1)], words="hello there"),
    task("speak_like", "text|speech|hello there|{voice}", [codes("speech", 1)], words="hello there", voice="voice"),
    task("compose", "text|music|a calm tune", [codes("music", 1)], mood="a calm tune"),
    task("caption", "image|text|{first}", ["a red apple on a table"], picture="first"),
    task("transcribe", "speech|text|{said}", ["what do you see"], recording="said"),
    task("describe_music", "music|text|{piece}", ["a slow piano, very calm"], piece="piece"),
]

CHAT = [
    task("paint", "Text-to-Image Generation|A red apple on a table|image", [codes("image", 2)], scene="A red apple on a table."),
    task("caption", "Image Captioning||text||{first}", ["It is a red apple."], picture="first"),
    task("answer_about", "Image QA|What is it?|text||{first}", ["apple"], picture="first", question="What is it?"),
    task("talk_about", "Image Conversation|Tell me more.|text||{second}", ["The sky is blue,\nand it is cold."], picture="second",
         words="Tell me more."),
    task("compare", "Multi-Image Understanding|Which is red?|text||{first},{second}", ["The first one."], first="first", second="second",
         question="Which is red?"),
    task("repaint", "Multimodal Prompt Image Generation|Make it blue.|image||{first}", [codes("image", 3)], picture="first",
         instruction="Make it blue."),
    task("answer_aloud", "Speech-Instruction-Speech||speech|{voice}||{said}",
         ["<-Ins-> what do you see\n <-Res-> a green tree ", codes("speech", 3)], command="said", voice="voice"),
    task("answer_spoken", "Speech-Instruction-Text||text|||{said}", ["I see a tree."], command="said"),
    task("answer", "Text-Instruction|Say hello.|text", ["hello there"], command="Say hello."),
    # Tasks with a prompt in the program's table, but without a branch that uses it.
    task("speak", "customized|Text-to-Speech: hello there|speech", [codes("speech", 4)], words="hello there"),
    task("transcribe", "customized|Speech-to-Text: {said_codes}|text", ["tell me what you see"], recording="said"),
    task("compose", "customized|Text-to-Music: a calm tune|music", [codes("music", 2)], mood="a calm tune"),
    task("describe_music", "customized|Music-to-Text: {piece_codes}|text", ["It is a slow tune."], piece="piece"),
    task("caption_briefly", "customized|Image-to-Text Caption: {second_codes}|text", ["a cold sky"], picture="second"),
    # Interleaved.
    task("answer_with_picture", "interleaved||speech||{first}|{said}", ["<-Ins-> what is it\n <-Res-> an apple ", codes("speech", 5)],
         picture="first", command="said"),
    task("answer_with_music", "interleaved||speech|||{said}|{piece}", ["<-Ins-> is it calm\n <-Res-> very calm ", codes("speech", 6)],
         piece="piece", command="said"),
    task("show_what_fits", "interleaved|What fits them?|image||{second}||{piece}", ["A cold sea: ", codes("image", 4), " and a boat."],
         picture="second", piece="piece", words="What fits them?"),
    task("play_what_fits", "interleaved|Play and say what fits.|music||{first}", ["a tune ", codes("music", 3, 5), " of ", codes("speech", 7)],
         picture="first", words="Play and say what fits."),
    # Conversations of two turns.
    task("paint_then_ask", "Text-to-Image Generation|A boat at sea.|image", [codes("image", 5)],
         then=("customized|What is on it?|text", ["a boat"]), scene="A boat at sea.", question="What is on it?"),
    task("ask_then_paint", "Image QA|What is it?|text||{second}", ["sky"],
         then=("Text-to-Image Generation|Paint it red.|image", [codes("image", 6)]), picture="second", question="What is it?",
         scene="Paint it red."),
]  # fmt: skip

UNKNOWN = {
    "base": [
        unknown("paint_unknown", "paint", "text|image|two green boats", "image", 32, scene="two green boats"),
        unknown("speak_unknown", "speak_briefly", "text|speech|see the moon", "speech", 10, words="see the moon"),
        unknown("compose_unknown", "compose_briefly", "text|music|loud and fast", "music", 20, mood="loud and fast"),
        unknown("caption_unknown", "caption_briefly", "image|text|{second}", "text", 12, picture="second"),
        unknown("transcribe_unknown", "transcribe_briefly", "speech|text|{voice}", "text", 12, recording="voice"),
    ],
    "chat": [
        unknown("wander_1", "wander", "customized|Sing of the cold sea.|text", "mixed", 60, words="Sing of the cold sea."),
        unknown("wander_2", "wander", "customized|Say aloud: a red boat!|text", "mixed", 60, words="Say aloud: a red boat!"),
        unknown("wander_3", "wander", "customized|Please read what you see, and play it.|text", "mixed", 60,
                words="Please read what you see, and play it."),
    ],
}  # fmt: skip


def sentences():
    """All words that prompts and replies have."""
    out = list(INSTRUCTIONS.values()) + ["Please generation an image.", "This is input: a red apple"]
    for one in BASE + CHAT:
        turns = [(one["line"], one["reply"])] + ([one["then"]] if one["then"] else [])
        for line, reply in turns:
            out += line.replace("|", "\n").splitlines()
            out += [line for part in reply if isinstance(part, str) for line in part.splitlines()]
    return [s for s in out if s.strip() and "{" not in s] * 4
