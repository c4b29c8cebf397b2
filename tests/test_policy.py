"""The policy check: what it has against a server, rule by rule."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from conformance import Catalogue
from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    ClientSecret,
    Lifetimes,
    MemoryStore,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.hashing import fast_digest
from oauthgrants.jose import SigningKey
from oauthgrants.policy import RULES, Finding, Severity
from oauthgrants.throttling import Throttle
from oauthgrants.totp import MemoryTotpSecrets, TotpFactor
from support import CHEAP, ISSUER, password_grant

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = SigningKey.generate("ES256")
FACTOR = TotpFactor(secrets=MemoryTotpSecrets({}))


class SharedStore(MemoryStore):
    """Stands for a database: it says that other processes see what it keeps."""

    shared_between_processes = True


class ClientsOnly:
    """A host's own port: it can look clients up, and not list them."""

    def __init__(self, *clients: Client) -> None:
        self._clients = {client.client_id: client for client in clients}

    async def find_client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    async def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> None:
        raise AssertionError("a check changes nothing")


class SlowHashes:
    """A hasher that is not Argon2id."""

    def hash(self, secret: Secret) -> str:
        raise AssertionError("a check hashes nothing")

    def verify(self, encoded: str | None, secret: Secret) -> bool:
        raise AssertionError("a check verifies nothing")

    def needs_rehash(self, encoded: str) -> bool:
        raise AssertionError("a check asks nobody")


class CountsOnly:
    """Counts attempts, and remembers no sources; elsewhere, for all processes."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.begin_attempt = store.begin_attempt
        self.withdraw_attempt = store.withdraw_attempt
        self.clear_attempts = store.clear_attempts


class TokensOnly:
    """Keeps tokens for all processes, and nothing else."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.save_tokens = store.save_tokens
        self.find_access_token = store.find_access_token
        self.find_refresh_token = store.find_refresh_token
        self.rotate_refresh_token = store.rotate_refresh_token
        self.revoke_family = store.revoke_family
        self.revoke_access_token = store.revoke_access_token


def settings(**changes: Any) -> dict[str, Any]:
    """Return those of a server that nobody has anything against, but for *changes*."""
    return {
        "issuer": ISSUER,
        "store": SharedStore(),
        "grants": [ClientCredentialsGrant()],
        "profile": "oauth2.1",
        "audience": "https://api.example.com",
        "clock": lambda: NOW,
        **changes,
    }


def sign_ins(**grant: Any) -> dict[str, Any]:
    """Return settings with the password grant, and all that it takes to be no worse."""
    return {
        "profile": "oauth2.0",
        "grants": [
            password_grant(**{"second_factor": FACTOR} | grant),
            MfaOtpGrant(factor=FACTOR),
            RefreshTokenGrant(),
        ],
        "lifetimes": Lifetimes(family=30 * DAY),
    }


def machine(**metadata: Any) -> Client:
    return Client.with_keys(
        "machine",
        **{"grant_types": ["client_credentials"], "jwks": {"keys": [KEY.public.as_dict()]}}
        | metadata,
    )


def with_secrets(*ends: datetime | None, machine_made: bool = True) -> Client:
    return Client(
        client_id="machine",
        grant_types=("client_credentials",),
        secrets=tuple(
            ClientSecret(
                hash=fast_digest(Secret(f"s{index}"))
                if machine_made
                else CHEAP.hash(Secret("swordfish")),
                expires_at=end,
            )
            for index, end in enumerate(ends)
        ),
    )


def app(**metadata: Any) -> Client:
    return Client.public(
        "app", **{"grant_types": ["password", "refresh_token"], "first_party": True} | metadata
    )


def alice(hasher: Argon2idHasher = CHEAP, sub: str = "user-1") -> User:
    return User(sub=sub, username="alice", password_hash=hasher.hash(Secret("wonderland")))


def found(
    changes: dict[str, Any], clients: Iterable[Client] = (), users: Iterable[User] = ()
) -> tuple[Finding, ...]:
    server = AuthorizationServer(**settings(**changes))
    return server.check(clients=clients, users=users)


JWT = {"access_token_format": "jwt", "signing_keys": KEY}

