"""
The grammars a second time, octet by octet and without a line of the library.

They are slow and plain on purpose: what the library refuses or reads differently from them is a
fault of one of the two.
"""

from __future__ import annotations

import string
from collections.abc import Collection
from typing import Any

import attrs

_HEX = string.hexdigits.encode()
_BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BASE64URL = _BASE64[:-2] + "-_"
_DEEPEST = 200


class Refused(Exception):
    """The grammar does not have it."""


def decode_utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


def decode_form_octets(octets: bytes) -> str:
    """Return what *octets* stand for in ``application/x-www-form-urlencoded``."""
    decoded = bytearray()
    at = 0
    while at < len(octets):
        if octets[at] == ord("+"):
            decoded.append(0x20)
        elif octets[at] == ord("%"):
            digits = octets[at + 1 : at + 3]
            if len(digits) < 2 or any(digit not in _HEX for digit in digits):
                raise Refused("a broken escape")
            decoded.append(int(digits, 16))
            at += 2
        else:
            decoded.append(octets[at])
        at += 1
    return decode_utf8(bytes(decoded))


def parse_form(
    body: bytes,
    known: Collection[str],
    repeatable: Collection[str],
    read_by_others: Collection[str],
) -> dict[str, list[str]]:
    """Return the values of each known parameter (RFC 6749, 3.2, Appendices A and B)."""
    decode_utf8(body)
    pairs = body.split(b"&")
    if len(body) > 64 * 1024 or len(pairs) > 64:
        raise Refused("too much")
    values: dict[str, list[str]] = {}
    for pair in pairs:
        before, _, after = pair.partition(b"=")
        name, value = decode_form_octets(before), decode_form_octets(after)
        if name in known or name in repeatable:
            values.setdefault(name, []).append(value)
    for name, several in values.items():
        if name in repeatable:
            continue
        if len(several) > 1:
            raise Refused("repeated")
        if name not in read_by_others and not all(map(_is_text, several[0])):
            raise Refused("a control character")
    return values


