"""
Clients, tokens, what may be used once, and failed guesses.

Nothing in any table can be used as a token or a secret: digests alone are kept. Tokens are
written by `DjangoStore` only; to end one, call its ``revoke``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

import attrs
from django.core.exceptions import ValidationError
from django.db import models

from oauthgrants import client_secrets, clients
from oauthgrants.adapters.django.fields import (
    ClaimsField,
    DigestField,
    MomentField,
    ScopeField,
    TextsField,
)
from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.secret import Secret


class Client(models.Model):
    """A registered client; what the fields mean stands at `oauthgrants.Client`."""

    client_id: models.CharField[str, str] = models.CharField(max_length=255, unique=True)
    client_name: models.TextField[str | None, str | None] = models.TextField(null=True, blank=True)
    # The choices are in the form of the admin, since they change with versions.
    token_endpoint_auth_method: models.CharField[str, str] = models.CharField(
        max_length=255, default="client_secret_basic"
    )
    grant_types: TextsField = TextsField()
    scope: ScopeField = ScopeField(null=True, blank=True)
    default_scope: ScopeField = ScopeField(null=True, blank=True)
    resources: TextsField = TextsField(blank=True, default=())
    introspects: TextsField = TextsField(blank=True, default=())
    first_party: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    access_token_lifetime: models.DurationField[timedelta | None, timedelta | None] = (
        models.DurationField(null=True, blank=True)
    )
    refresh_token_lifetime: models.DurationField[timedelta | None, timedelta | None] = (
        models.DurationField(null=True, blank=True)
    )
    secret_methods_equal: models.BooleanField[bool, bool] = models.BooleanField(default=False)
    active: models.BooleanField[bool, bool] = models.BooleanField(default=True)
    jwks: models.TextField[str | None, str | None] = models.TextField(null=True, blank=True)
    jwks_uri: models.TextField[str | None, str | None] = models.TextField(null=True, blank=True)
    token_endpoint_auth_signing_alg: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_auth_subject_dn: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_auth_san_dns: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_auth_san_uri: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_auth_san_ip: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_auth_san_email: models.TextField[str | None, str | None] = models.TextField(
        null=True, blank=True
    )
    tls_client_certificate_bound_access_tokens: models.BooleanField[bool, bool] = (
        models.BooleanField(default=False)
    )
    dpop_bound_access_tokens: models.BooleanField[bool, bool] = models.BooleanField(default=False)

    new_secret: Secret | None = None
    """A secret that was made just now, to be shown once; it is kept nowhere."""

    objects: ClassVar[models.Manager[Client]] = models.Manager()

    class Meta:
        """Options of the model."""

        ordering: Sequence[str] = ("client_id",)

    def __str__(self) -> str:
        return self.client_id

    @property
    def needs_secret(self) -> bool:
        """Whether it authenticates by one."""
        return self.token_endpoint_auth_method in {
            *client_secrets.SECRET_METHODS,
            "client_secret_jwt",
        }

    def find_hashes(self) -> list[str]:
        """Return what is kept of its secrets."""
        if self.pk is None:
            return []
        return list(ClientSecret.objects.filter(client=self).values_list("hash", flat=True))

    def clean(self) -> None:
        """
        Check that the fields go together.

        Raises:
            ValidationError: They do not.
        """
        hashes = self.find_hashes()
        if self.needs_secret and not hashes:
            # It is made when the client is saved.
            hashes = ["sealed:" if self.token_endpoint_auth_method == "client_secret_jwt" else ""]
        try:
            clients.Client(
                secrets=tuple(client_secrets.ClientSecret(hash=each) for each in hashes),
                **{name: getattr(self, name) for name in CLIENT_FIELDS},
            )
        except InvalidClientMetadata as error:
            raise ValidationError(str(error)) from None
        except ValueError:
            # A field by itself is wrong, which its own check has said.
            return


class ClientSecret(models.Model):
    """One live secret of a client; any of them authenticates it."""

    client: models.ForeignKey[Client, Client] = models.ForeignKey(
        Client, on_delete=models.CASCADE, related_name="secrets"
    )
    secret_id: models.TextField[str, str] = models.TextField(editable=False)
    hash: models.TextField[str, str] = models.TextField(editable=False)
    expires_at: MomentField = MomentField(null=True, blank=True)

    objects: ClassVar[models.Manager[ClientSecret]] = models.Manager()

    class Meta:
        """Options of the model."""

        ordering: Sequence[str] = ("id",)

    def __str__(self) -> str:
        return self.secret_id


class _Expiring(models.Model):
    """What can be deleted from some moment on."""

    expires_at: MomentField = MomentField()

    class Meta:
        """Options of the model."""

        abstract = True


class _Token(_Expiring):
    """What an access token and a refresh token have in common."""

    digest: DigestField = DigestField(unique=True)
    client_id: models.CharField[str, str] = models.CharField(max_length=255)
    sub: models.TextField[str, str] = models.TextField()
    scope: ScopeField = ScopeField()
    audience: TextsField = TextsField()
    issued_at: MomentField = MomentField()
    lifetime: models.DurationField[timedelta, timedelta] = models.DurationField()

    class Meta(_Expiring.Meta):
        """Options of the model."""

        abstract = True

    def __str__(self) -> str:
        return f"{self.sub} by {self.client_id}"


class AccessToken(_Token):
    """An opaque access token; JWTs are not kept."""

    username: models.TextField[str | None, str | None] = models.TextField(null=True)
    family: models.CharField[str | None, str | None] = models.CharField(max_length=255, null=True)
    jti: models.TextField[str | None, str | None] = models.TextField(null=True)
    extra: ClaimsField = ClaimsField(null=True)
    cnf: ClaimsField = ClaimsField(null=True)

    objects: ClassVar[models.Manager[AccessToken]] = models.Manager()

    class Meta(_Token.Meta):
        """Options of the model."""

        ordering: Sequence[str] = ("-id",)
        indexes: Sequence[models.Index] = (
            models.Index(fields=["client_id"], name="oauthgrants_access_client"),
            models.Index(fields=["expires_at"], name="oauthgrants_access_expires"),
            models.Index(fields=["family"], name="oauthgrants_access_family"),
            models.Index(fields=["sub"], name="oauthgrants_access_sub"),
        )


class RefreshToken(_Token):
    """A refresh token, spent or not: one member of a family."""

    username: models.TextField[str, str] = models.TextField()
    grant_type: models.TextField[str, str] = models.TextField()
    family: models.CharField[str, str] = models.CharField(max_length=255)
    family_ends_at: MomentField = MomentField(null=True)
    parent: DigestField = DigestField(null=True)
    spent_at: MomentField = MomentField(null=True)
    cnf: ClaimsField = ClaimsField(null=True)

    objects: ClassVar[models.Manager[RefreshToken]] = models.Manager()

    class Meta(_Token.Meta):
        """Options of the model."""

        ordering: Sequence[str] = ("-id",)
        indexes: Sequence[models.Index] = (
            models.Index(fields=["client_id"], name="oauthgrants_refresh_client"),
            models.Index(fields=["expires_at"], name="oauthgrants_refresh_expires"),
            models.Index(fields=["family"], name="oauthgrants_refresh_family"),
            models.Index(fields=["sub"], name="oauthgrants_refresh_sub"),
        )


class Family(_Expiring):
    """All that came from one sign-in. Who changes the family changes its row first."""

    name: models.CharField[str, str] = models.CharField(max_length=255, unique=True)
    last_spent: DigestField = DigestField(null=True)

    objects: ClassVar[models.Manager[Family]] = models.Manager()

    class Meta(_Expiring.Meta):
        """Options of the model."""

        verbose_name_plural = "families"
        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_family_expires"),
        )

    def __str__(self) -> str:
        return self.name


class MfaToken(_Token):
    """A sign-in that waits for its second factor."""

    username: models.TextField[str, str] = models.TextField()

    objects: ClassVar[models.Manager[MfaToken]] = models.Manager()

    class Meta(_Token.Meta):
        """Options of the model."""

        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_mfa_expires"),
        )


class Denial(_Expiring):
    """Which JWTs are revoked: one by its ``jti``, or all of a family."""

    identifier: models.CharField[str, str] = models.CharField(max_length=255, unique=True)

    objects: ClassVar[models.Manager[Denial]] = models.Manager()

    class Meta(_Expiring.Meta):
        """Options of the model."""

        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_denial_expires"),
        )

    def __str__(self) -> str:
        return self.identifier


class _Digest(_Expiring):
    """What is known by a digest alone."""

    digest: DigestField = DigestField(unique=True)

    class Meta(_Expiring.Meta):
        """Options of the model."""

        abstract = True

    def __str__(self) -> str:
        return self.digest.hex() if self.digest else ""


class Use(_Digest):
    """Something that may be used once, and has been."""

    objects: ClassVar[models.Manager[Use]] = models.Manager()

    class Meta(_Digest.Meta):
        """Options of the model."""

        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_use_expires"),
        )


class Attempts(_Digest):
    """Guesses that failed; what the fields mean stands at `oauthgrants.attempts.Attempts`."""

    failures: models.PositiveIntegerField[int, int] = models.PositiveIntegerField()
    allowed_at: MomentField = MomentField(null=True)
    forgotten_before: MomentField = MomentField()

    objects: ClassVar[models.Manager[Attempts]] = models.Manager()

    class Meta(_Digest.Meta):
        """Options of the model."""

        verbose_name_plural = "attempts"
        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_attempts_expires"),
        )


class KnownSource(_Digest):
    """From where a user has signed in before."""

    objects: ClassVar[models.Manager[KnownSource]] = models.Manager()

    class Meta(_Digest.Meta):
        """Options of the model."""

        indexes: Sequence[models.Index] = (
            models.Index(fields=["expires_at"], name="oauthgrants_source_expires"),
        )


CLIENT_FIELDS = tuple(name for name in attrs.fields_dict(clients.Client) if name != "secrets")
"""The attributes of a client that are fields of its row."""