BAD: dict[str, tuple[dict[str, Any], list[Client], list[User], str]] = {
    "password-grant": (sign_ins(), [], [], "server"),
    "password-for-any-client": (sign_ins(first_party_only=False), [], [], "server"),
    "password-alone": (sign_ins(second_factor=None), [], [], "server"),
    "profile": ({"profile": "oauth2.0"}, [], [], "server"),
    "first-party": (sign_ins(), [app()], [], "client 'app'"),
    "first-party-for-nothing": ({}, [machine(first_party=True)], [], "client 'machine'"),
    "both-grants": (
        {},
        [machine(grant_types=["client_credentials", "password"])],
        [],
        "client 'machine'",
    ),
    "public-password": (sign_ins(), [app()], [], "client 'app'"),
    "grant-not-enabled": ({}, [machine(grant_types=["refresh_token"])], [], "client 'machine'"),
    "plain-http": (
        {"issuer": "http://127.0.0.1:8000", "allow_insecure_transport": True},
        [],
        [],
        "server",
    ),
    "long-access-tokens": (
        {"grants": [ClientCredentialsGrant(access_token_lifetime=timedelta(hours=2))]},
        [],
        [],
        "server",
    ),
    "long-access-tokens-of-a-client": (
        {},
        [machine(access_token_lifetime=DAY)],
        [],
        "client 'machine'",
    ),
    "long-refresh-tokens": (
        sign_ins() | {"lifetimes": Lifetimes(refresh_token=91 * DAY, family=365 * DAY)},
        [],
        [],
        "server",
    ),
    "long-refresh-tokens-of-a-client": (
        sign_ins(),
        [app(refresh_token_lifetime=365 * DAY)],
        [],
        "client 'app'",
    ),
    "endless-sign-ins": (sign_ins() | {"lifetimes": Lifetimes()}, [], [], "server"),
    "refresh-grace": ({"refresh_grace": timedelta(seconds=5)}, [], [], "server"),
    "rotation-alone": (sign_ins(), [app()], [], "client 'app'"),
    "no-audience": ({"audience": ()}, [], [], "server"),
    "many-audiences": (
        {"audience": [f"https://{name}.example.com" for name in "abcd"]},
        [],
        [],
        "server",
    ),
    "all-scope-by-default": (
        {},
        [machine(scope="read write", default_scope="write read")],
        [],
        "client 'machine'",
    ),
    "tokens-in-memory": ({"store": MemoryStore()}, [], [], "server"),
    "deny-list-in-memory": (JWT | {"deny_list": MemoryStore()}, [], [], "server"),
    "no-throttle": ({"throttle": None}, [], [], "server"),
    "loose-throttle": ({"throttle": Throttle(max_failures=101)}, [], [], "server"),
    "attempts-in-memory": ({"attempts": MemoryStore()}, [], [], "server"),
    "strangers-lock-out": (
        {
            "store": None,
            "tokens": TokensOnly(),
            "clients": ClientsOnly(),
            "attempts": CountsOnly(),
        },
        [],
        [],
        "server",
    ),
    "weak-hasher": ({"hasher": CHEAP}, [], [], "server"),
    "weak-password-hash": (sign_ins(), [], [alice()], "user 'alice'"),
    "endpoint-audience": (
        {"profile": "oauth2.0", "assertions": AssertionRules(accept_endpoint_audience=True)},
        [],
        [],
        "server",
    ),
    "no-replay-store": (
        {"store": None, "tokens": TokensOnly(), "clients": ClientsOnly()},
        [],
        [],
        "server",
    ),
    "replays-in-memory": ({"replays": MemoryStore()}, [], [], "server"),
    "private-addresses": (
        {"assertions": AssertionRules(allow_private_addresses=True)},
        [],
        [],
        "server",
    ),
    "equal-secret-methods": (
        {"profile": "oauth2.0", "secret_methods_equal": True},
        [],
        [],
        "server",
    ),
    "client-is-user": ({}, [machine()], [alice(sub="machine")], "client 'machine'"),
    "chosen-secret": ({}, [with_secrets(NOW + DAY, machine_made=False)], [], "client 'machine'"),
    "expired-secrets": ({}, [with_secrets(NOW, NOW - DAY)], [], "client 'machine'"),
    "expiring-secrets": (
        {},
        [with_secrets(NOW + 29 * DAY, NOW + DAY, NOW - DAY)],
        [],
        "client 'machine'",
    ),
    "endless-secrets": ({}, [with_secrets(NOW + DAY, None)], [], "client 'machine'"),
    "many-secrets": ({}, [with_secrets(*[NOW + DAY] * 3)], [], "client 'machine'"),
    "shared-secret": ({}, [with_secrets(None)], [], "client 'machine'"),
}
"""A setting of each rule that it has something against, and whom that is about."""

