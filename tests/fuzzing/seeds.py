"""The inputs that are kept, one a line, as Python writes octets."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable

from . import FOLDER

WORDS = (
    *(b"grant_type=", b"client_credentials", b"password", b"refresh_token", b"scope=", b"read"),
    *(b"client_id=", b"client_secret=", b"username=", b"token=", b"resource=", b"alice"),
    *(b"POST /token", b"POST /introspect", b"POST /revoke", b"GET /", b"\n\n", b"Basic "),
    *(b"Content-Type: ", b"application/x-www-form-urlencoded", b"Authorization: "),
    *(b"&", b"=", b"+", b"%", b"%00", b"%25", b"%C3%A9", b"%ff", b" ", b":", b".", b"\0"),
    *(b'"iss":', b'"sub":', b'"aud":', b'"exp":', b'"nbf":', b'"iat":', b'"jti":', b"1e400"),
    *(b"macker", b"https://auth.example.com", b"-1", b"[]", b"{}", b"null", b"\\ud800", b"true"),
)
"""What inputs are made of, for who mutates them."""


def read(target: str) -> list[bytes]:
    """Return the inputs of *target*."""
    lines = (FOLDER / "corpus" / f"{target}.txt").read_text("ascii").splitlines()
    return [literal_eval(line) for line in lines]


def write(target: str, inputs: Iterable[bytes]) -> None:
    """Keep *inputs* as those of *target*, the short ones first."""
    lines = [repr(each) for each in sorted(set(inputs), key=lambda each: (len(each), each))]
    text = "".join(f"{line}\n" for line in lines)
    (FOLDER / "corpus" / f"{target}.txt").write_text(text, "ascii")
