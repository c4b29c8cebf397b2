"""Who the resource owners are."""

from typing import Any

import attrs

from oauthgrants import User
from oauthgrants.adapters.django.users import DjangoUsers


class Users(DjangoUsers):
    """The users of the project; staff alone may change reports."""

    def to_user(self, account: Any) -> User:
        """Return the resource owner whose account it is."""
        scope = "reports:read reports:write" if account.is_staff else "reports:read"
        return attrs.evolve(super().to_user(account), scope=scope)
