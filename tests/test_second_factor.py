"""A second factor on the password grant: TOTP (RFC 6238), recovery codes, a host's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    MemoryStore,
    Scope,
    Secret,
    User,
)
from oauthgrants.events import MfaAsked, MfaPassed, RequestRefused, Throttled, TokenIssued
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.grants.refresh_token import RefreshTokenGrant
from oauthgrants.mfa import MFA_OTP
from oauthgrants.throttling import Throttle
from oauthgrants.totp import (
    MemoryTotpSecrets,
    TotpFactor,
    make_recovery_codes,
    make_totp_secret,
    require_totp_secret,
)
from oauthgrants.users import MfaRequired, PasswordOutcome
from support import CHEAP, ISSUER, World, error_of, password_grant

req = pytest.mark.req
OCTETS = b"12345678901234567890"
SECRET = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
RECOVERY = make_recovery_codes(2)
CLIENT: dict[str, Any] = {
    "grant_types": ["password", "refresh_token", MFA_OTP],
    "scope": "profile email",
    "default_scope": "profile",
    "resources": ["https://api.example.com"],
    "first_party": True,
}


@pytest.fixture
def mfa(world: World) -> World:
    """A server where alice has an authenticator application, and bob has none."""
    return with_factor(world)


def with_secrets(world: World) -> TotpFactor:
    return TotpFactor(
        secrets=MemoryTotpSecrets({"user-1": SECRET}, {"user-1": RECOVERY}), clock=world.clock
    )


def with_factor(world: World, **settings: Any) -> World:
    factor = with_secrets(world)
    for name in ("phone", "tablet"):
        world.add_client(name, **CLIENT)
    world.store.add_user(
        User(sub="user-2", username="bob", password_hash=CHEAP.hash(Secret("builder")))
    )
    return world.configure(
        grants=[
            password_grant(second_factor=factor),
            MfaOtpGrant(factor=factor),
            RefreshTokenGrant(),
        ],
        **settings,
    )


def code(world: World, *, steps: int = 0) -> str:
    moment = int(world.clock().timestamp()) + 30 * steps
    return TOTP(OCTETS, 6, SHA1(), 30).generate(moment).decode()


def begin(world: World, **parameters: str) -> str:
    """Return the ``mfa_token`` that the right password brings."""
    answer = world.post(
        client="phone",
        grant_type="password",
        username="alice",
        password="wonderland",
        **parameters,
    )
    assert error_of(answer) == (403, "mfa_required")
    return str(answer.json()["mfa_token"])


def finish(world: World, mfa_token: str, otp: str, client: str = "phone") -> Any:
    return world.post(client=client, grant_type=MFA_OTP, mfa_token=mfa_token, otp=otp)


def refusal(mfa: World, answer: Any) -> tuple[str, str | None]:
    """Return what the event says of *answer*; the client is always told the same."""
    assert answer.status == 400
    assert answer.json() == {
        "error": "invalid_grant",
        "error_description": "the code is not valid",
    }
    refused = mfa.sink.events[-1]
    assert isinstance(refused, RequestRefused)
    return refused.reason, refused.sub


def test_password_and_code_bring_the_tokens(mfa: World) -> None:
    mfa_token = begin(mfa, scope="email", resource="https://api.example.com")
    answer = finish(mfa, mfa_token, code(mfa))

    assert answer.status == 200
    assert answer.json()["scope"] == "email"
    assert mfa.refresh(answer.json()["refresh_token"], "phone").status == 200
    assert {token.audience for token in mfa.store.tokens} == {("https://api.example.com",)}
    told: dict[str, Any] = {
        "at": mfa.clock(),
        "source": "192.0.2.1",
        "client_id": "phone",
        "sub": "user-1",
    }
    assert [each for each in mfa.sink.events if isinstance(each, MfaAsked | MfaPassed)] == [
        MfaAsked(**told),
        MfaPassed(**told),
    ]
    issued = next(each for each in mfa.sink.events if isinstance(each, TokenIssued))
    assert (issued.grant_type, issued.source) == (MFA_OTP, "192.0.2.1")


def test_its_tokens_are_as_the_grant_says(world: World) -> None:
    mfa = with_factor(world)
    factor = with_secrets(world)
    lifetimes: dict[str, Any] = {
        "access_token_lifetime": timedelta(minutes=2),
        "refresh_token_lifetime": timedelta(minutes=3),
    }
    grants = [password_grant(second_factor=factor), RefreshTokenGrant()]
    mfa.configure(grants=[*grants, MfaOtpGrant(factor=factor, **lifetimes)])
    tokens = finish(mfa, begin(mfa), code(mfa)).json()
    mfa.clock.move(minutes=3)

    assert tokens["expires_in"] == 120
    assert error_of(mfa.refresh(tokens["refresh_token"], "phone")) == (400, "invalid_grant")
    mfa.configure(grants=[*grants, MfaOtpGrant(factor=factor, refresh_tokens=False)])
    assert "refresh_token" not in finish(mfa, begin(mfa), code(mfa)).json()


@req("R6819-4.4.3.1-a")
def test_claims_cannot_ask_for_the_code(mfa: World) -> None:
    seen: list[dict[str, str]] = []

    class Curious:
        parameters = ("tenant", "otp")

        def make_claims(
            self, client: Client, user: User | None, scope: Scope, parameters: Mapping[str, str]
        ) -> dict[str, Any]:
            seen.append(dict(parameters))
            return {}

    mfa.configure(extra_claims=Curious())
    mfa.post(client="phone", grant_type=MFA_OTP, mfa_token=begin(mfa), otp=code(mfa), tenant="acme")

    assert seen == [{"tenant": "acme"}]


def test_who_has_no_application_is_not_asked(mfa: World) -> None:
    answer = mfa.post(client="phone", grant_type="password", username="bob", password="builder")

    assert answer.status == 200


def test_the_password_comes_first(mfa: World) -> None:
    wrong = mfa.post(client="phone", grant_type="password", username="alice", password="guess")

    assert error_of(wrong) == (400, "invalid_grant")
    assert "mfa_token" not in wrong.json()


def test_what_is_asked_for_has_to_be_grantable_before_a_code_is(mfa: World) -> None:
    answer = mfa.post(
        client="phone",
        grant_type="password",
        username="alice",
        password="wonderland",
        scope="admin",
    )

    assert error_of(answer) == (400, "invalid_scope")


def test_an_mfa_token_works_once(mfa: World) -> None:
    mfa_token = begin(mfa)
    assert finish(mfa, mfa_token, code(mfa)).status == 200

    mfa.clock.move(seconds=60)
    assert error_of(finish(mfa, mfa_token, code(mfa))) == (400, "invalid_grant")


def test_a_wrong_code_leaves_the_mfa_token(mfa: World) -> None:
    mfa_token = begin(mfa)
    wrong = refusal(mfa, finish(mfa, mfa_token, "000000"))

    assert wrong == ("wrong or used code", "user-1")
    assert finish(mfa, mfa_token, code(mfa)).status == 200


def test_an_mfa_token_is_its_clients_and_expires(mfa: World) -> None:
    mfa_token = begin(mfa)
    assert error_of(finish(mfa, mfa_token, code(mfa), "tablet")) == (400, "invalid_grant")

    mfa.clock.move(minutes=5)
    assert error_of(finish(mfa, mfa_token, code(mfa))) == (400, "invalid_grant")
    reasons = [event.reason for event in mfa.sink.events if isinstance(event, RequestRefused)]
    assert reasons[-2:] == ["another client's mfa_token", "expired mfa_token"]


@pytest.mark.parametrize("value", ["x", "ogmt_" + "A" * 48, "é" * 10])
def test_what_is_no_mfa_token_is_refused(mfa: World, value: str) -> None:
    assert error_of(finish(mfa, value, code(mfa))) == (400, "invalid_grant")


def test_an_mfa_token_is_no_access_token(mfa: World) -> None:
    answer = mfa.post(client="phone", path="/introspect", token=begin(mfa))

    assert answer.json() == {"active": False}


def test_a_code_is_accepted_once(mfa: World) -> None:
    """By whichever client, and also within its half minute (RFC 6238, 5.2)."""
    first, second = begin(mfa), begin(mfa)
    otp = code(mfa)
    assert finish(mfa, first, otp).status == 200

    assert error_of(finish(mfa, second, otp)) == (400, "invalid_grant")
    mfa.clock.move(seconds=30)
    assert finish(mfa, second, code(mfa)).status == 200


@pytest.mark.parametrize(("steps", "status"), [(-2, 400), (-1, 200), (0, 200), (1, 200), (2, 400)])
def test_clocks_may_differ_by_half_a_minute(mfa: World, steps: int, status: int) -> None:
    assert finish(mfa, begin(mfa), code(mfa, steps=steps)).status == status


@pytest.mark.parametrize(
    "otp",
    [
        "12345",
        "1234567",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "a" * 1024,
        "' OR 1=1",
        "\U0001f600",
    ],
)
def test_what_is_no_code_is_a_wrong_one(mfa: World, otp: str) -> None:
    assert error_of(finish(mfa, begin(mfa), otp)) == (400, "invalid_grant")


def test_a_long_code_and_a_missing_one_are_refused(mfa: World) -> None:
    mfa_token = begin(mfa)

    assert error_of(finish(mfa, mfa_token, "1" * 1025)) == (400, "invalid_request")
    assert error_of(finish(mfa, mfa_token, "")) == (400, "invalid_request")
    assert error_of(finish(mfa, "", "123456")) == (400, "invalid_request")


def test_a_recovery_code_is_good_once(mfa: World) -> None:
    spelled = RECOVERY[0].reveal().lower().replace("-", " ")
    assert finish(mfa, begin(mfa), spelled).status == 200

    assert finish(mfa, begin(mfa), RECOVERY[0].reveal()).status == 400
    assert finish(mfa, begin(mfa), RECOVERY[1].reveal()).status == 200
    secrets = MemoryTotpSecrets({"user-1": SECRET}, {"user-1": RECOVERY})
    assert RECOVERY[0].reveal() not in repr(vars(secrets))


@req("R6749-4.3.2-f")
def test_codes_are_guessed_within_limits_of_their_own(world: World) -> None:
    mfa = with_factor(world, throttle=Throttle(max_failures=3, window=timedelta(minutes=10)))
    mfa_token = begin(mfa)
    for _ in range(3):
        assert finish(mfa, mfa_token, "000000").status == 400

    throttled = finish(mfa, mfa_token, code(mfa))
    assert error_of(throttled) == (400, "invalid_grant")
    [event] = [event for event in mfa.sink.events if isinstance(event, Throttled)]
    assert (event.kind, event.name) == ("otp", "user-1")
    assert (event.client_id, event.source) == ("phone", "192.0.2.1")
    assert begin(mfa), "passwords have a limit of their own"

    mfa.clock.move(minutes=10)
    assert finish(mfa, begin(mfa), code(mfa)).status == 200


def test_without_limits_codes_are_checked_as_well(world: World) -> None:
    mfa = with_factor(world, throttle=None)
    mfa_token = begin(mfa)

    assert {finish(mfa, mfa_token, "000000").status for _ in range(20)} == {400}
    assert finish(mfa, mfa_token, code(mfa)).status == 200


def test_a_user_who_is_disabled_meanwhile_gets_nothing(mfa: World) -> None:
    mfa_token = begin(mfa)
    user = mfa.store.find_user("alice")
    assert user is not None
    mfa.store.replace_user(attrs.evolve(user, active=False))

    refused = refusal(mfa, finish(mfa, mfa_token, code(mfa)))
    assert refused == ("the user is gone or disabled", "user-1")


def test_of_many_requests_at_once_one_gets_tokens() -> None:
    with asyncio.Runner() as runner:
        mfa = with_factor(World("sync", runner), throttle=None)
        mfa_token = begin(mfa)
        codes = [code(mfa, steps=steps) for steps in (-1, 0, 1)] * 10
        with ThreadPoolExecutor(30) as pool:
            answers = [each.status for each in pool.map(partial(finish, mfa, mfa_token), codes)]

    assert answers.count(200) == 1
    assert set(answers) == {200, 400}


def test_who_comes_second_gets_nothing(world: World) -> None:
    """Both have shown a right code, and one was a moment earlier."""

    class Taken(MemoryStore):
        def take_mfa_token(self, digest: bytes) -> bool:
            return False

    world.store = Taken(clock=world.clock)
    world.__attrs_post_init__()
    mfa = with_factor(world)

    assert error_of(finish(mfa, begin(mfa), code(mfa))) == (400, "invalid_grant")


class Push:
    """A host's own factor: what it sent is to be said back."""

    async def is_wanted(self, user: User, client: Client) -> bool:
        return client.client_id == "phone"

    async def verify_otp(self, user: User, otp: Secret, client: Client) -> bool:
        return otp.reveal() == f"approved for {user.sub} on {client.client_id}"


