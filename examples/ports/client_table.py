"""
Clients in a table of the host's own.

`TableClients` fills `ClientStore`; replace `Partner` by the model that you have, and write down in
`_to_client` what its columns mean for OAuth. Needs SQLAlchemy and a driver.
"""

from __future__ import annotations

import attrs
from sqlalchemy import Engine, String, Text, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from oauthgrants import Client, ClientSecret


class Base(DeclarativeBase):
    """The host's models."""


class Partner(Base):
    """
    Who may call the API, as the host keeps them.

    Attributes:
        slug: The ``client_id``.
        name: For people.
        key_hash: ``sha256:`` and the digest in hex of a key that a machine made, or Argon2id.
        scope: All that it may have, with spaces between.
        is_own_app: Whether its users sign in with their passwords.
        is_suspended: Whether it may do nothing for now.
    """

    __tablename__ = "partners"

    slug: Mapped[str] = mapped_column(String(60), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    key_hash: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    is_own_app: Mapped[bool] = mapped_column(default=False)
    is_suspended: Mapped[bool] = mapped_column(default=False)


@attrs.frozen
class TableClients:
    """
    The clients in `Partner`.

    Attributes:
        engine: With ``hide_parameters=True``, or what SQLAlchemy raises shows hashes.
    """

    engine: Engine

    def find_client(self, client_id: str) -> Client | None:
        """
        Return the client with this id, None if there is none.

        Raises:
            InvalidClientMetadata: The row makes no client.
        """
        with Session(self.engine) as session:
            partner = session.scalar(select(Partner).where(Partner.slug == client_id))
        return None if partner is None else _to_client(partner)

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep *new* in the place of *old*, unless the key has been changed meanwhile."""
        with Session(self.engine) as session, session.begin():
            session.execute(
                update(Partner)
                .where(Partner.slug == client_id, Partner.key_hash == old.hash)
                .values(key_hash=new.hash)
            )


def _to_client(partner: Partner) -> Client:
    return Client(
        client_id=partner.slug,
        client_name=partner.name,
        grant_types=["password", "refresh_token"] if partner.is_own_app else ["client_credentials"],
        scope=partner.scope,
        default_scope=partner.scope,
        first_party=partner.is_own_app,
        # Named, so that events name the same secret each time.
        secrets=(ClientSecret(hash=partner.key_hash, id=partner.slug),),
        active=not partner.is_suspended,
    )