def _is_text(character: str) -> bool:
    # UNICODECHARNOCRLF (RFC 6749, A)
    code = ord(character)
    return (
        code == 0x09
        or 0x20 <= code <= 0x7E
        or 0x80 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def parse_scope(text: str) -> frozenset[str]:
    """Return the scope tokens of *text* (RFC 6749, 3.3)."""
    tokens = text.split(" ")
    if len(tokens) > 100 or not all(tokens):
        raise Refused("too many, or two spaces together")
    for character in "".join(tokens):
        code = ord(character)
        if not (code == 0x21 or 0x23 <= code <= 0x5B or 0x5D <= code <= 0x7E):
            raise Refused("not NQCHAR")
    return frozenset(tokens)


def decode_base64(text: str) -> bytes:
    """Return the octets of *text*, which has all of its padding (RFC 4648, 4)."""
    bare = text.rstrip("=")
    if len(text) % 4 or len(text) - len(bare) > 2:
        raise Refused("the padding")
    return _decode(bare, _BASE64)


def decode_base64url(text: str) -> bytes:
    """Return the octets of *text*, which has no padding (RFC 7515, 2)."""
    return _decode(text, _BASE64URL)


def _decode(text: str, alphabet: str) -> bytes:
    bits = 0
    for character in text:
        value = alphabet.find(character)
        if value < 0:
            raise Refused("another alphabet")
        bits = bits << 6 | value
    stray = len(text) * 6 % 8
    if stray == 6 or bits & ((1 << stray) - 1):
        raise Refused("stray bits")
    return (bits >> stray).to_bytes(len(text) * 6 // 8, "big")


def parse_basic(value: str) -> tuple[str, str]:
    """Return client id and secret in a field value whose scheme is Basic (RFC 6749, 2.3.1)."""
    scheme, _, encoded = value.partition(" ")
    if [character in pair for character, pair in zip(scheme, _BASIC, strict=False)] != [True] * 5:
        raise Refused("another scheme")
    if len(scheme) != 5:
        raise Refused("another scheme")
    octets = decode_base64(encoded.strip(" "))
    decode_utf8(octets)
    name, colon, secret = octets.partition(b":")
    if not colon:
        raise Refused("no colon")
    client_id, client_secret = decode_form_octets(name), decode_form_octets(secret)
    if any(not 0x20 <= ord(character) <= 0x7E for character in client_id + client_secret):
        raise Refused("not VSCHAR")
    return client_id, client_secret


_BASIC = ("Bb", "Aa", "Ss", "Ii", "Cc")


def parse_json_object(octets: bytes) -> dict[str, Any]:
    """Return the object that *octets* are (RFC 8259), no member of which is repeated."""
    reader = _JsonReader(decode_utf8(octets))
    reader.skip_space()
    reader.require("{")
    members = reader.read_members(0)
    reader.skip_space()
    if reader.at != len(reader.text):
        raise Refused("something after it")
    return members


class TooDeep(Exception):
    """Nested deeper than the model goes; the library may go as deep as it likes."""


@attrs.define
class _JsonReader:
    text: str
    at: int = 0

    def skip_space(self) -> None:
        while self.text[self.at : self.at + 1] in {" ", "\t", "\n", "\r"}:
            self.at += 1

    def take(self, what: str) -> bool:
        if self.text.startswith(what, self.at):
            self.at += len(what)
            return True
        return False

    def require(self, what: str) -> None:
        if not self.take(what):
            raise Refused(f"no {what}")

    def read_value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise TooDeep
        self.skip_space()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return value
        if self.take("{"):
            return self.read_members(depth)
        if self.take("["):
            return self.read_elements(depth)
        if self.take('"'):
            return self.read_string()
        return self.read_number()

    def read_members(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self.skip_space()
        if self.take("}"):
            return members
        while True:
            self.skip_space()
            self.require('"')
            name = self.read_string()
            if name in members:
                raise Refused("repeated")
            self.skip_space()
            self.require(":")
            members[name] = self.read_value(depth + 1)
            self.skip_space()
            if self.take("}"):
                return members
            self.require(",")

    def read_elements(self, depth: int) -> list[Any]:
        elements: list[Any] = []
        self.skip_space()
        if self.take("]"):
            return elements
        while True:
            elements.append(self.read_value(depth + 1))
            self.skip_space()
            if self.take("]"):
                return elements
            self.require(",")

    def read_string(self) -> str:
        units: list[str] = []
        while not self.take('"'):
            if self.at == len(self.text) or self.text[self.at] < " ":
                raise Refused("an open string, or a control character")
            character = self.text[self.at]
            self.at += 1
            units.append(self.read_escape() if character == "\\" else character)
        # Halves of a character become one, if they are a pair.
        text = "".join(units).encode("utf-16-le", "surrogatepass")
        try:
            return text.decode("utf-16-le")
        except UnicodeDecodeError:
            raise Refused("half a character") from None

    def read_escape(self) -> str:
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter == "u":
            digits = self.text[self.at : self.at + 4]
            if len(digits) < 4 or any(digit not in string.hexdigits for digit in digits):
                raise Refused("a broken escape")
            self.at += 4
            return chr(int(digits, 16))
        if letter not in _ESCAPES:
            raise Refused("a broken escape")
        return _ESCAPES[letter]

    def read_number(self) -> float:
        start = self.at
        self.take("-")
        if not self.take("0"):
            self.read_digits()
        whole = self.at
        if self.take("."):
            self.read_digits()
        if self.take("e") or self.take("E"):
            _ = self.take("+") or self.take("-")
            self.read_digits()
        written = self.text[start : self.at]
        return int(written) if self.at == whole else float(written)

    def read_digits(self) -> None:
        start = self.at
        while self.text[self.at : self.at + 1] in set(string.digits):
            self.at += 1
        if self.at == start:
            raise Refused("no digits")


_ESCAPES = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
