"""A report in the forms that people, programs and CI read."""

from __future__ import annotations

from oauthgrants.testing.conformance.reports.html import to_html
from oauthgrants.testing.conformance.reports.json import to_json
from oauthgrants.testing.conformance.reports.junit import to_junit
from oauthgrants.testing.conformance.reports.text import to_text

__all__ = ["to_html", "to_json", "to_junit", "to_text"]
