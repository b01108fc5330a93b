"""What is said to the model, what it answers, and which music goes with which thing.

The commands and answers were written for this model. `music_for` is a rule that was made up, so
that pictures and music have something to do with each other in nano's world.
"""

import zlib

import music_data

ANSWERS = {
    "hello": "hello to you", "good morning": "good morning to you", "good evening": "good evening to you",
    "good bye": "see you soon", "thank you very much": "you are welcome", "how are you": "i am very well",
    "who are you": "i am a small model", "what is your name": "my name is nano", "what can you do": "i can paint and play and speak",
    "can you see": "yes show me a picture", "can you hear me": "yes i can hear you", "can you sing": "no but i can play",
    "can you paint": "yes tell me what", "can you play music": "yes tell me how", "yes please": "with pleasure",
    "no thank you": "as you wish", "i like this": "i am glad", "what do you like": "i like the sea and the sky",
    "where are you": "i am here with you", "tell me something": "the sky is blue", "say something nice": "you are a good friend",
    "are you there": "yes i am here", "i am sad": "i am sorry to hear that", "i am happy": "that is good to hear",
    "stop": "i have stopped", "one more please": "here is one more", "a little slower please": "i will be slow", "a little faster please": "i will be fast",
}  # fmt: skip
# About a picture or a piece of music that is given with it.
ABOUT = ["what is this", "what do you see", "describe this picture", "tell me what this is"]
ABOUT_MUSIC = ["what is this music", "describe this music"]


def sentences():
    return [*ANSWERS, *dict.fromkeys(ANSWERS.values()), *ABOUT, *ABOUT_MUSIC]


MOODS = {"red": ("fast", "cheerful"), "orange": ("fast", "cheerful"), "yellow": ("fast", "cheerful"), "green": ("calm", "cheerful"), "blue": ("slow", "sad"),
         "purple": ("calm", "sad"), "pink": ("calm", "cheerful"), "brown": ("slow", "cheerful"), "black": ("slow", "sad"), "grey": ("slow", "sad"), "white": ("calm", "cheerful")}  # fmt: skip


def music_for(colour, noun):
    """The caption of the music that goes with a thing: its colour gives tempo and mode, its noun the rest."""
    tempo, mode = MOODS[colour]
    instruments = [i for i in music_data.INSTRUMENTS if not music_data.held_out(i, tempo)]
    number = zlib.crc32(noun.encode())
    row = {"tempo": tempo, "mode": mode, "register": music_data.REGISTERS[number // 97 % 2], "instrument": instruments[number % len(instruments)]}
    return music_data.caption(row)
