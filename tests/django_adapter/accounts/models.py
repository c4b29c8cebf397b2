"""Users such as the contract of stores has them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from oauthgrants.adapters.django.fields import ScopeField


class Account(AbstractBaseUser):
    """Someone with a name, an identifier and a scope."""

    username: models.TextField[str, str] = models.TextField(unique=True)
    sub: models.TextField[str, str] = models.TextField(unique=True)
    scope = ScopeField(null=True)
    hash: models.TextField[str | None, str | None] = models.TextField(null=True)
    is_active: models.BooleanField[bool, bool] = models.BooleanField(  # pyright: ignore[reportIncompatibleVariableOverride]
        default=True
    )

    objects: ClassVar[BaseUserManager[Account]] = BaseUserManager()

    USERNAME_FIELD = "username"
