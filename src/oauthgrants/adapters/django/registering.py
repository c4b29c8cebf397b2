"""New secrets, for those who register clients by hand."""

from __future__ import annotations

from datetime import datetime

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.servers import servers
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.clients import Client
from oauthgrants.sealed import SealingKey
from oauthgrants.secret import Secret


def find_sealing_key() -> SealingKey | None:
    """Return what encrypts the secrets of ``client_secret_jwt``, as the settings say."""
    rules = servers().configuration.values.get("assertions")
    return None if rules is None else rules.sealing_key


def add_secret(client: models.Client, *, others_expire_at: datetime | None = None) -> Secret:
    """
    Return a new secret of *client*, to be shown once.

    Args:
        client: Authenticates by it, beside those that it has.
        others_expire_at: When these end at the latest, None for when they would anyway.

    Raises:
        ValueError: It has no use for one, or what encrypts it is not in the settings.
    """
    method = client.token_endpoint_auth_method
    signs = method == "client_secret_jwt"
    made, secret = Client.confidential(
        client.client_id,
        token_endpoint_auth_method=method if signs else "client_secret_basic",
        sealing_key=find_sealing_key(),
        token_endpoint_auth_signing_alg=client.token_endpoint_auth_signing_alg if signs else None,
    )
    DjangoStore().add_client_secret(
        client.client_id, made.secrets[0], others_expire_at=others_expire_at
    )
    return secret
