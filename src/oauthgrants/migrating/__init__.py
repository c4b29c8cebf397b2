"""
Coming from other libraries: what their tables have, read as what our ports hand out.

A row is known by its attributes, so that neither of these libraries is imported, and a row from
elsewhere that has them will do.
"""

from oauthgrants.migrating.clients import RowClients
from oauthgrants.migrating.tokens import OldTokens, Terms, TokenPair, copy_tokens, read_live

__all__ = ["OldTokens", "RowClients", "Terms", "TokenPair", "copy_tokens", "read_live"]
