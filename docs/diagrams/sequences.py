"""
Draws who says what to whom in each grant: ``python docs/diagrams/sequences.py``.

Like ``draw.py`` they are plain SVG on a ground of their own, so that they read the same on a light
page and on a dark one. Their titles and descriptions say the same in words.

>>> for name, sequence in SEQUENCES.items():
...     if (HERE / f"{name}.svg").read_text("utf-8") != draw(sequence):
...         print(name, "is not up to date")
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import attrs

HERE = Path(__file__).parent

_INK, _MUTED, _GROUND, _EDGE = "#1f2933", "#52606d", "#ffffff", "#cbd2d9"
_GOOD, _BAD, _NOTE = "#2f855a", "#c53030", "#fff5e0"
_FILLS = {"Store": ("#fff5e0", "#b7791f"), "Thief": ("#fdecec", "#c53030")}
_USUAL = ("#e8f1fd", "#2b6cb0")
_COLUMN, _LINE, _STEP, _TOP, _SIDE = 218, 18, 26, 76, 96


@attrs.frozen
class Message:
    """
    What one says to another.

    Attributes:
        sender: A participant.
        receiver: Another one, or the same for what it does by itself.
        lines: What is said, as shown above the arrow.
        colour: Of arrow and text: answers are green, refusals red.
    """

    sender: str
    receiver: str
    lines: tuple[str, ...]
    colour: str = _INK


@attrs.frozen
class Sequence:
    """
    One grant.

    Attributes:
        title: What it shows.
        participants: From left to right.
        messages: From top to bottom.
    """

    title: str
    participants: tuple[str, ...]
    messages: tuple[Message, ...]

    @property
    def description(self) -> str:
        """The same in words."""
        return " ".join(
            f"{each.sender}: {', '.join(each.lines)}."
            if each.sender == each.receiver
            else f"{each.sender} to {each.receiver}: {', '.join(each.lines)}."
            for each in self.messages
        )


def _say(sender: str, receiver: str, *lines: str) -> Message:
    return Message(sender, receiver, lines)


def _grant(sender: str, receiver: str, *lines: str) -> Message:
    return Message(sender, receiver, lines, _GOOD)


def _refuse(sender: str, receiver: str, *lines: str) -> Message:
    return Message(sender, receiver, lines, _BAD)


_AS = "Authorization server"

SEQUENCES = {
    "client-credentials": Sequence(
        "The client credentials grant, and a call of an API",
        ("Client", _AS, "Store", "API"),
        (
            _say("Client", _AS, "grant_type=client_credentials", "scope, and who it is"),
            _say(_AS, "Store", "find_client"),
            _say(_AS, _AS, "checks secret, assertion", "or certificate; narrows the scope"),
            _say(_AS, "Store", "save_tokens", "the digest, not the token"),
            _grant(_AS, "Client", "200: access_token,", "expires_in, scope"),
            _say("Client", "API", "Authorization: Bearer,", "and the access token"),
            _say("API", "Store", "find_access_token,", "or asks the server"),
            _say("API", "API", "checks end,", "audience and scope"),
            _grant("API", "Client", "200: what was asked for"),
        ),
    ),
    "password": Sequence(
        "The password grant, which only first-party clients may use",
        ("User", "Client", _AS, "Store"),
        (
            _say("User", "Client", "username, password"),
            _say("Client", _AS, "grant_type=password,", "username, password,", "and who it is"),
            _say(_AS, _AS, "authenticates the client; is", "it first-party, and registered?"),
            _say(_AS, "Store", "begin_attempt", "find_user"),
            _say(_AS, _AS, "checks the password,", "as long for unknown users"),
            _say(_AS, "Store", "save_tokens"),
            _grant(_AS, "Client", "200: access_token,", "refresh_token"),
            _say("Client", "Client", "forgets the password,", "keeps the refresh token"),
        ),
    ),
    "second-factor": Sequence(
        "The password grant with a second factor",
        ("User", "Client", _AS, "Store"),
        (
            _say("User", "Client", "username, password"),
            _say("Client", _AS, "grant_type=password,", "username, password"),
            _say(_AS, "Store", "save_mfa_token"),
            _refuse(_AS, "Client", "403: mfa_required,", "mfa_token"),
            _say("Client", "User", "asks for the code"),
            _say("User", "Client", "code"),
            _say("Client", _AS, "grant_type=…:mfa-otp,", "mfa_token, otp"),
            _say(_AS, "Store", "begin_attempt", "add_if_absent: the code is new"),
            _say(_AS, "Store", "take_mfa_token: once", "save_tokens"),
            _grant(_AS, "Client", "200: access_token,", "refresh_token"),
        ),
    ),
    "refresh": Sequence(
        "The refresh token grant, and a stolen refresh token that gives itself away",
        ("Client", _AS, "Store", "Thief"),
        (
            _say("Client", _AS, "grant_type=refresh_token,", "refresh token 1"),
            _say(_AS, "Store", "rotate_refresh_token:", "spends 1, stores 2, at once"),
            _grant(_AS, "Client", "200: access_token,", "refresh token 2"),
            _say("Thief", _AS, "refresh token 1,", "from a log or a backup"),
            _say(_AS, "Store", "rotate_refresh_token:", "1 was spent before"),
            _say(_AS, "Store", "revoke_family:", "access tokens too"),
            _refuse(_AS, "Thief", "400: invalid_grant"),
            _say("Client", _AS, "grant_type=refresh_token,", "refresh token 2"),
            _refuse(_AS, "Client", "400: invalid_grant;", "the user signs in anew"),
        ),
    ),
    "bound-tokens": Sequence(
        "A token that is bound to a key of its client (DPoP)",
        ("Client", _AS, "API", "Thief"),
        (
            _say("Client", "Client", "makes a key pair,", "which never leaves it"),
            _say("Client", _AS, "grant_type=…", "DPoP: proof 1, signed"),
            _say(_AS, _AS, "checks the proof, that it is new;", "binds the token to the key"),
            _grant(_AS, "Client", "200: access_token,", "token_type: DPoP"),
            _say(
                "Client",
                "API",
                "Authorization: DPoP, and the token",
                "DPoP: proof 2, for this call",
            ),
            _say("API", "API", "is the proof for this call and", "this token, by its key?"),
            _grant("API", "Client", "200: what was asked for"),
            _say("Thief", "API", "the token, without", "the key"),
            _refuse("API", "Thief", "401: of no use"),
        ),
    ),
}
"""By the names of their files."""


def draw(sequence: Sequence) -> str:
    """Return *sequence* as SVG."""
    width = 2 * _SIDE + (len(sequence.participants) - 1) * _COLUMN
    places = {name: _SIDE + n * _COLUMN for n, name in enumerate(sequence.participants)}
    arrows: list[str] = []
    y = _TOP
    for message in sequence.messages:
        high = len(message.lines) * _LINE
        arrows += _draw_message(message, places, y, high)
        y += high + _STEP
    height = y + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title description" '
        "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" text-anchor=\"middle\">",
        f'<title id="title">{escape(sequence.title)}</title>',
        f'<desc id="description">{escape(sequence.description)}</desc>',
        "<defs>",
        *(_head(colour) for colour in (_INK, _GOOD, _BAD)),
        "</defs>",
        f'<rect x="1" y="1" width="{width - 2}" height="{height - 2}" rx="14" fill="{_GROUND}" '
        f'stroke="{_EDGE}" stroke-width="1.5"/>',
    ]
    for name, x in places.items():
        fill, stroke = _FILLS.get(name, _USUAL)
        parts += [
            f'<path d="M{x} 52V{height - 14}" stroke="{_EDGE}" stroke-width="1.5" '
            'stroke-dasharray="4 4"/>',
            f'<rect x="{x - 88}" y="18" width="176" height="34" rx="9" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.5"/>',
            f'<text x="{x}" y="40" font-size="14" font-weight="600" fill="{_INK}">'
            f"{escape(name)}</text>",
        ]
    return "\n".join([*parts, *arrows, "</svg>"]) + "\n"


def _draw_message(message: Message, places: dict[str, int], y: int, high: int) -> list[str]:
    start, end = places[message.sender], places[message.receiver]
    if start == end:
        widest = max(map(len, message.lines)) * 6.6 + 18
        return [
            f'<rect x="{start - widest / 2:g}" y="{y - 2}" width="{widest:g}" '
            f'height="{high + 10}" rx="6" fill="{_NOTE}" stroke="{_EDGE}"/>',
            *_draw_lines(message, start, y),
        ]
    towards = 1 if end > start else -1
    # Above the first stretch of its way, where its sender is.
    middle = start + towards * _COLUMN // 2
    ground = max(map(len, message.lines)) * 6.4
    return [
        f'<rect x="{middle - ground / 2:g}" y="{y}" width="{ground:g}" height="{high + 2}" '
        f'fill="{_GROUND}"/>',
        *_draw_lines(message, middle, y),
        f'<path d="M{start} {y + high + 8}H{end - 2 * towards}" stroke="{message.colour}" '
        f'stroke-width="1.8" fill="none" marker-end="url(#{message.colour[1:]})"/>',
    ]


def _draw_lines(message: Message, x: int, y: int) -> list[str]:
    return [
        f'<text x="{x}" y="{y + 14 + number * _LINE}" font-size="12.5" '
        f'fill="{_MUTED if message.sender == message.receiver else message.colour}">'
        f"{escape(line)}</text>"
        for number, line in enumerate(message.lines)
    ]


def _head(colour: str) -> str:
    return (
        f'<marker id="{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
    )


if __name__ == "__main__":
    for each, sequence in SEQUENCES.items():
        (HERE / f"{each}.svg").write_text(draw(sequence), "utf-8")
