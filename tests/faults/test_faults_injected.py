"""A store that fails at every single call in turn, before it did anything and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest
from failing_store import FailingStore, Moment

from oauthgrants import (
    AccessToken,
    Argon2idHasher,
    Client,
    ClientCredentialsGrant,
    ClientSecret,
    HttpResponse,
    RefreshToken,
    RefreshTokenGrant,
    Secret,
    User,
)
from oauthgrants.events import Fault
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.jose import SigningKey
from oauthgrants.mfa import MFA_OTP
from oauthgrants.ports import (
    AttemptStore,
    ClientStore,
    DenyList,
    KnownSources,
    MfaTokenStore,
    ReplayStore,
    TokenStore,
    UserStore,
)
from oauthgrants.secret import random_id
from oauthgrants.throttling import Throttle
from support import CHEAP, World, basic, error_of, password_grant

req = pytest.mark.req
KEY = SigningKey.generate("ES256", kid="k1")
API = "https://api.example.com"
# More calls than any request makes.
MANY = 50

Tokens = dict[str, Any]


def _refreshed(world: World) -> Tokens:
    first = world.sign_in()
    return {**world.refresh(first["refresh_token"]).json(), "spent": first["refresh_token"]}


@attrs.frozen
class Exchange:
    """
    A request to a server whose store may fail.

    Attributes:
        send: Sends it, with the tokens that the client holds.
        status: Of the answer if nothing fails.
        prepare: Returns those tokens; by default, of a sign-in that was refreshed once.
    """

    send: Callable[[World, Tokens], HttpResponse]
    status: int = 200
    prepare: Callable[[World], Tokens] = _refreshed


class OneTimeCodes:
    """Asks one of the users for a code; any is right that begins with "right"."""

    def is_wanted(self, user: User, client: Client) -> bool:
        return user.username == "bob"

    def verify_otp(self, user: User, otp: Secret, client: Client) -> bool:
        return otp.reveal().startswith("right")


def _sign_in(world: World, username: str, password: str = "wonderland") -> HttpResponse:
    return world.post(client="app", grant_type="password", username=username, password=password)


def _waiting(world: World) -> Tokens:
    """Return what bob has who has typed his password, and a code that nobody has seen yet."""
    return {**_sign_in(world, "bob").json(), "otp": f"right {random_id()}"}


def _send_code(world: World, waiting: Tokens) -> HttpResponse:
    held = {name: waiting[name] for name in ("mfa_token", "otp")}
    return world.post(client="app", grant_type=MFA_OTP, **held)


def _ask_for_token(world: World, client: str) -> HttpResponse:
    return world.post(client=client, grant_type="client_credentials")


def _introspect(world: World, token: str) -> HttpResponse:
    return world.post(client="app", path="/introspect", token=token)


def _revoke(world: World, token: str) -> HttpResponse:
    return world.post(client="app", path="/revoke", token=token)


REFRESH = Exchange(lambda world, tokens: world.refresh(tokens["refresh_token"]))
REPLAY = Exchange(lambda world, tokens: world.refresh(tokens["spent"]), status=400)
REVOKE_FAMILY = Exchange(lambda world, tokens: _revoke(world, tokens["refresh_token"]))
SECOND_FACTOR = Exchange(_send_code, prepare=_waiting)
EXCHANGES = {
    "client-credentials": Exchange(lambda world, _: _ask_for_token(world, "service")),
    "client-credentials-rehash": Exchange(lambda world, _: _ask_for_token(world, "old-service")),
    "wrong-secret": Exchange(
        lambda world, _: world.post("", basic("service", "wrong"), grant_type="client_credentials"),
        status=401,
    ),
    "password": Exchange(lambda world, _: _sign_in(world, "alice")),
    "wrong-password": Exchange(lambda world, _: _sign_in(world, "alice", "wrong"), status=400),
    "password-of-two-factors": Exchange(lambda world, _: _sign_in(world, "bob"), status=403),
    "second-factor": SECOND_FACTOR,
    "refresh": REFRESH,
    "replay": REPLAY,
    "introspect-access": Exchange(lambda world, held: _introspect(world, held["access_token"])),
    "introspect-refresh": Exchange(lambda world, held: _introspect(world, held["refresh_token"])),
    "revoke-access": Exchange(lambda world, held: _revoke(world, held["access_token"])),
    "revoke-refresh": REVOKE_FAMILY,
}

faulty_moments = pytest.mark.parametrize("moment", ["before", "after"])
all_exchanges = pytest.mark.parametrize("name", EXCHANGES)


@pytest.fixture(params=["opaque", "jwt"])
def faulty(world: World, request: pytest.FixtureRequest) -> World:
    """A server on a store that can fail."""
    world.secrets["old-service"] = Secret("chosen by a person")
    _weaken_hashes(world, world.store.add_client)
    world.store.add_user(
        User(sub="user-2", username="bob", password_hash=CHEAP.hash(Secret("wonderland")))
    )
    app = world.store.find_client("app")
    assert app is not None
    world.store.replace_client(attrs.evolve(app, grant_types=[*app.grant_types, MFA_OTP]))
    factor = OneTimeCodes()
    settings: dict[str, Any] = {
        "audience": API,
        "grants": [
            ClientCredentialsGrant(),
            password_grant(second_factor=factor),
            MfaOtpGrant(factor=factor),
            RefreshTokenGrant(),
        ],
    }
    if request.param == "jwt":
        settings |= {"access_token_format": "jwt", "signing_keys": KEY}
    return world.configure(
        store=FailingStore(world.store, world.colour),
        hasher=Argon2idHasher(memory_cost=16, time_cost=1, lanes=1),
        **settings,
    )


def _weaken_hashes(world: World, put_client: Callable[[Client], None]) -> None:
    """Let a client and a user have hashes that the server will replace by stronger ones."""
    put_client(
        Client(
            client_id="old-service",
            grant_types=["client_credentials"],
            secrets=(ClientSecret(hash=CHEAP.hash(world.secrets["old-service"])),),
        )
    )
    world.store.replace_user(
        User(sub="user-1", username="alice", password_hash=CHEAP.hash(Secret("wonderland")))
    )


@attrs.frozen
class Faulted:
    """
    What came of a request during which a call failed.

    Attributes:
        failed: The method.
        tokens: What the client held before.
        response: What it got instead of an answer.
        stored: The tokens that are stored all the same.
    """

    failed: str
    tokens: Tokens
    response: HttpResponse
    stored: list[AccessToken | RefreshToken]


def _each_fault(world: World, exchange: Exchange, moment: Moment) -> Iterator[Faulted]:
    """Let each call of *exchange* fail in turn, until there is none left."""
    failing: FailingStore = world.settings["store"]
    for number in range(1, MANY):
        tokens = exchange.prepare(world)
        _weaken_hashes(world, world.store.replace_client)
        known = {token.digest for token in world.store.tokens}
        failing.fail_at(number, moment)
        response = exchange.send(world, tokens)
        failing.end()
        if failing.failed is None:
            assert response.status == exchange.status
            return
        stored = [token for token in world.store.tokens if token.digest not in known]
        yield Faulted(failing.failed, tokens, response, stored)
    pytest.fail("there is no end of calls")


def _is_active(world: World, token: str) -> bool:
    active: bool = _introspect(world, token).json()["active"]
    return active


def _require_ended(world: World, *answers: Tokens) -> None:
    """Check that no token of *answers* is active."""
    for answer in answers:
        assert not _is_active(world, answer["access_token"])
        assert not _is_active(world, answer["refresh_token"])


@req("R7009-2.2.1-a")
@faulty_moments
@all_exchanges
def test_whatever_call_fails_the_client_is_to_come_again(
    faulty: World, name: str, moment: Moment
) -> None:
    """Never is it told that its credentials are wrong, or that a token is not active."""
    for fault in _each_fault(faulty, EXCHANGES[name], moment):
        assert error_of(fault.response) == (503, "temporarily_unavailable")
        assert set(fault.response.json()) == {"error", "error_description"}
        assert ("Retry-After", "5") in fault.response.headers
        assert ("Cache-Control", "no-store") in fault.response.headers
        event = faulty.sink.events[-1]
        assert isinstance(event, Fault)
        assert repr(event.error) == f"StoreAway('{moment} {fault.failed}')"


def test_every_call_has_its_turn(faulty: World) -> None:
    """Else a method that nobody lets fail would be thought to be safe."""
    failed = {
        fault.failed
        for exchange in EXCHANGES.values()
        for fault in _each_fault(faulty, exchange, "before")
    }

    ports: list[type] = [
        AttemptStore,
        ClientStore,
        KnownSources,
        MfaTokenStore,
        ReplayStore,
        TokenStore,
        UserStore,
    ]
    if "signing_keys" in faulty.settings:
        ports.append(DenyList)
        # Of JWTs it does the work.
        failed.add("revoke_access_token")
    needed = {name for port in ports for name in vars(port) if not name.startswith("_")}
    assert needed <= failed


@faulty_moments
@all_exchanges
def test_only_what_nobody_has_the_value_of_is_stored(
    faulty: World, name: str, moment: Moment
) -> None:
    """Tokens that were stored and not answered with are lost, and end by themselves."""
    for fault in _each_fault(faulty, EXCHANGES[name], moment):
        if moment == "before" or fault.failed not in {"save_tokens", "rotate_refresh_token"}:
            assert fault.stored == []
        else:
            assert fault.stored != []
        assert "ogat_" not in fault.response.body.decode()


@faulty_moments
@pytest.mark.parametrize("name", sorted(EXCHANGES.keys() - {"refresh", "second-factor"}))
def test_the_same_request_again_gets_its_answer(faulty: World, name: str, moment: Moment) -> None:
    """What the first attempt left does not stand in the way."""
    exchange = EXCHANGES[name]
    for fault in _each_fault(faulty, exchange, moment):
        again = exchange.send(faulty, fault.tokens)

        assert again.status == exchange.status
        assert again.json().get("active") is not False


def test_who_was_told_to_come_again_has_guessed_nothing(faulty: World) -> None:
    """An outage of the users locks none of them out."""
    exchange, failing = EXCHANGES["password"], faulty.settings["store"]
    failed = [fault.failed for fault in _each_fault(faulty, exchange, "before")]
    for _ in range(Throttle().max_failures + 1):
        failing.fail_at(failed.index("find_user") + 1, "before")
        assert exchange.send(faulty, {}).status == 503

    assert exchange.send(faulty, {}).status == 200


@pytest.mark.parametrize("exchange", [REPLAY, REVOKE_FAMILY], ids=["replay", "revocation"])
@faulty_moments
def test_a_family_that_was_half_ended_is_ended_by_the_next_attempt(
    faulty: World, exchange: Exchange, moment: Moment
) -> None:
    """Whichever of its steps were done."""
    for fault in _each_fault(faulty, exchange, moment):
        exchange.send(faulty, fault.tokens)

        _require_ended(faulty, fault.tokens)
        assert faulty.refresh(fault.tokens["refresh_token"]).status == 400


@pytest.mark.parametrize("exchange", [REPLAY, REVOKE_FAMILY], ids=["replay", "revocation"])
@faulty_moments
def test_a_family_is_whole_or_ended(faulty: World, exchange: Exchange, moment: Moment) -> None:
    """A client that does not come again to revoke has tokens that work, or none."""
    for fault in _each_fault(faulty, exchange, moment):
        was_active = _is_active(faulty, fault.tokens["access_token"])

        refreshed = faulty.refresh(fault.tokens["refresh_token"])

        assert refreshed.status == (200 if was_active else 400)
        if was_active:
            assert _is_active(faulty, refreshed.json()["access_token"])
        else:
            _require_ended(faulty, fault.tokens)


# From the moment that the code has been used.
_AFTER_THE_CODE = {
    "clear_attempts",
    "withdraw_attempt",
    "remember_source",
    "take_mfa_token",
    "save_tokens",
}


@faulty_moments
def test_a_code_works_once_whatever_fails(faulty: World, moment: Moment) -> None:
    """If it was used and the answer got lost, the user types the password again, and a new one."""
    for fault in _each_fault(faulty, SECOND_FACTOR, moment):
        again = SECOND_FACTOR.send(faulty, fault.tokens)

        used = fault.failed in _AFTER_THE_CODE or (fault.failed, moment) == (
            "add_if_absent",
            "after",
        )
        assert again.status == (400 if used else 200)
        assert error_of(SECOND_FACTOR.send(faulty, fault.tokens)) == (400, "invalid_grant")
        assert SECOND_FACTOR.send(faulty, _waiting(faulty)).status == 200


@req("R9700-4.14.2-a")
@faulty_moments
def test_a_refresh_token_works_once_whatever_fails(faulty: World, moment: Moment) -> None:
    """If it was spent and the answer got lost, the client's next attempt looks like a replay."""
    for fault in _each_fault(faulty, REFRESH, moment):
        again = REFRESH.send(faulty, fault.tokens)

        if (fault.failed, moment) == ("rotate_refresh_token", "after"):
            assert error_of(again) == (400, "invalid_grant")
            _require_ended(faulty, fault.tokens)
        else:
            assert again.status == 200
            assert _is_active(faulty, again.json()["access_token"])
            assert error_of(REFRESH.send(faulty, fault.tokens)) == (400, "invalid_grant")
            _require_ended(faulty, fault.tokens, again.json())


@faulty_moments
def test_with_grace_the_client_may_come_again(faulty: World, moment: Moment) -> None:
    """Within it, an answer that got lost costs no sign-in."""
    faulty.configure(refresh_grace=timedelta(seconds=10))
    for fault in _each_fault(faulty, REFRESH, moment):
        again = REFRESH.send(faulty, fault.tokens)

        assert again.status == 200
        assert faulty.refresh(again.json()["refresh_token"]).status == 200
        faulty.clock.move(seconds=11)
        assert error_of(REFRESH.send(faulty, fault.tokens)) == (400, "invalid_grant")
        _require_ended(faulty, fault.tokens, again.json())
