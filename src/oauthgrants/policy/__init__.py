"""
Checks a server against RFC 9700, RFC 6819 and OAuth 2.1, and says what it finds.

A rule is a small function in one of the modules ``about_…``. To add one, write it there: its
decorator says how much it matters, which requirement it goes back to and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from oauthgrants.clients import Client
from oauthgrants.policy import about_clients, about_grants, about_guessing, about_tokens
from oauthgrants.policy.findings import Finding, Severity
from oauthgrants.policy.rules import RULES, Rule
from oauthgrants.ports import resolve
from oauthgrants.users import User
from oauthgrants.wiring import Wiring

__all__ = ["RULES", "Finding", "Rule", "Severity", "examine"]

# Importing these modules fills `RULES`.
_rules = (about_clients, about_grants, about_guessing, about_tokens)


async def examine(
    wiring: Wiring,
    clients: Iterable[Client] | None = None,
    users: Iterable[User] | None = None,
) -> tuple[Finding, ...]:
    """
    Return what the rules find, the worst first.

    Args:
        wiring: The server.
        clients: The clients to look at; None for all, if their store has ``list_clients``.
        users: The users to look at; None for all, if their store has ``list_users``.
    """
    registered = wiring.services.users
    every = await _list(clients, wiring.authenticator.clients, "list_clients")
    # A client that is switched off can do no harm.
    looked_at = [client for client in every if client.active]
    people = await _list(users, registered, "list_users")
    subs = {user.sub for user in people}
    if registered is not None:
        for client in looked_at:
            if await resolve(registered.find_user_by_sub(client.client_id)) is not None:
                subs.add(client.client_id)
    wiring = attrs.evolve(wiring, subs=frozenset(subs))
    findings: list[Finding] = []
    for rule in RULES:
        if rule.about == "server":
            findings += rule.apply("server", wiring)
        elif rule.about == "client":
            for client in looked_at:
                findings += rule.apply(f"client {client.client_id!r}", wiring, client)
        else:
            for user in people:
                findings += rule.apply(f"user {user.username!r}", wiring, user)
    return tuple(sorted(findings, key=lambda found: (-found.severity, found.subject != "server")))


async def _list(given: Iterable[Any] | None, store: Any, method: str) -> tuple[Any, ...]:
    """Return what is *given*, else all that *store* has, else nothing."""
    if given is not None:
        return tuple(given)
    lister = getattr(store, method, None)
    return () if lister is None else tuple(await resolve(lister()))
