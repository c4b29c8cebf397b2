"""
Both grants, storage, introspection, revocation and a protected route in Flask.

``python examples/register.py`` adds a client and a user to the database,
``flask --app examples/flask_app run`` serves.
"""

from flask import Flask, g
from sqlalchemy import create_engine

import oauthgrants as og
from oauthgrants.adapters.flask import FlaskOAuth
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

app = Flask(__name__)
store = SqlAlchemyStore(create_engine("sqlite:///oauth.db"))
store.create_all()
server = og.AuthorizationServer(
    issuer="http://127.0.0.1:5000",
    allow_insecure_transport=True,  # for this machine alone
    store=store,
    grants=[og.ClientCredentialsGrant(), og.PasswordGrant(), og.RefreshTokenGrant()],
    audience="https://api.example.com",
)
api = og.ResourceServer(resource="https://api.example.com", tokens=server.lookup)
oauth = FlaskOAuth(server, api)
oauth.init_app(app)


@app.get("/reports")
@oauth.require_token(scope="reports:read")
def list_reports():
    """Say who asks."""
    return {"client": g.oauth_token.client_id, "user": g.oauth_token.username}
