"""Who the resource owners are."""

import attrs

from oauthgrants.adapters.django.users import DjangoUsers


class Users(DjangoUsers):
    """The users of the project; staff alone may change reports."""

    def to_user(self, account):
        """Return the resource owner whose account it is."""
        scope = "reports:read reports:write" if account.is_staff else "reports:read"
        return attrs.evolve(super().to_user(account), scope=scope)
