"""Clients that stay in the table where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from oauthgrants.client_secrets import ClientSecret
from oauthgrants.clients import Client

Row = TypeVar("Row")


@attrs.frozen(kw_only=True)
class RowClients(Generic[Row]):
    """
    The port `ClientStore` over rows of another library, as they are at each request.

    So a server of that library may go on beside ours: who is registered or changed there, is so
    here. It answers on the caller's stack; `AsyncAuthorizationServer` calls it in worker threads.

    Attributes:
        find_row: Returns the row with this ``client_id``, None if there is none.
        to_client: Makes a client of it, such as `oauthgrants.migrating.authlib.to_client`.
        replace_hash: Is given a ``client_id``, the hash that is there and the one that goes in
            its place if it is there still. None keeps the rows as they are, for as long as
            something else reads them.
    """

    find_row: Callable[[str], Row | None]
    to_client: Callable[[Row], Client]
    replace_hash: Callable[[str, str, str], object] | None = None

    def find_client(self, client_id: str) -> Client | None:
        """
        Return the client with this id, None if there is none.

        Raises:
            InvalidClientMetadata: Its row makes no client of ours.
        """
        row = self.find_row(client_id)
        if row is None:
            return None
        client = self.to_client(row)
        # There are databases to which "App" and "app" are the same.
        return client if client.client_id == client_id else None

    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        """Keep the hash of *new* in the place of that of *old*, where rows may be changed."""
        if self.replace_hash is not None:
            self.replace_hash(client_id, old.hash, new.hash)
