"""A report for programs."""

from __future__ import annotations

import json

from oauthgrants.testing.conformance.requirements import requirement_texts
from oauthgrants.testing.conformance.results import Report, Status


def to_json(report: Report) -> str:
    """Return *report* as a JSON object."""
    texts = requirement_texts()
    counts = report.counts()
    return json.dumps(
        {
            "server": report.server,
            "client_id": report.client_id,
            "auth_method": report.auth_method,
            "began_at": report.began_at.isoformat(),
            "requests": report.requests,
            "wrong_on_purpose": report.wrong,
            "tokens_remaining": report.remaining,
            "cut_short": report.cut_short or None,
            "counts": {status: counts[status] for status in Status},
            "checks": [
                {
                    "name": each.check.name,
                    "section": each.check.section,
                    "level": each.check.level,
                    "title": each.check.title,
                    "requirements": {id_: texts[id_] for id_ in each.check.requirements},
                    "status": each.status,
                    "why": each.why or None,
                    "exchanges": [
                        {"request": exchange.request, "response": exchange.response}
                        for exchange in each.exchanges
                    ],
                }
                for each in report.results
            ],
        },
        indent=2,
        ensure_ascii=False,
    )
