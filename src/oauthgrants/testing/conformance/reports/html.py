"""A report for the browser: one page that needs nothing else, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from oauthgrants.testing.conformance.reports.text import summary
from oauthgrants.testing.conformance.requirements import requirement_texts
from oauthgrants.testing.conformance.results import Report, Result, Status

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --pass: #1a6b2b; --fail: #b3141d; --skip: #5a5a5a }
@media (prefers-color-scheme: dark) {
  :root { --pass: #7fd491; --fail: #ff9a9a; --skip: #b5b5b5 }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1.15rem; margin-top: 2rem } h3 { font-size: 1rem; margin: .6rem 0 .2rem 11.5rem }
details { border-top: 1px solid var(--line); padding: .4rem 0 }
summary { cursor: pointer; display: grid; grid-template-columns: 1rem 4rem 5rem 1fr; gap: .5rem }
summary::before { content: "\\25b8" } details[open] > summary::before { content: "\\25be" }
.passed { color: var(--pass) } .failed { color: var(--fail) } .skipped { color: var(--skip) }
.status { font-weight: 600 }
.why { display: block; font-size: .9rem }
dl { margin: .4rem 0 .4rem 11.5rem }
dt { font-family: ui-monospace, monospace } dd { margin: 0 0 .4rem }
pre { border: 1px solid var(--line); padding: .6rem; margin: 0 0 .6rem 11.5rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem }
@media (max-width: 40rem) {
  dl, h3, pre { margin-left: 0 } summary { grid-template-columns: 1rem 4rem 4.5rem 1fr }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(report: Report) -> str:
    """Return *report* as a page of its own: no scripts, no images, nothing from elsewhere."""
    title = f"Conformance of {escape(report.server)}"
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<p>Asked by <code>{escape(report.client_id)}</code> "
        f"({escape(report.auth_method)}) on "
        f'<time datetime="{report.began_at.isoformat()}">{report.began_at:%Y-%m-%d %H:%M} UTC'
        "</time>. Secrets, tokens and passwords are masked. Each check opens: it shows what was "
        "asked for, what was sent and what came back.</p>\n"
    ]
    parts += [f"<p>{escape(line)}</p>\n" for line in summary(report)]
    for section, results in groupby(report.results, key=lambda each: each.check.section):
        parts.append(f"<h2>{escape(section)}</h2>\n")
        parts += [_entry(each) for each in results]
    return "".join([*parts, "</main>\n</body>\n</html>\n"])


def _entry(result: Result) -> str:
    check = result.check
    opened = " open" if result.status is Status.FAILED else ""
    return "".join(
        [
            f'<details id="{escape(check.name)}"{opened}>\n<summary>'
            f'<span class="status {result.status}">{result.status}</span> '
            f"<span>{check.level}</span> <span>{escape(check.title)}",
            f'<span class="why">{escape(result.why)}</span>' if result.why else "",
            "</span></summary>\n",
            "<dl>\n",
            *_requirements(result),
            "</dl>\n",
            *(
                f"<h3>Sent</h3>\n<pre>{escape(each.request)}</pre>\n"
                f"<h3>Came back</h3>\n<pre>{escape(each.response)}</pre>\n"
                for each in result.exchanges
            ),
            "</details>\n",
        ]
    )


def _requirements(result: Result) -> Iterator[str]:
    for id_ in result.check.requirements:
        yield f"<dt>{id_}</dt><dd>{escape(requirement_texts()[id_])}</dd>\n"