def test_a_host_brings_a_factor_and_a_verifier_of_its_own(world: World) -> None:
    class Verifier:
        def verify_password(
            self, username: str, password: Secret, client: Client
        ) -> PasswordOutcome:
            return MfaRequired(User(sub="ldap-1", username=username))

    class Codes:
        """Whoever shows a code again has to find it here, for as long as it may be right."""

        def __init__(self) -> None:
            self.until: list[datetime] = []

        def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
            self.until.append(expires_at)
            return True

    codes = Codes()
    world.add_client("phone", **CLIENT)
    world.configure(
        store=None,
        clients=world.store,
        tokens=world.store,
        attempts=world.store,
        mfa_tokens=world.store,
        replays=codes,
        grants=[
            password_grant(verifier=Verifier(), refresh_tokens=False),
            MfaOtpGrant(factor=Push()),
        ],
    )

    assert finish(world, begin(world), "approved for ldap-1 on phone").status == 200
    assert finish(world, begin(world), "approved for ldap-2 on phone").status == 400
    assert codes.until == [world.clock() + timedelta(minutes=10)]


def test_a_server_without_the_grant_gives_no_mfa_token(world: World) -> None:
    world.add_client("phone", **CLIENT)
    world.configure(grants=[password_grant(second_factor=Push())])
    answer = world.post(
        client="phone", grant_type="password", username="alice", password="wonderland"
    )

    assert error_of(answer) == (403, "mfa_required")
    assert "mfa_token" not in answer.json()


