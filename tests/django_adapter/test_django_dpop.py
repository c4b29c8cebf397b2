"""Tokens that are bound to a key, at views (RFC 9449, 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_adapter.projects import Project, read, running
from dpop_support import Prover, rules
from oauthgrants import AccessToken, Scope, Secret
from oauthgrants.adapters.django import rest_framework as drf
from oauthgrants.adapters.django.guards import require_token
from oauthgrants.hashing import token_digest
from oauthgrants.ports import never_blocks
from oauthgrants.testing.clock import MovableClock

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.filterwarnings("ignore::oauthgrants.grants.password.PasswordGrantWarning"),
]
RESOURCE = "https://auth.example.com"
VALUE = "held-by-a-key"


@require_token()
@require_token(scope="read")
def plain(request: Any) -> HttpResponse:
    return HttpResponse(request.oauth_token.client_id)


class Reports(APIView):
    authentication_classes = (drf.TokenAuthentication,)
    permission_classes = (drf.require_token(scope="read"),)

    def get(self, request: Request) -> Response:
        token: Any = request.auth
        return Response({"for": token.client_id})


class Writers(Reports):
    permission_classes = (drf.require_token(scope="write"),)


URLS = [
    path("plain", plain),
    path("reports", Reports.as_view()),
    path("writers", Writers.as_view()),
]


@never_blocks
class Tokens:
    """Knows one token, bound to the key of *prover*."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover

    def find_access_token(self, value: Secret) -> AccessToken | None:
        return AccessToken(
            digest=token_digest(value),
            client_id="s6BhdRkqt3",
            sub="s6BhdRkqt3",
            scope=Scope.of("read"),
            audience=(RESOURCE,),
            issued_at=self.prover.clock.now,
            lifetime=timedelta(minutes=10),
            cnf={"jkt": self.prover.jkt},
        )


def prover_of_now() -> Prover:
    clock = MovableClock()
    clock.now = datetime.now(UTC)
    return Prover(clock)


def call(project: Project, prover: Prover, where: str, **claims: Any) -> HttpResponse:
    (_, authorization), (_, proof) = prover.call(VALUE, url=f"{RESOURCE}{where}", **claims)
    return project.send("GET", where, authorization=authorization, dpop=proof)


@pytest.mark.req("R9449-7.1-a", "R9449-9-a")
@pytest.mark.parametrize("where", ["/plain", "/reports"])
def test_the_proof_goes_in_and_the_nonce_comes_out(where: str) -> None:
    """A request may pass two guards with one proof."""
    prover = prover_of_now()
    settings: dict[str, Any] = {
        "RESOURCE_TOKENS": Tokens(prover),
        "RESOURCE_DPOP": rules(nonces="required"),
    }
    with running(urls=URLS, RESOURCE=RESOURCE, **settings) as project:
        refused = call(project, prover, where)
        assert refused.status_code == 401
        assert refused["WWW-Authenticate"].startswith('DPoP realm="resource", error="use_dpop')
        accepted = call(project, prover, where, nonce=refused["DPoP-Nonce"])

    assert accepted.status_code == 200


@pytest.mark.req("R9449-7.2-a")
def test_too_little_scope_is_told_whoever_has_the_key() -> None:
    """The framework's view looks once more for it, at the same proof."""
    prover = prover_of_now()
    settings: dict[str, Any] = {
        "RESOURCE_TOKENS": Tokens(prover),
        "RESOURCE_DPOP": {"nonces": "off", "longest_age": 120},
    }
    with running(urls=URLS, RESOURCE=RESOURCE, **settings) as project:
        refused = call(project, prover, "/writers")

    assert refused.status_code == 403
    assert read(refused)["error"] == "insufficient_scope"
    assert refused["WWW-Authenticate"].startswith("DPoP ")
