"""What a check finds."""

from __future__ import annotations

from enum import IntEnum

import attrs


class Severity(IntEnum):
    """How much a finding matters."""

    INFO = 1
    """Good to know; nothing has to be done."""
    WARNING = 2
    """Something that should be (SHOULD), or a weakness that is there on purpose."""
    ERROR = 3
    """Something that must be (MUST), or a door that stands open."""

    def __str__(self) -> str:
        """Return its name as commands and pages have it."""
        return self.name.lower()


@attrs.frozen(kw_only=True)
class Finding:
    """
    One thing that a check has found.

    Attributes:
        rule: The name of the rule.
        severity: How much it matters.
        requirements: The ids of the requirements that ask for something else.
        subject: Whom it is about: ``server``, or a client or user by its identifier.
        message: What is so; never with a secret in it.
        advice: What to do.
    """

    rule: str
    severity: Severity
    requirements: tuple[str, ...]
    subject: str
    message: str
    advice: str

    def parameters(self) -> dict[str, object]:
        """Return it as the members of a JSON object."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "requirements": list(self.requirements),
            "subject": self.subject,
            "message": self.message,
            "advice": self.advice,
        }
