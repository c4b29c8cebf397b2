"""Takes secrets, tokens and passwords out of what is shown, also where the server echoes them."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from html import escape
from urllib.parse import quote, quote_plus

from oauthgrants.testing.conformance.messages import Answer, Pairs

MASK = "•••"
_MOST_SHOWN = 2000

_SECRET_MEMBERS = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|password|token|mfa_token"
)
_IN_FORM = re.compile(rf"(^|&)({_SECRET_MEMBERS})=[^&]*")
_IN_JSON = re.compile(rf'("(?:{_SECRET_MEMBERS})"\s*:\s*")(?:[^"\\]|\\.)*"')
_SECRET_HEADERS = {"authorization", "cookie", "set-cookie", "dpop"}


class Masker:
    """Knows what nobody may see; told of more as it comes."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()

    def learn(self, *secrets: str) -> None:
        """Keep each of *secrets*, however it is spelt, from being shown."""
        for secret in secrets:
            if secret:
                self._spellings.update(_spellings_of(secret))

    def mask(self, text: str) -> str:
        """Return *text* without secrets."""
        text = _IN_FORM.sub(rf"\1\2={MASK}", text)
        text = _IN_JSON.sub(rf'\1{MASK}"', text)
        return self.mask_known(text)

    def clean(self, text: str) -> str:
        """Return *text* without known secrets, and without what would not be seen in it."""
        return _printable(self.mask_known(text))

    def mask_known(self, text: str) -> str:
        """Return *text* without the secrets that are known, whatever stands around them."""
        # The longest first: a part of one may be another.
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
                yield f"{name}: {self.mask(value)}"

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
        # Masked as a whole, then cut: a token cut in half is not found any more.
        text = self.mask(body.decode("utf-8", "backslashreplace"))
        return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} …"


def _printable(text: str) -> str:
    # Nothing that a terminal would obey, or XML would not take.
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _spellings_of(secret: str) -> set[str]:
    quoted = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret)}
    quoted |= {re.sub("%..", lambda found: found[0].lower(), each) for each in quoted}
    in_base64 = {
        encode(secret.encode()).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode)
    }
    in_text = {json.dumps(secret)[1:-1], escape(secret), escape(secret, quote=False)}
    return {each for each in quoted | in_base64 | in_text if each}
