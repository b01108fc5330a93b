"""The program's random streams (src/base/rng.rs), so that both sides draw the same noise."""

import math
import struct

import blake3

MASK = 0xFFFFFFFF


def rotate(value, count):
    return (value << count | value >> (32 - count)) & MASK


def quarter(x, a, b, c, d):
    for add, mix, turn in [(a, d, 16), (c, b, 12), (a, d, 8), (c, b, 7)]:
        other = b if add == a else d
        x[add] = (x[add] + x[other]) & MASK
        x[mix] = rotate(x[mix] ^ x[add], turn)


class Stream:
    """ChaCha with 12 rounds, keyed by the hash of a seed and the address of a plan's node."""

    def __init__(self, seed, address):
        hasher = blake3.blake3(derive_key_context="agpt addressed randomness 1")
        key = hasher.update(struct.pack("<Q", seed)).update(address.encode()).digest()
        self.start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", key)]
        self.block, self.words = 0, []

    def word(self):
        if not self.words:
            first = self.start + [self.block & MASK, self.block >> 32, 0, 0]
            x = list(first)
            for _ in range(6):
                for i in range(4):
                    quarter(x, i, 4 + i, 8 + i, 12 + i)
                for i in range(4):
                    quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
            self.words = [(a + b) & MASK for a, b in zip(x, first)][::-1]
            self.block += 1
        return self.words.pop()

    def uniform(self):
        low = self.word()
        return ((self.word() << 32 | low) >> 11) / 2**53

    def normal(self, count):
        out = []
        while len(out) < count:
            radius = math.sqrt(-2 * math.log(1 - self.uniform()))
            angle = math.tau * self.uniform()
            out += [radius * math.cos(angle), radius * math.sin(angle)]
        return out[:count]
