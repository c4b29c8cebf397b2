"""Adds the client ``reports`` and the user ``alice`` to ``oauth.db``, and shows the secret."""

from sqlalchemy import create_engine

from oauthgrants import Argon2idHasher, Client, Secret, User
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

store = SqlAlchemyStore(create_engine("sqlite:///oauth.db"))
store.create_all()
client, secret = Client.confidential(
    "reports",
    scope="reports:read",
    default_scope="reports:read",
    grant_types=["client_credentials", "password", "refresh_token"],
    first_party=True,
)
store.add_client(client)
password_hash = Argon2idHasher().hash(Secret("wonderland"))
store.add_user(User(sub="user-1", username="alice", password_hash=password_hash))
store.engine.dispose()
print(secret.reveal())
