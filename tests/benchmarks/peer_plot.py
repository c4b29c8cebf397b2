"""
Draws what `peers` measured as SVG, and has its tables for `page`: the same from the same figures.

``python -m tests.benchmarks.peer_plot docs/images/peers.json docs/images/peers.svg``
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from .report import Table

_INK, _MUTED, _GROUND, _EDGE, _STRIPE = "#1f2933", "#52606d", "#ffffff", "#cbd2d9", "#f7fafc"
# By library, and then by what it runs in: a disc, a ring, a square.
_COLOURS = {
    "oauthgrants": "#2b6cb0",
    "Authlib": "#c05621",
    "oauthlib": "#2f855a",
    "aioauth": "#805ad5",
}
_MARKS = {
    "": "disc",
    ", async": "ring",
    ", fast tokens": "ring",
    " in Flask": "square",
    " in Flask, fast tokens": "frame",
}
_ALONE = (
    "floor again",
    "oauthgrants, async",
    "Authlib",
    "Authlib, fast tokens",
    "oauthlib",
    "oauthlib, fast tokens",
    "aioauth",
)
_IN_FLASK = ("oauthgrants in Flask", "Authlib in Flask", "Authlib in Flask, fast tokens")
_LEFT, _RIGHT, _TOP, _STEP, _WIDTH = 290, 40, 128, 46, 860
_TICKS = (1, 2, 5, 10, 20, 50, 100)
_RADIUS = 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the drawing."""
    parser = ArgumentParser("python -m tests.benchmarks.peer_plot", description=__doc__)
    parser.add_argument("figures", type=Path, help="what `peers --json` wrote")
    parser.add_argument("drawing", type=Path, help="where the SVG goes")
    chosen = parser.parse_args(arguments)
    figures = json.loads(chosen.figures.read_text("utf-8"))
    chosen.drawing.write_text(draw(figures["rows"]), encoding="utf-8")


def tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, Table]:
    """Return *rows* as a page has them: over the floor by themselves, in microseconds in Flask."""
    alone, in_flask = list[list[object]](), list[list[object]]()
    for row in rows:
        by_name = {str(each["name"]): each for each in row["contenders"]}
        ours, floor = by_name["oauthgrants"], by_name["floor"]
        alone.append(
            [
                row["name"],
                f"{floor['microseconds']} µs",
                f"{ours['median']:.2f} ({ours['low']:.2f} to {ours['high']:.2f})",
                row["goal"],
                *(_over_floor(by_name.get(name)) for name in _ALONE),
            ]
        )
        in_flask.append([row["name"], *(_microseconds(by_name.get(name)) for name in _IN_FLASK)])
    head = ["", "floor", "oauthgrants (middle half)", "goal", *_ALONE]
    return {
        "floor": Table.of("Over the floor", head, alone),
        "flask": Table.of("In Flask", ["", *_IN_FLASK], in_flask),
    }


def _over_floor(each: Mapping[str, Any] | None) -> str:
    return "" if each is None else f"{each['median']:.2f}"


def _microseconds(each: Mapping[str, Any] | None) -> str:
    return "" if each is None else f"{each['microseconds']:.0f} µs"


def draw(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return *rows* as SVG: how many times as long as the floor each takes, on a log scale."""
    most = max(each["median"] for row in rows for each in row["contenders"])
    ticks = [tick for tick in _TICKS if tick <= most] or [1]
    end = log10(max(most * 1.15, 2))
    bottom = _TOP + _STEP * len(rows)

    def at(ratio: float) -> float:
        # A tenth of the scale lies left of the floor: noise, and the signature alone.
        share = (log10(max(ratio, 0.5)) + 0.1) / (end + 0.1)
        return _LEFT + max(share, 0) * (_WIDTH - _LEFT - _RIGHT)

    parts = [_rect(1, 1, _WIDTH - 2, bottom + 48, _GROUND), *_legend()]
    parts += [
        _rect(2, _TOP + number * _STEP, _WIDTH - 4, _STEP, _STRIPE)
        for number in range(0, len(rows), 2)
    ]
    for tick in ticks:
        x = at(tick)
        parts.append(_line(x, _TOP, x, bottom, _MUTED if tick == 1 else _EDGE))
        parts.append(
            _text(x, bottom + 20, "floor" if tick == 1 else f"{tick} times", _MUTED, "middle")
        )
    for number, row in enumerate(rows):
        y = _TOP + (number + 0.5) * _STEP
        parts.append(_text(_LEFT - 14, y + 5, row["name"], _INK, "end"))
        goal = at(row["goal"])
        parts.append(_line(goal, y - 17, goal, y + 17, _INK, width=2))
        # Ours last, so that nobody's mark lies above it.
        for each in reversed(row["contenders"]):
            parts += _contender(each, at, y)
    parts.append(
        _text(
            _LEFT,
            bottom + 39,
            "times as much as the floor computes; the upright line is the goal",
            _MUTED,
        )
    )
    return _svg(parts, bottom + 50)


def _contender(each: Mapping[str, Any], at: Any, y: float) -> list[str]:
    for library, colour in _COLOURS.items():
        name = str(each["name"])
        if name.startswith(library):
            shape = _MARKS[name.removeprefix(library)]
            # Frameworks below, so that the marks of libraries do not hide behind them.
            row_y = y + (9 if shape in ("square", "frame") else -9 if shape == "ring" else 0)
            spread = _line(at(each["low"]), row_y, at(each["high"]), row_y, colour)
            title = f"{name}: {each['median']:.2f} ({each['low']:.2f} to {each['high']:.2f})"
            return [spread, _mark(shape, at(each["median"]), row_y, colour, title)]
    return []  # the floor is the line at one


def _legend() -> list[str]:
    parts = [_text(20, 34, "What a request costs, over the floor", _INK, size=18)]
    x = 24.0
    for library, colour in _COLOURS.items():
        parts += [_mark("disc", x, 62, colour), _text(x + 12, 67, library, _INK)]
        x += 125
    x = 24.0
    for shape, meaning in {
        "disc": "the library alone",
        "ring": "async, or for peers with fast tokens",
        "square": "in Flask",
        "frame": "in Flask, with fast tokens",
    }.items():
        parts += [_mark(shape, x, 94, _MUTED), _text(x + 12, 99, meaning, _INK)]
        x += 40 + 7.6 * len(meaning)
    return parts


def _mark(shape: str, x: float, y: float, colour: str, title: str = "") -> str:
    filled = shape in ("disc", "square")
    style = f'fill="{colour if filled else _GROUND}" stroke="{colour}" stroke-width="2"'
    inside = f"<title>{escape(title)}</title>" if title else ""
    if shape in ("disc", "ring"):
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS - 1}" {style}>{inside}</circle>'
    side = 2 * _RADIUS - 3
    return (
        f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side}" height="{side}" '
        f"{style}>{inside}</rect>"
    )


def _rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, *, width: float = 1) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, anchor: str = "start", *, size: int = 14
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _svg(parts: Sequence[str], height: float) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">',
        "<title>What a request costs, over the floor</title>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
