"""Resource owners that are users of Django."""

from __future__ import annotations

import uuid
from typing import Any

import attrs
import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from django_adapter.accounts.models import Account
from django_adapter.projects import add_user
from oauthgrants import Client, Secret, User
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.adapters.django.users import DjangoPasswords, DjangoUsers
from oauthgrants.users import Accepted, Disabled, Rejected

pytestmark = pytest.mark.usefixtures("database")


def test_a_user_has_the_key_for_a_subject_identifier() -> None:
    account = add_user()
    user = User(sub=f"user:{account.pk}", username="alice")

    assert DjangoUsers().find_user("alice") == user
    assert DjangoUsers().find_user_by_sub(user.sub) == user
    assert DjangoUsers().find_account(user.sub) == account


def test_who_is_inactive_is_so() -> None:
    add_user(is_active=False)

    user = DjangoUsers().find_user("alice")

    assert user is not None
    assert not user.active


@pytest.mark.parametrize(
    "spelling",
    ["user: {}", "user:0{}", "user:{} ", "user:+{}", "user:{}.0", "USER:{}", "{}", "user:", "user"],
)
def test_a_subject_identifier_has_one_spelling(spelling: str) -> None:
    """A database takes others for the same number."""
    sub = spelling.format(add_user().pk)

    assert DjangoUsers().find_user_by_sub(sub) is None


@pytest.mark.parametrize("sub", ["user:a", "user:\0", "user:999", f"user:{10**30}", "user:\u0661"])
def test_who_is_unknown_is_nobody(sub: str) -> None:
    """Whatever it says: what raises would say that the database is away."""
    add_user()

    assert DjangoUsers().find_user_by_sub(sub) is None


def test_another_field_may_make_the_subject_identifier() -> None:
    users = DjangoUsers(Account, sub_field="sub", sub_prefix="acct:")
    sub = str(uuid.uuid4())
    Account.objects.create(sub=sub, username="alice")

    assert users.find_user_by_sub(f"acct:{sub}") == users.find_user("alice")
    assert users.find_user_by_sub(sub) is None


def test_a_subclass_may_say_what_scope_a_user_has() -> None:
    class Users(DjangoUsers):
        def to_user(self, account: Any) -> User:
            scope = "read write" if account.is_staff else "read"
            return attrs.evolve(super().to_user(account), scope=scope)

    add_user("alice")
    add_user("bob", is_staff=True)
    passwords = DjangoPasswords(Users())

    scopes: list[str] = []
    for name in ("alice", "bob"):
        outcome = passwords.verify_password(name, Secret("wonderland"), Client.public("app"))
        assert isinstance(outcome, Accepted)
        scopes.append(str(outcome.user.scope))

    assert scopes == ["read", "read write"]


def test_whoever_is_let_in_has_to_be_active() -> None:
    """Some backends let others in; their guess is no right one either."""
    account = add_user(is_active=False)

    with override_settings(
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    ):
        outcome = DjangoPasswords().verify_password(
            "alice", Secret("wonderland"), Client.public("app")
        )

    assert outcome == Disabled(sub=f"user:{account.pk}")


def test_a_refusal_says_to_the_operator_who_it_is() -> None:
    alice, bob = add_user("alice"), add_user("bob", is_active=False)

    def refuse(username: str) -> object:
        return DjangoPasswords().verify_password(username, Secret("a guess"), Client.public("app"))

    assert refuse("alice") == Rejected(sub=f"user:{alice.pk}")
    assert refuse("bob") == Disabled(sub=f"user:{bob.pk}")
    assert refuse("nobody") == Rejected()


def test_no_client_passes_for_a_user() -> None:
    """Not even for one who comes later (RFC 9700, 4.15.1)."""
    with pytest.raises(ValueError, match="'user:7' may be a user's sub"):
        DjangoStore().add_client(Client.public("user:7"))
    DjangoStore().add_client(Client.public("user"))

    assert DjangoUsers().may_be_sub("user:7")
    assert not DjangoUsers().may_be_sub("user")


def test_django_sees_to_its_hashes_by_itself() -> None:
    """The store is told of none, and changes none."""
    account = add_user()
    store = DjangoStore()
    before = store.find_user("alice")

    store.replace_password_hash(f"user:{account.pk}", "old", "new")

    assert before is not None
    assert before.password_hash is None
    assert get_user_model()._default_manager.get().password == account.password


def test_the_default_is_the_projects_model() -> None:
    assert DjangoUsers().model is get_user_model()
    assert DjangoUsers(Account).model is Account
