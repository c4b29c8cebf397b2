"""Distinguished names, compared by what they mean and not by how they are written (RFC 4514)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    # Loaded when the first certificate is read: most servers never see one.
    from cryptography.x509 import Name

Value: TypeAlias = str | bytes
"""A value that is prepared for comparison."""

DistinguishedName: TypeAlias = tuple[frozenset[tuple[str, Value]], ...]
"""The relative names from the root down, each of attributes in no order (RFC 4514, 2.1)."""

# Short names of RFC 4514, Section 3, and of RFC 4519 and 2985, with what certificates for
# companies have beside them (ETSI EN 319 412-1; CA/Browser Forum). None of them knows case.
_OIDS = {
    "cn": "2.5.4.3",
    "commonname": "2.5.4.3",
    "sn": "2.5.4.4",
    "serialnumber": "2.5.4.5",
    "c": "2.5.4.6",
    "l": "2.5.4.7",
    "st": "2.5.4.8",
    "street": "2.5.4.9",
    "o": "2.5.4.10",
    "ou": "2.5.4.11",
    "title": "2.5.4.12",
    "businesscategory": "2.5.4.15",
    "postalcode": "2.5.4.17",
    "givenname": "2.5.4.42",
    "gn": "2.5.4.42",
    "initials": "2.5.4.43",
    "generationqualifier": "2.5.4.44",
    "dnqualifier": "2.5.4.46",
    "pseudonym": "2.5.4.65",
    "organizationidentifier": "2.5.4.97",
    "uid": "0.9.2342.19200300.100.1.1",
    "dc": "0.9.2342.19200300.100.1.25",
    "emailaddress": "1.2.840.113549.1.9.1",
    "e": "1.2.840.113549.1.9.1",
    "jurisdictionl": "1.3.6.1.4.1.311.60.2.1.1",
    "jurisdictionst": "1.3.6.1.4.1.311.60.2.1.2",
    "jurisdictionc": "1.3.6.1.4.1.311.60.2.1.3",
}
# All of them are compared by caseIgnoreMatch or its like (RFC 4519; RFC 4524; RFC 2985).
_IGNORING_CASE = frozenset(_OIDS.values())
# attributeTypeAndValue, and what follows it (RFC 4514, Section 3). Spaces around the signs are
# forgiven, as RFC 2253 did.
_ATTRIBUTE = re.compile(
    r' *([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *=((?:[^\\,+"<>;\0]|\\.)*)([,+]|\Z)', re.DOTALL
)
_CHARACTER = re.compile(r'\\([0-9A-Fa-f]{2})|\\([ "#+,;<=>\\])|([^\\])', re.DOTALL)
# White space (RFC 4518, Section 2.2); the separators of teletypes are none
_SPACES = re.compile(r"[^\S\x1c-\x1f]+")
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+)")
# The string types of ASN.1 by their tags (X.680, 8.4), and how their characters are encoded
_STRINGS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_LONG = 0x80


class MalformedName(ValueError):
    """A text is no distinguished name; the message says where it goes wrong."""


def parse_name(text: str) -> DistinguishedName:
    """
    Return the name that *text* is in RFC 4514.

    Raises:
        MalformedName: It is none, or names an attribute that has no object identifier here.

    >>> parse_name("CN=reports,O=Example") == parse_name("cn=Reports, 2.5.4.10=#0C074578616D706C65")
    True
    """
    names: list[set[tuple[str, Value]]] = [set()]
    position, follows = 0, ","
    while follows:
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            raise MalformedName(f"it is malformed from character {position + 1} on")
        kind, value, follows = match.groups()
        oid = kind if kind[0].isdigit() else _OIDS.get(kind.lower())
        if oid is None:
            raise MalformedName(f"{kind} is not known; write its object identifier")
        names[-1].add((oid, _prepare(oid, _decode(value))))
        if follows == ",":
            names.append(set())
        position = match.end()
    # In text, what is nearest comes first.
    return tuple(frozenset(each) for each in reversed(names))


def name_of(name: Name) -> DistinguishedName:
    """Return *name*, a certificate's, for comparison."""
    return tuple(
        frozenset(
            (each.oid.dotted_string, _prepare(each.oid.dotted_string, each.value)) for each in rdn
        )
        for rdn in name.rdns
    )


def _prepare(oid: str, value: Value) -> Value:
    """Return *value* as it is compared: letter case and runs of spaces may not matter."""
    if isinstance(value, bytes) or oid not in _IGNORING_CASE:
        return value
    # As RFC 4518, 2, asks: fold, normalize, and let insignificant spaces go.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    return _SPACES.sub(" ", folded).strip(" ")


def _decode(text: str) -> Value:
    text = text.lstrip(" ")
    if text.startswith("#"):
        match = _HEX.fullmatch(text.rstrip(" "))
        if match is None:
            raise MalformedName("a value begins with # and is not hexadecimal")
        return _decode_ber(bytes.fromhex(match[1]))
    octets, kept, position = bytearray(), 0, 0
    while position < len(text):
        match = _CHARACTER.match(text, position)
        if match is None:
            raise MalformedName("an escape is malformed")
        pair, escaped, plain = match.groups()
        octets += bytes.fromhex(pair) if pair else (escaped or plain).encode(errors="replace")
        if plain != " ":
            kept = len(octets)
        position = match.end()
    try:
        return octets[:kept].decode()
    except ValueError:
        raise MalformedName("a value is not UTF-8") from None


def _decode_ber(octets: bytes) -> Value:
    """Return the text that *octets* are in BER; as they are if they are something else."""
    if len(octets) < 2:  # noqa: PLR2004  # a tag and a length
        raise MalformedName("a value is not BER")
    tag, length, start = octets[0], octets[1], 2
    if length > _LONG:
        start += length - _LONG
        length = int.from_bytes(octets[2:start], "big")
    if len(octets) != start + length:
        raise MalformedName("a value is not BER")
    if tag not in _STRINGS:
        return octets
    try:
        return octets[start:].decode(_STRINGS[tag])
    except ValueError:
        raise MalformedName("a value is not of the type that it says") from None
