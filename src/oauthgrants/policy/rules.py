"""What a rule is, and how one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import attrs

from oauthgrants.clients import Client
from oauthgrants.policy.findings import Finding, Severity
from oauthgrants.users import User
from oauthgrants.wiring import Wiring

OfServer = TypeVar("OfServer", bound=Callable[[Wiring], Iterable[str]])
OfClient = TypeVar("OfClient", bound=Callable[[Wiring, Client], Iterable[str]])
OfUser = TypeVar("OfUser", bound=Callable[[Wiring, User], Iterable[str]])


@attrs.frozen(kw_only=True)
class Rule:
    """
    Something that a check looks for.

    Attributes:
        name: Names it in findings and on the command line.
        severity: That of its findings.
        requirements: The ids of the requirements that it holds a server to.
        about: Whom it looks at.
        summary: What it finds, in one line.
        advice: What to do about it.
        look: Yields what it finds, each in a sentence without a full stop.
    """

    name: str
    severity: Severity
    requirements: tuple[str, ...]
    about: Literal["server", "client", "user"]
    summary: str
    advice: str
    look: Callable[..., Iterable[str]]

    def apply(self, subject: str, *seen: Wiring | Client | User) -> Iterable[Finding]:
        """Return what the rule finds in *seen*, what it looks at; *subject* names that."""
        return (
            Finding(
                rule=self.name,
                severity=self.severity,
                requirements=self.requirements,
                subject=subject,
                message=message,
                advice=self.advice,
            )
            for message in self.look(*seen)
        )


RULES: list[Rule] = []
"""Every rule, in the order in which they are written down."""


def of_server(
    severity: Severity, *requirements: str, advice: str
) -> Callable[[OfServer], OfServer]:
    """
    Make a rule of a function that looks at a server.

    The function's name becomes that of the rule, the first line of its docstring the summary.

    Args:
        severity: How much it matters.
        *requirements: Ids such as ``R9700-2.4-a``.
        advice: What to do, in a sentence.
    """
    return _rule("server", severity, requirements, advice)


def of_client(
    severity: Severity, *requirements: str, advice: str
) -> Callable[[OfClient], OfClient]:
    """Make a rule of a function that looks at a server and one of its clients."""
    return _rule("client", severity, requirements, advice)


def of_user(severity: Severity, *requirements: str, advice: str) -> Callable[[OfUser], OfUser]:
    """Make a rule of a function that looks at a server and one of its users."""
    return _rule("user", severity, requirements, advice)


def _rule(
    about: Literal["server", "client", "user"],
    severity: Severity,
    requirements: tuple[str, ...],
    advice: str,
) -> Callable[[Any], Any]:
    def register(look: Callable[..., Iterable[str]]) -> Callable[..., Iterable[str]]:
        RULES.append(
            Rule(
                name=look.__name__.replace("_", "-"),
                severity=severity,
                requirements=requirements,
                about=about,
                summary=(look.__doc__ or "").strip().partition("\n")[0],
                advice=advice,
                look=look,
            )
        )
        return look

    return register
