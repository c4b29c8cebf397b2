# mypy: ignore-errors
# pyright: basic, reportMissingTypeStubs=false, reportGeneralTypeIssues=false
# pyright: reportIncompatibleVariableOverride=false
"""Authlib's mixins in tables, as its documentation has it."""

from __future__ import annotations

from typing import Any

from authlib.integrations.sqla_oauth2 import OAuth2ClientMixin, OAuth2TokenMixin
from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

Base: Any = declarative_base()


class OAuth2Client(Base, OAuth2ClientMixin):
    """A client."""

    __tablename__ = "oauth2_client"
    id = Column(Integer, primary_key=True)


class OAuth2Token(Base, OAuth2TokenMixin):
    """Its tokens."""

    __tablename__ = "oauth2_token"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer)


def make_client_row(client_id: str, secret: str = "", expires_at: int = 0, **metadata: Any) -> Any:
    """Return a row of a client, with *metadata* by the names of RFC 7591."""
    row = OAuth2Client(
        client_id=client_id, client_secret=secret, client_secret_expires_at=expires_at
    )
    row.set_client_metadata(metadata)
    return row


def make_token_row(access_token: str, **columns: Any) -> Any:
    """Return a row of tokens."""
    return OAuth2Token(access_token=access_token, **columns)
