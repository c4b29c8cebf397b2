"""
Draws the diagrams of the documentation: ``python docs/diagrams/draw.py``.

They are plain SVG with colours of their own on a ground of their own, so that they read the same
on a light page and on a dark one.

>>> (HERE / "request.svg").read_text("utf-8") == draw_request()
True
"""

from __future__ import annotations

from html import escape
from pathlib import Path

HERE = Path(__file__).parent

_INK, _MUTED, _GROUND, _EDGE = "#1f2933", "#52606d", "#ffffff", "#cbd2d9"
_CORE = ("#e8f1fd", "#2b6cb0")
_PORT = ("#fff5e0", "#b7791f")
_HOST = ("#e9f7ef", "#2f855a")
_GOOD, _BAD = "#2f855a", "#c53030"
_WIDTH, _HEIGHT = 760, 660


def draw_request() -> str:
    """Return the way of a token request as SVG."""
    stages = [
        ("FormEndpoint", "POST, media type, clean URI"),
        ("FormParser", "size, UTF-8, no repeats"),
        ("ClientAuthenticator", "one method, the registered one"),
        ("TokenHandler", "grant_type known, client may use it"),
        ("Grant", "its own parameters, scope, user"),
        ("TokenIssuer", "values out, digests in"),
    ]
    ports = {2: ["ClientStore", "Hasher"], 4: ["PasswordVerifier", "UserStore", "ScopePolicy"]}
    ports[5] = ["TokenStore"]
    top, step, high = 92, 84, 58

    parts = [
        _rect((1, 1), (_WIDTH - 2, _HEIGHT - 2), _GROUND, _EDGE, radius=14),
        _text(79, 38, "the host", _MUTED, size=13),
        _text(382, 38, "the core: no I/O of its own", _MUTED, size=13),
        _text(656, 38, "ports: the host's again", _MUTED, size=13),
        _rect((222, 58), (320, 582), "#f7fafc", _CORE[1], radius=12, dashed=True),
        _rect((20, 92), (118, 484), *_HOST),
        _text(79, 310, "Adapter", _INK, bold=True),
        _text(79, 332, "WSGI, ASGI, …", _MUTED, size=13),
        _text(79, 350, "translation", _MUTED, size=13),
        _text(79, 367, "and nothing else", _MUTED, size=13),
        _line((520, 457), (576, 541), _PORT[1]),
    ]
    for index, (title, does) in enumerate(stages):
        y = top + index * step
        parts += [
            _rect((244, y), (276, high), *_CORE),
            _text(382, y + 25, title, _INK, bold=True),
            _text(382, y + 45, does, _MUTED, size=13),
        ]
        if index:
            parts.append(_arrow((382, y - step + high), (382, y - 2), _CORE[1]))
        names = ports.get(index, [])
        for place, name in enumerate(names):
            middle = y + high / 2 + (place - (len(names) - 1) / 2) * 36
            parts += [
                _rect((576, middle - 14), (160, 28), *_PORT, radius=14),
                _text(656, middle + 5, name, _INK, size=14),
                _line((520, y + high / 2), (576, middle), _PORT[1]),
            ]
    parts += [
        _arrow((138, 121), (242, 121), _INK),
        _text(180, 112, "HttpRequest", _INK, size=12),
        _arrow((244, 541), (140, 541), _GOOD),
        _text(180, 532, "tokens", _GOOD, size=12),
        _arrow((222, 606), (79, 606), _BAD, then=(79, 578)),
        _text(382, 603, "An OAuthError anywhere becomes 4xx here,", _BAD, size=13),
        _text(382, 621, "a port that raises becomes 503.", _BAD, size=13),
    ]
    return _svg(parts, "The way of a token request through adapter, core and ports")


def _svg(parts: list[str], title: str) -> str:
    heads = "".join(
        f'<marker id="{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        for colour in (_INK, _CORE[1], _GOOD, _BAD)
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        "font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" text-anchor=\"middle\">",
        f"<title>{escape(title)}</title>",
        f"<defs>{heads}</defs>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rect(
    corner: tuple[float, float],
    size: tuple[float, float],
    fill: str,
    stroke: str,
    *,
    radius: float = 9,
    dashed: bool = False,
) -> str:
    dashes = ' stroke-dasharray="6 5"' if dashed else ""
    return (
        f'<rect x="{corner[0]:g}" y="{corner[1]:g}" width="{size[0]:g}" height="{size[1]:g}" '
        f'rx="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"{dashes}/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    colour: str,
    *,
    size: int = 16,
    bold: bool = False,
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )


def _line(start: tuple[float, float], end: tuple[float, float], colour: str) -> str:
    return (
        f'<path d="M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}" stroke="{colour}" '
        'stroke-width="1.5" fill="none"/>'
    )


def _arrow(
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str,
    *,
    then: tuple[float, float] | None = None,
) -> str:
    on = "" if then is None else f"L{then[0]:g} {then[1]:g}"
    return (
        f'<path d="M{start[0]:g} {start[1]:g}L{end[0]:g} {end[1]:g}{on}" stroke="{colour}" '
        f'stroke-width="1.8" fill="none" marker-end="url(#{colour[1:]})"/>'
    )


if __name__ == "__main__":
    (HERE / "request.svg").write_text(draw_request(), "utf-8")
