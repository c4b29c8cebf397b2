"""Takes secrets, tokens and passwords out of what is shown, also where the server echoes them."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from html.entities import codepoint2name

from oauthgrants.testing.conformance.messages import Answer, Pairs

MASK = "•••"
_MOST_SHOWN = 2000

_SECRET_MEMBERS = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|password|token|mfa_token"
)
_IN_FORM = re.compile(rf"(^|&)({_SECRET_MEMBERS})=[^&]*")
# What is cut off has no end.
_IN_JSON = re.compile(rf'("(?:{_SECRET_MEMBERS})"\s*:\s*")(?:[^"\\]|\\.)*"?', re.DOTALL)
_UNESCAPED = re.compile("[A-Za-z0-9._~-]")
_LEAST_IN_PART = 8
_SECRET_HEADERS = {"authorization", "cookie", "set-cookie", "dpop"}


class Masker:
    """Knows what nobody may see; told of more as it comes."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._escaped: dict[str, re.Pattern[str]] = {}

    def learn(self, *secrets: str) -> None:
        """Keep each of *secrets*, however it is spelt, from being shown."""
        for secret in secrets:
            if secret:
                self._spellings |= _spellings_of(secret)
                if secret not in self._escaped and _UNESCAPED.sub("", secret):
                    self._escaped[secret] = re.compile("".join(map(_escapes_of, secret)))

    def mask(self, text: str) -> str:
        """Return *text* without secrets."""
        text = _IN_FORM.sub(rf"\1\2={MASK}", text)
        text = _IN_JSON.sub(rf'\1{MASK}"', text)
        return self.mask_known(text)

    def clean(self, text: str) -> str:
        """Return *text* as one line, without known secrets and what would not be seen in it."""
        # With lines of its own, it could pass for further results.
        return _printable(self.mask_known(text)).replace("\n", "\N{REPLACEMENT CHARACTER}")

    def mask_known(self, text: str) -> str:
        """Return *text* without the secrets that are known, whatever stands around them."""
        # The longest first: a part of one may be another.
        for secret in sorted(self._escaped, key=len, reverse=True):
            text = self._escaped[secret].sub(MASK, text)
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, MASK)
        return text

    def mask_headers(self, headers: Pairs) -> Iterator[str]:
        """Return a line for each of *headers*; of credentials there is only the scheme."""
        for name, value in headers:
            if name.lower() in _SECRET_HEADERS:
                scheme = value.partition(" ")[0] if name.lower() == "authorization" else ""
                yield f"{name}: {scheme} {MASK}".replace(":  ", ": ")
            else:
                yield f"{self.mask_known(name)}: {self.mask(value)}"

    def show_request(self, answer: Answer) -> str:
        """Return the request, masked."""
        sent = answer.sent
        head = [f"{sent.method} {self.mask_known(sent.url)}", *self.mask_headers(sent.headers)]
        return _printable("\n".join([*head, "", self._shorten(sent.body)]).rstrip())

    def show_response(self, answer: Answer) -> str:
        """Return the response, masked."""
        head = [str(answer.status), *self.mask_headers(answer.headers)]
        return _printable("\n".join([*head, "", self._shorten(answer.body)]).rstrip())

    def _shorten(self, body: bytes) -> str:
        # In UTF-16, each second octet of a secret is a NUL.
        text = body.replace(b"\0", b"").decode("utf-8", "backslashreplace")
        # Masked as a whole, then cut: a token cut in half is not found any more.
        text = self.mask(text)
        return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} …"


def _printable(text: str) -> str:
    # Nothing that a terminal would obey, or XML would not take.
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _spellings_of(secret: str) -> set[str]:
    """Return *secret* as it is, in Base64 by itself or within something else, and in Base16."""
    octets = secret.encode()
    spellings = {secret, octets.hex(), octets.hex().upper()}
    for encode in (b64encode, urlsafe_b64encode):
        spellings.add(encode(octets).decode().rstrip("="))
        for before in range(3):
            encoded = encode(bytes(before) + octets).decode()
            # Of the first and the last character there, some bits are a neighbour's.
            within = encoded[(before * 8 + 5) // 6 : (before + len(octets)) * 8 // 6]
            if len(within) >= _LEAST_IN_PART:
                spellings.add(within)
    return spellings


def _escapes_of(character: str) -> str:
    """
    Return a pattern of what *character* of a secret becomes in forms, URLs, JSON and HTML.

    Which characters are escaped, and how, is another matter with each library.
    """
    if _UNESCAPED.match(character):
        return re.escape(character)
    number, octets = ord(character), character.encode()
    units = character.encode("utf-16-be").hex(" ", 2).split()
    spellings = [
        rf"\\{{0,3}}{re.escape(character)}",
        # Encoded twice, where a URL is within another.
        "".join(rf"(?i:%(?:25){{0,2}}{octet:02x})" for octet in octets),
        "".join(rf"(?i:\\{{1,2}}u{unit})" for unit in units),
        rf"(?i:&(?:amp;)?\#(?:0{{0,5}}{number}|x0{{0,5}}{number:x});)",
    ]
    if number in codepoint2name:
        spellings.append(f"&(?:amp;)?{codepoint2name[number]};")
    if character == "'":
        spellings.append("&(?:amp;)?apos;")
    if character == " ":
        spellings.append(r"\+")
    if len(octets) > 1:
        # Read in another charset than it was written in: UTF-8 and Latin-1, either way.
        spellings += [re.escape(octets.decode("latin-1")), rf"\\x{number:02x}"]
    return f"(?:{'|'.join(spellings)})"
