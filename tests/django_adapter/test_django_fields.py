"""What columns and fixtures keep."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import override_settings

from django_adapter.tables import empty_database
from oauthgrants import Scope
from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.fields import (
    ClaimsField,
    DigestField,
    MomentField,
    ScopeField,
    TextsField,
)
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.testing.store_samples import (
    access_tokens,
    clients,
    make_access_token,
    make_successors,
    moment,
    refresh_tokens,
)

MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123_456, UTC)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "America/Chicago"])
def test_moments_stay_what_they_are(zone: str | None, alias: str) -> None:
    """Also in the hours that there are twice, or never, where the project has no time zones."""
    settings: dict[str, Any] = {} if zone is None else {"USE_TZ": False, "TIME_ZONE": zone}
    moments = [
        MOMENT,
        datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
        datetime(2026, 11, 1, 7, 30, tzinfo=UTC),
    ]
    with override_settings(**settings):
        for issued_at in moments:
            token = make_access_token(issued_at=issued_at)
            DjangoStore().save_tokens(token, None)
            assert DjangoStore().find_access_token(token.digest) == token
        order = models.AccessToken.objects.using(alias).order_by("issued_at")
        assert list(order.values_list("issued_at", flat=True)) == moments
        later = models.AccessToken.objects.using(alias).filter(issued_at__gt=MOMENT)
        assert later.count() == 2


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_fixtures_bring_everything_back(kind: str, tmp_path: Path) -> None:
    """But for what JSON drops of a moment, all that is less than a millisecond."""
    file = tmp_path / f"dump.{kind}"
    with empty_database():
        store = DjangoStore()
        for client in clients():
            store.add_client(client)
        # XML has no control characters.
        access = [*access_tokens()][:2]
        refresh = [*refresh_tokens()][:2]
        for access_token in access:
            store.save_tokens(access_token, None)
        for refresh_token in refresh:
            store.save_tokens(None, refresh_token)
        spent = refresh[0]
        store.rotate_refresh_token(spent.digest, *make_successors(spent), grace=moment() - moment())
        before = list(models.RefreshToken.objects.values("id", "scope", "audience", "parent"))
        models.Client.objects.exclude(client_id="everything").delete()
        everything = store.find_client("everything")
        call_command("dumpdata", "oauthgrants", format=kind, output=str(file))
    with empty_database():
        call_command("loaddata", str(file), verbosity=0, stdout=StringIO())

        found = store.find_client("everything")
        assert found is not None
        assert everything is not None
        assert found.scope == everything.scope
        assert found.resources == everything.resources
        assert [secret.hash for secret in found.secrets] == [
            secret.hash for secret in everything.secrets
        ]
        again = list(models.RefreshToken.objects.values("id", "scope", "audience", "parent"))
        assert again == before
        for token in access:
            kept = store.find_access_token(token.digest)
            assert kept is not None
            assert kept.extra == token.extra
            assert abs(kept.issued_at - token.issued_at).total_seconds() < 0.001
        unspent = store.find_refresh_token(refresh[1].digest)
        assert unspent is not None
        assert unspent.spent_at is None


def test_a_moment_is_read_from_text() -> None:
    field = MomentField()

    assert field.to_python("2026-03-29T01:30:00.123456+00:00") == MOMENT
    assert field.to_python(MOMENT) == MOMENT
    assert field.to_python(None) is None
    with override_settings(TIME_ZONE="Asia/Tokyo"):
        assert field.to_python("2026-03-29T10:30:00.123456") == MOMENT
    with pytest.raises(ValidationError, match="'soon' is no moment"):
        field.to_python("soon")


def test_a_scope_is_read_from_text() -> None:
    field = ScopeField()

    assert field.to_python(" write  read ") == Scope.of("read write")
    assert field.to_python("") == Scope()
    assert field.to_python(None) is None
    assert field.to_python(Scope.of("a")) == Scope.of("a")
    with pytest.raises(ValidationError, match="the scope is malformed"):
        field.to_python('re"ad')


def test_lists_and_claims_are_read_from_text() -> None:
    assert TextsField().to_python('["b","a"]') == ("b", "a")
    assert TextsField().to_python(["b", "a"]) == ("b", "a")
    assert ClaimsField().to_python('{"a":[1]}') == {"a": [1]}
    assert ClaimsField().to_python(None) == {}


def test_a_digest_is_octets() -> None:
    """Whatever a driver brings."""
    assert DigestField().from_db_value(memoryview(b"ab")) == b"ab"
    assert DigestField().from_db_value(None) is None
    assert models.Use(digest=b"\1\2").digest == b"\1\2"
    assert [str(models.Use(digest=b"\1\2")), str(models.Use())] == ["0102", ""]


def test_rows_have_names() -> None:
    rows = [models.Family(name="a"), models.Denial(identifier="b")]

    assert [str(row) for row in rows] == ["a", "b"]
