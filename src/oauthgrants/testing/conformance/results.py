"""What came of a run, masked: nothing here has a secret in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from oauthgrants.testing.conformance.levels import Check, Level


class Status(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Exchange:
    """
    What was sent and what came back, with secrets, tokens and passwords masked.

    Attributes:
        request: Method and URL, headers, an empty line, the body.
        response: Status, headers, an empty line, the body; cut after 2,000 characters.
    """

    request: str
    response: str


@attrs.frozen
class Result:
    """
    What came of a check.

    Attributes:
        check: Which one.
        status: What came of it.
        why: What is not as it has to be, or why it was skipped; empty for a pass.
        exchanges: What it looked at, in order.
    """

    check: Check
    status: Status
    why: str
    exchanges: tuple[Exchange, ...]


@attrs.frozen(kw_only=True)
class Report:
    """
    What came of a run.

    Attributes:
        server: The issuer, or the token endpoint.
        client_id: The client that asked.
        auth_method: How it authenticated.
        began_at: Aware, in UTC.
        results: One for each check, in order.
        requests: How many were sent.
        wrong: How many of them carried a wrong secret or a made-up token on purpose.
        remaining: How many tokens could not be revoked at the end.
        cut_short: Why the run ended early; empty if it did not.
    """

    server: str
    client_id: str
    auth_method: str
    began_at: datetime
    results: Sequence[Result]
    requests: int
    wrong: int
    remaining: int
    cut_short: str = ""

    def __getitem__(self, name: str) -> Result:
        """
        Return what came of the check *name*.

        Raises:
            KeyError: It was not among them.
        """
        for result in self.results:
            if result.check.name == name:
                return result
        raise KeyError(name)

    def failures(self, *, strict: bool = False) -> list[Result]:
        """Return the checks that failed and count: those of MUST, with *strict* of SHOULD too."""
        counted = {Level.MUST, Level.SHOULD} if strict else {Level.MUST}
        return [
            each
            for each in self.results
            if each.status is Status.FAILED and each.check.level in counted
        ]

    def counts(self) -> Counter[Status]:
        """Return how many checks passed, failed and were skipped."""
        return Counter(each.status for each in self.results)

    def exit_status(self, *, strict: bool = False) -> int:
        """Return 0 if all is well, 1 if a check failed that counts, 2 if the run was cut short."""
        if self.failures(strict=strict):
            return 1
        return 2 if self.cut_short else 0