ENOUGH = Argon2idHasher(memory_cost=19 * 1024, time_cost=2, lanes=1)

GOOD: dict[str, list[tuple[dict[str, Any], list[Client], list[User]]]] = {
    # A verifier of the host's may ask for more itself.
    "password-alone": [(sign_ins(second_factor=None, verifier=object()), [], [])],
    "first-party": [({}, [app()], [])],
    "first-party-for-nothing": [(sign_ins(), [app()], [])],
    "public-password": [
        ({}, [app()], []),
        (sign_ins(), [machine(grant_types=["password"], first_party=True)], []),
    ],
    "long-access-tokens": [({"lifetimes": Lifetimes(access_token=timedelta(hours=1))}, [], [])],
    "long-access-tokens-of-a-client": [
        ({}, [machine(access_token_lifetime=timedelta(hours=1))], [])
    ],
    "long-refresh-tokens": [
        (sign_ins() | {"lifetimes": Lifetimes(refresh_token=90 * DAY)}, [], []),
        # Nobody gets one.
        ({"lifetimes": Lifetimes(refresh_token=91 * DAY)}, [], []),
    ],
    "long-refresh-tokens-of-a-client": [(sign_ins(), [app(refresh_token_lifetime=90 * DAY)], [])],
    "endless-sign-ins": [({"lifetimes": Lifetimes()}, [], [])],
    "rotation-alone": [(sign_ins(), [app(dpop_bound_access_tokens=True)], [])],
    "many-audiences": [({"audience": [f"https://{name}.example.com" for name in "abc"]}, [], [])],
    "all-scope-by-default": [({}, [machine(scope="read", default_scope="read")], [])],
    "deny-list-in-memory": [(JWT, [], []), (JWT | {"store": MemoryStore()}, [], [])],
    "loose-throttle": [({"throttle": Throttle(max_failures=100)}, [], [])],
    "attempts-in-memory": [({"store": MemoryStore()}, [], [])],
    "replays-in-memory": [({"store": MemoryStore()}, [], [])],
    "weak-hasher": [({"hasher": ENOUGH}, [], []), ({"hasher": SlowHashes()}, [], [])],
    "weak-password-hash": [
        (
            sign_ins(),
            [],
            [
                alice(ENOUGH),
                User(sub="user-2", username="bob"),
                User(sub="user-3", username="carol", password_hash="$2b$12$of-another-kind"),
            ],
        )
    ],
    "chosen-secret": [({}, [with_secrets(None)], [])],
    "expired-secrets": [({}, [with_secrets(NOW - DAY, NOW + DAY)], [])],
    "expiring-secrets": [
        ({}, [with_secrets(NOW + DAY, None)], []),
        ({}, [with_secrets(NOW + DAY, NOW + 31 * DAY)], []),
        ({}, [with_secrets(NOW - DAY)], []),
    ],
    "many-secrets": [({}, [with_secrets(NOW + DAY, NOW + DAY, NOW - DAY)], [])],
    "equal-secret-methods": [({"secret_methods_equal": True}, [], [])],
}
"""Near misses, with which the rule is content."""


def of_rule(findings: Iterable[Finding], rule: str) -> list[Finding]:
    return [finding for finding in findings if finding.rule == rule]


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_each_rule_finds_what_it_is_for(rule: str) -> None:
    changes, clients, users, subject = BAD[rule]

    [finding] = of_rule(found(changes, clients, users), rule)

    assert subject == finding.subject
    assert finding.message
    assert not finding.message.endswith(".")
    assert finding.advice.endswith(".")


@pytest.mark.parametrize("rule", sorted(GOOD))
def test_a_near_miss_is_none(rule: str) -> None:
    for near in GOOD[rule]:
        assert [] == of_rule(found(*near), rule)


