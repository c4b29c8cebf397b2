"""What checks ask the server with: requests that are shared where they can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from oauthgrants.testing.conformance.client_methods import (
    Sign,
    asserted,
    assertion_claims,
    by_secret,
    make_signer,
    sign_for,
)
from oauthgrants.testing.conformance.discovery import Found, discover
from oauthgrants.testing.conformance.levels import CheckSkipped, CutShort, NoAnswer
from oauthgrants.testing.conformance.masking import Masker
from oauthgrants.testing.conformance.messages import (
    FORM,
    Answer,
    Credentials,
    Form,
    Pairs,
    encode_form,
)
from oauthgrants.testing.conformance.sending import MOST_SILENCES, Wire
from oauthgrants.testing.conformance.target import Target, Unusable

T = TypeVar("T")

MOST_WRONG = 9
"""How many requests of a run carry a wrong secret or a made-up token, at most."""

_FAILED = 400
_OF_A_GRANT = ("unauthorized_client", "unsupported_grant_type")


class Probe:
    """
    The server under test, as checks see it.

    Args:
        target: Which server, and what there is for it.

    Attributes:
        answers: All that came, in order.
        wrong: How many requests carried what was deliberately wrong.

    Raises:
        Unusable: There is nothing to check: nobody answers, or gives the client a token.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.masker: Masker = Masker()
        self.answers: list[Answer] = []
        self.wrong: int = 0
        self._shown: list[Answer] = []
        self._kept: dict[str, Any] = {}
        self._obtained: dict[str, str] = {}
        self._found: Found | None = None
        self._wire = Wire(target, reserve=self._left_to_revoke)
        self._signer: Sign | None = make_signer(target)
        for secret in (
            target.client_secret, target.password, target.other_client_secret, target.private_key,
        ):  # fmt: skip
            if secret is not None:
                self.masker.learn(secret.reveal())
        self._first = self._begin()

    @property
    def found(self) -> Found:
        """Its endpoints and metadata."""
        assert self._found is not None  # noqa: S101  # found before anything else
        return self._found

    # What is sent

    def post_token(self, form: Form, credentials: Credentials | None = None, **more: Any) -> Answer:
        """Return what the token endpoint answers to *form*, by default from the client."""
        return self.post(self.found.token, form, credentials, **more)

    def ask(self, **changes: str | None) -> Answer:
        """Return what a token request brings that is good but for *changes*; None leaves out."""
        return self.post_token(self.form(**changes))

    def ask_for_password(self, **changes: str | None) -> Answer:
        """Return what a password request brings that is good but for *changes*."""
        return self.post_token(self.password_form(**changes))

    def post(
        self,
        url: str,
        form: Form,
        credentials: Credentials | None = None,
        *,
        method: str = "POST",
        headers: Pairs = (),
        content_type: str | None = FORM,
    ) -> Answer:
        """
        Return what answers a request with a form.

        Args:
            url: Where to.
            form: What is in the body, before the credentials.
            credentials: Whose it is, by default the client's.
            method: By which method.
            headers: Further ones.
            content_type: None for none.
        """
        who = self.credentials() if credentials is None else credentials
        body = encode_form(form)
        if who.form:
            body = b"&".join(each for each in (body, encode_form(who.form)) if each)
        types = [] if content_type is None else [("Content-Type", content_type)]
        accept = ("Accept", "application/json")
        return self._send(method, url, [*types, accept, *who.headers, *headers], body)

    def get(self, url: str, *headers: tuple[str, str]) -> Answer:
        """Return what answers a GET request."""
        return self._send("GET", url, [("Accept", "application/json"), *headers], b"")

    # What it is sent with

    def credentials(self, **claims: Any) -> Credentials:
        """Return what says that a request is the client's; *claims* are for an assertion."""
        if self._signer is None:
            target = self.target
            return by_secret(target.auth_method, target.client_id, target.client_secret)
        return self._learnt(asserted(self._signer(self.claims(**claims))))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good assertion, but for *changes*."""
        audience = self.target.issuer or self.found.token
        return assertion_claims(self.target.client_id, audience, **changes)

    def other_credentials(self) -> Credentials:
        """Return what says that a request is another client's."""
        target = self.target
        if target.other_client_id is None:
            raise CheckSkipped("there is no second client (--other-client-id)")
        secret = target.other_client_secret
        if self._signer is not None:
            audience = target.issuer or self.found.token
            return self._learnt(sign_for(secret, target.other_client_id, audience))
        return by_secret(target.auth_method, target.other_client_id, secret)

    def form(self, **changes: str | None) -> dict[str, str]:
        """Return the form of the grant that checks use, but for *changes*."""
        if self._kept["grant"] == "password":
            return self.password_form(**changes)
        return self._with({"grant_type": "client_credentials"}, changes)

    def password_form(self, **changes: str | None) -> dict[str, str]:
        """Return the form of the password grant, but for *changes*."""
        target = self.target
        if target.username is None or target.password is None:
            raise CheckSkipped("there is no user (--username)")
        form = {"grant_type": "password", "username": target.username}
        return self._with(form | {"password": target.password.reveal()}, changes)

    def deliberately_wrong(self) -> None:
        """Say that the next request carries a wrong secret or a made-up token."""
        if not self.target.wrong_secrets:
            raise CheckSkipped("it would take a wrong secret or token (--no-wrong-secrets)")
        self.wrong += 1

    def wants_client_secret(self) -> str:
        """Return the client's secret, for checks of clients that show theirs."""
        if self.target.auth_method not in ("client_secret_basic", "client_secret_post"):
            raise CheckSkipped(f"the client authenticates by {self.target.auth_method}")
        assert self.target.client_secret is not None  # noqa: S101  # Target has seen to it
        return self.target.client_secret.reveal()

    # What came, once for all checks

    @property
    def first(self) -> Answer:
        """The answer to the first token request."""
        self._shown.append(self._first)
        return self._first

    @property
    def refusal(self) -> Answer:
        """The answer to a request without ``grant_type``."""
        return self.once("refusal", lambda: self.ask(grant_type=None))

    @property
    def password_answer(self) -> Answer:
        """The answer to a password request."""
        if self._kept["grant"] == "password":
            return self.first
        return self.once("password", self.ask_for_password)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what *make* returned when it was first asked for under *name*."""
        if name not in self._kept:
            self._kept[name] = make()
        kept: T = self._kept[name]
        if isinstance(kept, Answer) and kept not in self._shown:
            self._shown.append(kept)
        return kept

    def has(self, name: str) -> bool:
        """Return whether something is kept under *name*."""
        return name in self._kept

    def shown(self) -> list[Answer]:
        """Return the answers that were looked at since the last call."""
        shown, self._shown = self._shown, []
        return shown

    # The end

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._wire.requests

    def clean_up(self) -> int:
        """Revoke what is left, and return how many tokens remain because that cannot be done."""
        url = self.found.revocation
        if url is None:
            return len(self._obtained)
        remaining = silences = 0
        for token, kind in self._obtained.items():
            try:
                # There may be hundreds, and each silence lasts as long as the timeout.
                is_revoked = silences < MOST_SILENCES and self._revoke(url, token, kind)
            except NoAnswer:
                is_revoked, silences = False, silences + 1
            remaining += not is_revoked
        return remaining

    def _revoke(self, url: str, token: str, kind: str) -> bool:
        who = self.credentials()
        form = [("token", token), ("token_type_hint", kind), *who.form]
        headers = [("Content-Type", FORM), *who.headers]
        self._learn_headers(headers)
        answer = self._wire.send_at_the_end("POST", url, headers, encode_form(form))
        return answer.status < _FAILED

    # How it goes on

    def _begin(self) -> Answer:
        try:
            self._found = discover(self.target, self.get)
            answer = self._choose_grant()
        except NoAnswer as error:
            place = self.target.issuer or self.target.token_endpoint
            raise Unusable(f"nobody answers at {place}: {error}") from None
        except CutShort as end:
            raise Unusable(f"not even a first token came: {end}") from None
        if answer.status >= _FAILED or answer.status // 100 == 3:  # noqa: PLR2004
            outcome = self.masker.clean(answer.outcome)
            raise Unusable(
                f"the server gives the client no token: {outcome}. Are the endpoint, the "
                "id, the secret, the authentication method, the scope and the user right?"
            )
        self._shown.clear()
        return answer

    def _left_to_revoke(self) -> int:
        return len(self._obtained) if self._found and self._found.revocation else 0

    def _choose_grant(self) -> Answer:
        self._kept["grant"] = "password" if self.target.is_public else "client_credentials"
        answer = self.ask()
        if answer.error in _OF_A_GRANT and self.target.username is not None:
            self._kept |= {"grant": "password", "refused_grant": answer}
            answer = self.ask()
        return answer

    def _send(self, method: str, url: str, headers: Pairs, body: bytes) -> Answer:
        self._learn_headers(headers)
        answer = self._wire.send(method, url, headers, body)
        self.answers.append(answer)
        self._shown.append(answer)
        for kind in ("access_token", "refresh_token"):
            token = answer.members.get(kind)
            if isinstance(token, str) and token:
                self.masker.learn(token)
                self._obtained[token] = kind
        return answer

    def _learn_headers(self, headers: Pairs) -> None:
        for name, value in headers:
            if name == "Authorization":
                self.masker.learn(value.partition(" ")[2])

    def _learnt(self, credentials: Credentials) -> Credentials:
        self.masker.learn(dict(credentials.form)["client_assertion"])
        return credentials

    def _with(self, form: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
        scope = {} if self.target.scope is None else {"scope": self.target.scope}
        whole = {**form, **scope, **changes}
        return {name: value for name, value in whole.items() if value is not None}
