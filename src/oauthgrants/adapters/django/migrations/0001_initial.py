"""The first tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from oauthgrants.adapters.django import fields


def _id() -> models.BigAutoField[int, int]:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


class Migration(migrations.Migration):
    """Makes them."""

    initial: ClassVar[bool | None] = True
    dependencies: ClassVar[Sequence[tuple[str, str]]] = ()
    operations: ClassVar[Sequence[Operation]] = (
        migrations.CreateModel(
            name="Client",
            fields=[
                ("id", _id()),
                ("client_id", models.CharField(max_length=255, unique=True)),
                ("client_name", models.TextField(blank=True, null=True)),
                (
                    "token_endpoint_auth_method",
                    models.CharField(default="client_secret_basic", max_length=255),
                ),
                ("grant_types", fields.TextsField()),
                ("scope", fields.ScopeField(blank=True, null=True)),
                ("default_scope", fields.ScopeField(blank=True, null=True)),
                ("resources", fields.TextsField(blank=True, default=())),
                ("introspects", fields.TextsField(blank=True, default=())),
                ("first_party", models.BooleanField(default=False)),
                ("access_token_lifetime", models.DurationField(blank=True, null=True)),
                ("refresh_token_lifetime", models.DurationField(blank=True, null=True)),
                ("secret_methods_equal", models.BooleanField(default=False)),
                ("active", models.BooleanField(default=True)),
                ("jwks", models.TextField(blank=True, null=True)),
                ("jwks_uri", models.TextField(blank=True, null=True)),
                ("token_endpoint_auth_signing_alg", models.TextField(blank=True, null=True)),
                ("tls_client_auth_subject_dn", models.TextField(blank=True, null=True)),
                ("tls_client_auth_san_dns", models.TextField(blank=True, null=True)),
                ("tls_client_auth_san_uri", models.TextField(blank=True, null=True)),
                ("tls_client_auth_san_ip", models.TextField(blank=True, null=True)),
                ("tls_client_auth_san_email", models.TextField(blank=True, null=True)),
                ("tls_client_certificate_bound_access_tokens", models.BooleanField(default=False)),
                ("dpop_bound_access_tokens", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("client_id",),
            },
        ),
        migrations.CreateModel(
            name="AccessToken",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
                ("client_id", models.CharField(max_length=255)),
                ("sub", models.TextField()),
                ("scope", fields.ScopeField()),
                ("audience", fields.TextsField()),
                ("issued_at", fields.MomentField()),
                ("lifetime", models.DurationField()),
                ("username", models.TextField(null=True)),
                ("family", models.CharField(max_length=255, null=True)),
                ("jti", models.TextField(null=True)),
                ("extra", fields.ClaimsField(null=True)),
                ("cnf", fields.ClaimsField(null=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["client_id"], name="oauthgrants_access_client"),
                    models.Index(fields=["expires_at"], name="oauthgrants_access_expires"),
                    models.Index(fields=["family"], name="oauthgrants_access_family"),
                    models.Index(fields=["sub"], name="oauthgrants_access_sub"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempts",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
                ("failures", models.PositiveIntegerField()),
                ("allowed_at", fields.MomentField(null=True)),
                ("forgotten_before", fields.MomentField()),
            ],
            options={
                "verbose_name_plural": "attempts",
                "indexes": [
                    models.Index(fields=["expires_at"], name="oauthgrants_attempts_expires")
                ],
            },
        ),
        migrations.CreateModel(
            name="ClientSecret",
            fields=[
                ("id", _id()),
                ("secret_id", models.TextField(editable=False)),
                ("hash", models.TextField(editable=False)),
                ("expires_at", fields.MomentField(blank=True, null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="secrets", to="oauthgrants.client"
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="Denial",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("identifier", models.CharField(max_length=255, unique=True)),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="oauthgrants_denial_expires")],
            },
        ),
        migrations.CreateModel(
            name="Family",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("name", models.CharField(max_length=255, unique=True)),
                ("last_spent", fields.DigestField(max_length=32, null=True)),
            ],
            options={
                "verbose_name_plural": "families",
                "indexes": [models.Index(fields=["expires_at"], name="oauthgrants_family_expires")],
            },
        ),
        migrations.CreateModel(
            name="KnownSource",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="oauthgrants_source_expires")],
            },
        ),
        migrations.CreateModel(
            name="MfaToken",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
                ("client_id", models.CharField(max_length=255)),
                ("sub", models.TextField()),
                ("scope", fields.ScopeField()),
                ("audience", fields.TextsField()),
                ("issued_at", fields.MomentField()),
                ("lifetime", models.DurationField()),
                ("username", models.TextField()),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="oauthgrants_mfa_expires")],
            },
        ),
        migrations.CreateModel(
            name="RefreshToken",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
                ("client_id", models.CharField(max_length=255)),
                ("sub", models.TextField()),
                ("scope", fields.ScopeField()),
                ("audience", fields.TextsField()),
                ("issued_at", fields.MomentField()),
                ("lifetime", models.DurationField()),
                ("username", models.TextField()),
                ("grant_type", models.TextField()),
                ("family", models.CharField(max_length=255)),
                ("family_ends_at", fields.MomentField(null=True)),
                ("parent", fields.DigestField(max_length=32, null=True)),
                ("spent_at", fields.MomentField(null=True)),
                ("cnf", fields.ClaimsField(null=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["client_id"], name="oauthgrants_refresh_client"),
                    models.Index(fields=["expires_at"], name="oauthgrants_refresh_expires"),
                    models.Index(fields=["family"], name="oauthgrants_refresh_family"),
                    models.Index(fields=["sub"], name="oauthgrants_refresh_sub"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Use",
            fields=[
                ("id", _id()),
                ("expires_at", fields.MomentField()),
                ("digest", fields.DigestField(max_length=32, unique=True)),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="oauthgrants_use_expires")],
            },
        ),
    )
