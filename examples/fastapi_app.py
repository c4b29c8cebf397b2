"""
Both grants, storage, introspection, revocation and a protected route in FastAPI.

``python examples/register.py`` adds a client and a user to the database,
``uvicorn --app-dir examples fastapi_app:app`` serves.
"""

from fastapi import FastAPI, Security
from sqlalchemy import create_engine

import oauthgrants as og
from oauthgrants.adapters.fastapi import FastApiOAuth
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

app = FastAPI()
store = SqlAlchemyStore(create_engine("sqlite:///oauth.db"))
store.create_all()
server = og.AsyncAuthorizationServer(
    issuer="http://127.0.0.1:8000",
    allow_insecure_transport=True,  # for this machine alone
    store=store,
    grants=[og.ClientCredentialsGrant(), og.PasswordGrant(), og.RefreshTokenGrant()],
    audience="https://api.example.com",
)
api = og.AsyncResourceServer(resource="https://api.example.com", tokens=server.lookup)
oauth = FastApiOAuth(server, api)
oauth.init_app(app)
read_reports = Security(oauth.require_token(), scopes=["reports:read"])


@app.get("/reports")
def list_reports(token: og.VerifiedToken = read_reports):
    """Say who asks."""
    return {"client": token.client_id, "user": token.username}
