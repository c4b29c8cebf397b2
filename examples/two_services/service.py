"""Either service: answers who has a token for it, and asks the other with one of its own."""

import httpx
from flask import Flask, g
from token_source import ClientCredentials

import oauthgrants as og
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.token_checks.introspection import RemoteIntrospection


def make_app(name, other, *, issuer, secret, other_url):
    """Return the service *name*, which calls *other* at *other_url*."""
    app = Flask(name)
    api = og.ResourceServer(
        resource=f"https://{name}.example.com",
        tokens=RemoteIntrospection(
            endpoint=f"{issuer}/introspect", client_id=name, client_secret=og.Secret(secret)
        ),
        authorization_servers=[issuer],
        allow_insecure_transport=True,  # for this machine alone
    )
    oauth = FlaskOAuth(resource_server=api)
    oauth.init_app(app)
    tokens = ClientCredentials(
        f"{issuer}/token",
        name,
        secret,
        scope=f"{other}:read",
        resource=f"https://{other}.example.com",  # good there and nowhere else
    )

    @app.get("/own")
    @oauth.require_token(scope=f"{name}:read")
    def show_own():
        return {"by": name, "for": g.oauth_token.client_id}

    @app.get("/theirs")
    def show_theirs():
        return httpx.get(f"{other_url}/own", auth=tokens, timeout=10).raise_for_status().json()

    app.extensions["close"] = api.close
    return app
