"""The servers that the kit is tried on, in threads of this process, and what to ask them with."""

from __future__ import annotations

import json
import warnings
from base64 import b64decode
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from oauthgrants import (
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    OAuthError,
    PasswordGrant,
    RefreshTokenGrant,
    ResourceServer,
    Secret,
    User,
)
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.grants import Grant
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.jose import SigningKey
from oauthgrants.sealed import SealingKey
from oauthgrants.testing.conformance import Target
from oauthgrants.wire import render, render_error

AUDIENCE = "https://api.example.com"
SCOPE = "reports:read reports:write"
SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw-of-the-client"
OTHER_SECRET = "p6pWIdpBv0ZOdBVmQBZbWg-of-another-client"
PASSWORD = "wonder & l\u00e4nd"
KEY = SigningKey.generate("ES256", kid="client")
SERVER_KEY = SigningKey.generate("ES256", kid="server")
HASHER = Argon2idHasher(memory_cost=8, time_cost=1, lanes=1)
SEALING_KEY = SealingKey.generate()
GRANTS = ["client_credentials", "password", "refresh_token"]

Answer = Callable[[HttpRequest], HttpResponse]
Faults = Sequence["Fault"]


class Asked:
    """A request as faults see it."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.path = urlsplit(request.url).path
        self.query = dict(parse_qsl(urlsplit(request.url).query))
        self.pairs = parse_qsl(
            request.body.decode("latin-1"), keep_blank_values=True, encoding="latin-1"
        )
        self.form = dict(self.pairs)
        self.names = [name for name, _ in self.pairs]
        self.headers = {name.lower(): value for name, value in request.headers}
        self.authorization = self.headers.get("authorization", "")

    @property
    def basic(self) -> str:
        """The id and the secret of a Basic header, as they stand there."""
        scheme, _, credentials = self.authorization.partition(" ")
        try:
            return b64decode(credentials).decode() if scheme.lower() == "basic" else ""
        except ValueError:
            return ""

    @property
    def grant(self) -> str:
        return self.form.get("grant_type", "")

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing in it is a credential."""
        known = {"client_id", "client_assertion"} & self.form.keys()
        return not known and not self.authorization


@attrs.frozen
class Fault:
    """
    What a broken server does.

    Attributes:
        when: Whether it does it to this request.
        change: Returns what it answers instead, given the right answer.
    """

    when: Callable[[Asked], object]
    change: Callable[[Asked, HttpResponse], HttpResponse]


class OwnServer:
    """Ours, with clients of each kind, a user and an API; with faults where there are any."""

    def __init__(self, issuer: str, faults: Faults = ()) -> None:
        store = MemoryStore()
        for client in clients():
            store.add_client(client)
        password_hash = HASHER.hash(Secret(PASSWORD))
        store.add_user(User(sub="user-1", username="alice", password_hash=password_hash))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PasswordGrantWarning)
            grants: list[Grant] = [ClientCredentialsGrant(), PasswordGrant(), RefreshTokenGrant()]
        self.faults: Faults = faults
        self.server = AuthorizationServer(
            issuer=issuer,
            store=store,
            grants=grants,
            hasher=HASHER,
            audience=AUDIENCE,
            assertions=AssertionRules(sealing_key=SEALING_KEY),
            access_token_format="jwt",
            signing_keys=SERVER_KEY,
            allow_insecure_transport=True,
        )
        self.api = ResourceServer(resource=AUDIENCE, tokens=self.server.lookup)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return what the server answers, right or wrong."""
        response = self._answer(request)
        asked = Asked(request)
        for fault in self.faults:
            if fault.when(asked):
                response = fault.change(asked, response)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if urlsplit(request.url).path != "/api":
            return self.server.handle(request)
        try:
            self.api.require_token(request, scope="reports:read")
        except OAuthError as error:
            return render_error(error)
        return render({"reports": []})


def clients() -> Generator[Client]:
    """Return one for each method, and some whose registration says less."""
    common: dict[str, Any] = {
        "scope": SCOPE,
        "default_scope": "reports:read",
        "first_party": True,
        "resources": [AUDIENCE],
    }
    for method in ("client_secret_basic", "client_secret_post", "client_secret_jwt"):
        for name, secret in ((method, SECRET), (f"other-{method}", OTHER_SECRET)):
            by_mac = method.endswith("jwt")
            yield Client.confidential(
                name,
                secret=secret,
                machine_made=True,
                token_endpoint_auth_method=method,
                grant_types=GRANTS,
                sealing_key=SEALING_KEY if by_mac else None,
                **common,
            )[0]
    yield Client.confidential(
        "password-only",
        secret=SECRET,
        machine_made=True,
        grant_types=["password", "refresh_token"],
        **common,
    )[0]
    yield Client(
        client_id="private_key_jwt",
        token_endpoint_auth_method="private_key_jwt",
        jwks=json.dumps({"keys": [KEY.public.as_dict()]}),
        grant_types=GRANTS,
        **common,
    )
    for name in ("none", "other-none"):
        yield Client.public(name, grant_types=["password", "refresh_token"], **common)


def target(url: str, method: Any = "client_secret_basic", /, **changes: Any) -> Target:
    """Return what there is to check all that can be checked with a client of that method."""
    shows = method not in ("none", "private_key_jwt")
    settings: dict[str, Any] = {
        "issuer": url,
        "client_id": method,
        "client_secret": SECRET if shows else None,
        "auth_method": method,
        "key_id": "client" if method == "private_key_jwt" else None,
        "private_key": KEY.to_pem().decode() if method == "private_key_jwt" else None,
        "username": "alice",
        "password": PASSWORD,
        "scope": SCOPE,
        "resource": AUDIENCE,
        "protected_resource": f"{url}/api",
        "other_client_id": None if method == "private_key_jwt" else f"other-{method}",
        "other_client_secret": OTHER_SECRET if shows else None,
    }
    return Target(**{**settings, **changes})


@contextmanager
def serving(make: Callable[[str], Answer]) -> Generator[str]:
    """Serve what *make* makes for an issuer, which is returned."""
    with listen("127.0.0.1", 0) as listener:
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with HttpServer(listener, make(issuer), issuer=issuer, grace=0.5) as http:
            thread = Thread(target=http.run)
            thread.start()
            try:
                yield issuer
            finally:
                http.stop()
                thread.join(10)
                assert not thread.is_alive()


@contextmanager
def serving_own(faults: Faults = ()) -> Generator[tuple[str, OwnServer]]:
    """Serve ours."""
    made: list[OwnServer] = []

    def make(issuer: str) -> Answer:
        made.append(OwnServer(issuer, faults))
        return made[0].answer

    with serving(make) as issuer:
        yield issuer, made[0]


def to_response(members: Mapping[str, Any] | bytes, status: int = 200) -> HttpResponse:
    """Return a response that may be stored, unlike ours."""
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return HttpResponse(status=status, headers=(("Content-Type", "application/json"),), body=body)
