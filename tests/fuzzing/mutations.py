"""Inputs by chance, where nothing guides them: each is one that is kept, changed here and there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from . import LONGEST
from .seeds import WORDS

_MOST_CHANGES = 4


def mutate(inputs: Sequence[bytes], count: int, *, seed: int) -> Iterator[bytes]:
    """Yield *inputs*, then *count* others made of them: one *seed*, one series."""
    yield from inputs
    chance = Random(seed)
    for _ in range(count):
        changed = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            _change(changed, chance, inputs)
        yield bytes(changed[:LONGEST])


def _change(octets: bytearray, chance: Random, inputs: Sequence[bytes]) -> None:
    at = chance.randint(0, len(octets))
    end = min(len(octets), at + chance.randint(1, 8))
    match chance.randrange(5):
        case 0:
            octets[at:at] = chance.choice(WORDS)
        case 1:
            octets[at:end] = bytes([chance.randrange(256)])
        case 2:
            del octets[at:end]
        case 3:
            octets[at:at] = octets[at:end]
        case _:
            octets[at:] = chance.choice(inputs)[at:]