@pytest.mark.parametrize("there", [[], ["mfa_tokens"], ["replays"]])
def test_the_grant_says_what_it_takes(there: list[str]) -> None:
    store = MemoryStore()
    ports: dict[str, Any] = dict.fromkeys(there, store)
    with pytest.raises(ValueError, match="give the server store=, or mfa_tokens= and replays="):
        AuthorizationServer(
            issuer=ISSUER,
            clients=store,
            tokens=store,
            throttle=None,
            grants=[ClientCredentialsGrant(), MfaOtpGrant(factor=Push())],
            **ports,
        )


# RFC 6238, Appendix B, the last six of the eight digits
@pytest.mark.parametrize(
    ("moment", "otp"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_rfc_6238(moment: int, otp: str) -> None:
    factor = TotpFactor(
        secrets=MemoryTotpSecrets({"u": SECRET}),
        clock=lambda: datetime.fromtimestamp(moment, UTC),
    )
    user, client = User(sub="u", username="u"), Client.public("app")

    assert asyncio.run(factor.verify_otp(user, Secret(otp), client)) is True
    assert asyncio.run(factor.verify_otp(user, Secret("000000"), client)) is False
    nobody = User(sub="other", username="other")
    assert asyncio.run(factor.verify_otp(nobody, Secret(otp), client)) is False


@pytest.mark.parametrize(
    "secret", ["", "GEZDGNBV", "18", "not base32!", "GEZDGNBVGY3TQOJQGEZDGNB1"]
)
def test_a_secret_is_long_and_base32(secret: str) -> None:
    with pytest.raises(ValueError, match="base32 of 128 bits or more"):
        MemoryTotpSecrets({"u": Secret(secret)})


def test_secrets_may_be_spelt_in_groups() -> None:
    require_totp_secret(Secret("gezd gnbv gy3t qojq gezd gnbv gy3t qojq"))
    assert len({make_totp_secret().reveal() for _ in range(10)}) == 10