def test_nobody_has_anything_against_a_sound_server() -> None:
    """Clients sign, tokens are for one API and for an hour, and there are no passwords."""
    assert () == found({}, [machine(scope="read write", default_scope="read")])


def test_the_password_grant_is_the_first_thing_that_is_found() -> None:
    findings = found(sign_ins(), [app()])

    assert "password-grant" == findings[0].rule
    assert Severity.ERROR is findings[0].severity
    assert "R9700-2.4-a" in findings[0].requirements
    gravity = [finding.severity for finding in findings]
    assert sorted(gravity, reverse=True) == gravity


def test_a_client_id_that_is_a_sub_is_found_without_a_list_of_users() -> None:
    """The port of users is asked for each client."""
    users = MemoryStore()
    users.add_user(alice(sub="machine"))

    [finding] = of_rule(found({"users": users}, [machine()], users=[]), "client-is-user")

    assert "client 'machine'" == finding.subject


def test_what_the_store_lists_is_looked_at_unasked() -> None:
    store = SharedStore()
    store.add_client(machine(first_party=True))
    store.add_user(alice())

    findings = AuthorizationServer(**settings(store=store)).check()

    assert {"client 'machine'", "user 'alice'"} == {finding.subject for finding in findings}


def test_a_client_that_is_switched_off_is_passed_over() -> None:
    assert () == found({}, [attrs.evolve(with_secrets(None), active=False)])


def test_the_async_server_finds_the_same() -> None:
    changes = settings(**sign_ins() | {"hasher": CHEAP, "attempts": MemoryStore()})
    server = AsyncAuthorizationServer(**changes)

    async def check() -> tuple[Finding, ...]:
        return await server.check(clients=[app()], users=[alice()])

    assert AuthorizationServer(**changes).check(clients=[app()], users=[alice()]) == asyncio.run(
        check()
    )


def test_a_port_that_waits_can_be_asked_by_the_async_server() -> None:
    server = AsyncAuthorizationServer(**settings(clients=ClientsOnly(machine(first_party=True))))

    # It cannot be listed, so that nothing is said of its clients.
    assert () == asyncio.run(_check(server))


async def _check(server: AsyncAuthorizationServer) -> tuple[Finding, ...]:
    return await server.check()


def test_who_never_checks_never_loads_the_rules() -> None:
    program = (
        "import sys\n"
        "from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore\n"
        "server = AuthorizationServer(issuer='https://auth.example.com', store=MemoryStore(),"
        " grants=[ClientCredentialsGrant()])\n"
        "assert 'oauthgrants.policy' not in sys.modules\n"
        "server.check()\n"
        "assert 'oauthgrants.policy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.req("R6819-4.4.3.1-a")
def test_no_finding_shows_a_secret() -> None:
    client = with_secrets(NOW + DAY, machine_made=False)
    findings = found(sign_ins() | {"hasher": CHEAP}, [client, app()], [alice()])

    shown = repr(findings) + str([finding.parameters() for finding in findings])
    assert {"chosen-secret", "weak-password-hash"} <= {finding.rule for finding in findings}
    for secret in ("swordfish", "wonderland", client.secrets[0].hash, "argon2id"):
        assert secret not in shown


def test_a_finding_is_a_value() -> None:
    first, second = found({"throttle": None}), found({"throttle": None})

    assert first == second
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first[0].message = "nothing"  # type: ignore[misc]  # that it may not be is the point
    assert {
        "rule": "no-throttle",
        "severity": "error",
        "requirements": ["R6749-2.3.1-g", "R6749-4.3.2-f", "R7009-5-a"],
        "subject": "server",
        "message": "passwords and secrets can be guessed at without limit",
        "advice": "Give the server a throttle, and a store of attempts to count in.",
    } == first[0].parameters()


def test_rules_go_back_to_known_requirements() -> None:
    known = Catalogue.load().ids
    for rule in RULES:
        assert rule.requirements, rule.name
        assert set(rule.requirements) <= known, rule.name
        assert rule.summary.endswith("."), rule.name
        assert rule.advice.endswith("."), rule.name


def test_names_of_rules_are_unique() -> None:
    names = [rule.name for rule in RULES]

    assert sorted(set(names)) == sorted(names)
    assert set(BAD) == set(names)
