# mypy: ignore-errors
# pyright: basic, reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportArgumentType=false, reportReturnType=false, reportOptionalOperand=false
# ruff: noqa: RET503
"""
The job of ``examples/flask_app.py`` with Authlib, for the count of lines.

As its documentation has it: ``authlib.integrations.sqla_oauth2`` brings the columns, the host the
look-ups. What the documentation leaves to the reader is left out here too: reuse of refresh
tokens, digests of tokens and secrets at rest, audiences. Passwords are compared by werkzeug. The
tables are made by the test, since to import this must change nothing.
"""

import time

from authlib.integrations.flask_oauth2 import (
    AuthorizationServer,
    ResourceProtector,
    current_token,
)
from authlib.integrations.sqla_oauth2 import (
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_bearer_token_validator,
    create_query_client_func,
    create_revocation_endpoint,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask
from sqlalchemy import Column, ForeignKey, Integer, String, create_engine
from sqlalchemy.orm import declarative_base, relationship, scoped_session, sessionmaker
from werkzeug.security import check_password_hash

Base = declarative_base()
engine = create_engine("sqlite:///oauth.db")
session = scoped_session(sessionmaker(bind=engine))


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    username = Column(String, unique=True)
    password_hash = Column(String)

    def get_user_id(self):
        return self.id


class Client(Base, OAuth2ClientMixin):
    __tablename__ = "clients"
    id = Column(Integer, primary_key=True)


class Token(Base, OAuth2TokenMixin):
    __tablename__ = "tokens"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("users.id"))
    user = relationship("User")


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
    def authenticate_user(self, username, password):
        user = session.query(User).filter_by(username=username).first()
        if user is not None and check_password_hash(user.password_hash, password):
            return user


class RefreshTokenGrant(grants.RefreshTokenGrant):
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        token = session.query(Token).filter_by(refresh_token=refresh_token).first()
        if token is not None and not token.is_revoked():
            return token

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        refresh_token.access_token_revoked_at = int(time.time())
        refresh_token.refresh_token_revoked_at = int(time.time())
        session.commit()


class Introspection(IntrospectionEndpoint):
    def query_token(self, token_string, token_type_hint):
        tokens = session.query(Token)
        return (
            tokens.filter_by(access_token=token_string).first()
            or tokens.filter_by(refresh_token=token_string).first()
        )

    def introspect_token(self, token):
        return {
            "active": not token.is_revoked() and not token.is_expired(),
            "client_id": token.client_id,
            "scope": token.scope,
            "exp": token.issued_at + token.expires_in,
        }

    def check_permission(self, token, client, request):
        return token.client_id == client.client_id


app = Flask(__name__)
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(
    app,
    query_client=create_query_client_func(session, Client),
    save_token=create_save_token_func(session, Token),
)
server.register_grant(grants.ClientCredentialsGrant)
server.register_grant(PasswordGrant)
server.register_grant(RefreshTokenGrant)
server.register_endpoint(create_revocation_endpoint(session, Token))
server.register_endpoint(Introspection)
require_token = ResourceProtector()
require_token.register_token_validator(create_bearer_token_validator(session, Token)())


@app.post("/token")
def issue_token():
    return server.create_token_response()


@app.post("/introspect")
def introspect_token():
    return server.create_endpoint_response("introspection")


@app.post("/revoke")
def revoke_token():
    return server.create_endpoint_response("revocation")


@app.get("/reports")
@require_token("reports:read")
def list_reports():
    return {
        "client": current_token.client_id,
        "user": current_token.user and current_token.user.username,
    }
