"""The contract of stores fails for a store with a fault: one of each kind that it is there for."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from oauthgrants import AccessToken, Client, ClientSecret, MemoryStore, RefreshToken, User
from oauthgrants.ports import Rotation
from oauthgrants.testing import store_samples
from oauthgrants.testing.store_contract import StoreContract

CATCHES: list[tuple[type[MemoryStore], str]] = []


def caught_by(*names: str) -> Callable[[type[MemoryStore]], type[MemoryStore]]:
    """Mark a store with the tests of the contract that have to fail for it."""

    def mark(store: type[MemoryStore]) -> type[MemoryStore]:
        CATCHES.extend((store, name) for name in names)
        return store

    return mark


def whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


@caught_by("test_access_tokens_come_back_whole", "test_refresh_tokens_come_back_whole")
class DropsMicroseconds(MemoryStore):
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        found = super().find_access_token(digest)
        return found and attrs.evolve(found, issued_at=whole_seconds(found.issued_at))

    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        found = super().find_refresh_token(digest)
        return found and attrs.evolve(found, issued_at=whole_seconds(found.issued_at))


@caught_by("test_a_token_is_spent_and_its_successors_are_stored")
class DropsMicrosecondsOfUse(MemoryStore):
    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        found = super().find_refresh_token(digest)
        if found is None or found.spent_at is None:
            return found
        return attrs.evolve(found, spent_at=whole_seconds(found.spent_at))


@caught_by("test_access_tokens_come_back_whole")
class SortsTheAudience(MemoryStore):
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        found = super().find_access_token(digest)
        return found and attrs.evolve(found, audience=tuple(sorted(found.audience)))


@caught_by("test_access_tokens_come_back_whole", "test_a_family_is_revoked_whole")
class ForgetsTheFamily(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(access and attrs.evolve(access, family=None), refresh)


@caught_by("test_refresh_tokens_come_back_whole")
class ForgetsTheOwner(MemoryStore):
    def find_refresh_token(self, digest: bytes) -> RefreshToken | None:
        found = super().find_refresh_token(digest)
        return found and attrs.evolve(found, client_id="app")


@caught_by("test_access_tokens_come_back_whole")
class ForgetsClaims(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(access and attrs.evolve(access, extra={}), refresh)


@caught_by("test_an_unknown_token_is_none", "test_an_access_token_is_revoked_alone")
class KeepsAllInOneTable(MemoryStore):
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        refresh = super().find_refresh_token(digest)
        if refresh is None:
            return super().find_access_token(digest)
        return store_samples.make_access_token(digest=digest)

    def revoke_access_token(self, digest: bytes) -> None:
        super().revoke_access_token(digest)
        refresh = self.find_refresh_token(digest)
        if refresh is not None:
            super().revoke_family(refresh.family)


def require_text(token: AccessToken | RefreshToken | None) -> None:
    if token is not None:
        token.sub.encode()


@caught_by(
    "test_both_tokens_are_saved_or_neither",
    "test_a_token_is_spent_and_both_successors_are_stored_or_nothing",
)
class SavesOneByOne(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        for token in (access, refresh):
            require_text(token)
            super().save_tokens(
                token if isinstance(token, AccessToken) else None,
                token if isinstance(token, RefreshToken) else None,
            )

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        rotation = super().rotate_refresh_token(spent, access, refresh, grace=grace)
        require_text(access)
        require_text(refresh)
        return rotation


@caught_by("test_text_with_a_nul_is_kept_or_refused")
class CutsAtNul(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(
            access and attrs.evolve(access, sub=access.sub.partition("\0")[0]), refresh
        )


@caught_by(
    "test_an_unknown_client_is_none",
    "test_an_unknown_user_is_none",
    "test_nothing_is_denied_at_first",
)
class FailsAtNul(MemoryStore):
    def find_client(self, client_id: str) -> Client | None:
        return super().find_client(self.require_no_nul(client_id))

    def find_user(self, username: str) -> User | None:
        return super().find_user(self.require_no_nul(username))

    def is_denied(self, identifiers: Collection[str]) -> bool:
        return super().is_denied([self.require_no_nul(text) for text in identifiers])

    @staticmethod
    def require_no_nul(text: str) -> str:
        if "\0" in text:
            raise OSError("text has a NUL")
        return text


class ReadsThenWrites(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        token = self.find_refresh_token(spent)
        if token is None:
            return Rotation.MISSING
        if token.spent_at is not None:
            return super().rotate_refresh_token(spent, access, refresh, grace=grace)
        time.sleep(0.02)
        super().rotate_refresh_token(spent, None, refresh, grace=timedelta(days=9))
        self.save_tokens(access, refresh)
        return Rotation.ROTATED


caught_by(
    "test_of_many_calls_at_once_one_rotates",
    "test_of_many_calls_over_two_connections_one_rotates",
    "test_what_is_revoked_while_it_rotates_is_gone",
)(ReadsThenWrites)


@caught_by("test_a_token_that_was_spent_is_replayed")
class StoresReplays(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        rotation = super().rotate_refresh_token(spent, access, refresh, grace=grace)
        if rotation is Rotation.REPLAYED:
            self.save_tokens(access, refresh)
        return rotation


@caught_by("test_an_unknown_token_is_missing", "test_a_token_of_a_revoked_family_is_missing")
class TakesAnyToken(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        rotation = super().rotate_refresh_token(spent, access, refresh, grace=grace)
        if rotation is Rotation.MISSING:
            self.save_tokens(access, refresh)
        return rotation


class DeletesSpentTokens(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        token = self._refresh.pop(spent, None)
        if token is None:
            return Rotation.MISSING
        self.save_tokens(access, refresh)
        return Rotation.ROTATED


caught_by("test_a_token_that_was_spent_is_replayed", "test_a_spent_token_stays_until_it_expires")(
    DeletesSpentTokens
)


class KnowsNoGrace(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        return super().rotate_refresh_token(spent, access, refresh, grace=timedelta())


caught_by(
    "test_within_the_grace_the_last_spent_token_may_come_again",
    "test_within_the_grace_many_calls_at_once_rotate",
    "test_a_clock_that_is_behind_stops_nobody",
)(KnowsNoGrace)


class ForgivesAllWithinTheGrace(MemoryStore):
    """Whatever was spent last, and counting from the latest use."""

    prolongs = False

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        token = self._refresh.get(spent)
        if token is not None and token.spent_at is not None:
            if refresh.issued_at >= token.spent_at + grace:
                return Rotation.REPLAYED
            self.save_tokens(access, refresh)
            if self.prolongs:
                self._refresh[spent] = attrs.evolve(token, spent_at=refresh.issued_at)
            return Rotation.ROTATED
        return super().rotate_refresh_token(spent, access, refresh, grace=grace)


caught_by(
    "test_the_grace_is_for_the_token_that_was_spent_last",
    "test_a_clock_that_is_behind_gives_no_second_use",
    "test_of_siblings_spent_at_once_one_is_the_last",
)(ForgivesAllWithinTheGrace)


@caught_by("test_a_retry_does_not_prolong_the_grace")
class ProlongsTheGrace(ForgivesAllWithinTheGrace):
    prolongs = True


class RemembersOneSpentToken(MemoryStore):
    """Of all families together."""

    last: bytes | None = None

    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        token = self._refresh.get(spent)
        fresh = token is not None and token.spent_at is None
        if not fresh and spent != self.last:
            grace = timedelta()
        self.last = spent
        return super().rotate_refresh_token(spent, access, refresh, grace=grace)


caught_by("test_the_grace_is_of_one_family")(RemembersOneSpentToken)


@caught_by("test_a_successor_may_come_without_an_access_token")
class WantsAnAccessToken(MemoryStore):
    def rotate_refresh_token(
        self, spent: bytes, access: AccessToken | None, refresh: RefreshToken, *, grace: timedelta
    ) -> Rotation:
        if access is None:
            return Rotation.MISSING
        return super().rotate_refresh_token(spent, access, refresh, grace=grace)


@caught_by("test_both_tokens_are_saved")
class SavesTheFirst(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(access, refresh if access is None else None)


@caught_by("test_a_family_is_revoked_whole")
class RevokesRefreshTokensOnly(MemoryStore):
    def revoke_family(self, family: str) -> None:
        for digest in self._families[family].refresh if family in self._families else ():
            self._refresh.pop(digest, None)


@caught_by("test_a_family_is_revoked_whole")
class RevokesByPattern(MemoryStore):
    def revoke_family(self, family: str) -> None:
        for name in list(self._families):
            if all(a in {b, "_"} for a, b in zip(family, name, strict=False)):
                super().revoke_family(name)


@caught_by("test_an_access_token_is_revoked_alone")
class RevokesTheWholeFamily(MemoryStore):
    def revoke_access_token(self, digest: bytes) -> None:
        token = self.find_access_token(digest)
        if token is not None and token.family is not None:
            self.revoke_family(token.family)


@caught_by("test_an_access_token_is_revoked_alone", "test_a_family_is_revoked_whole")
class RevokesOnce(MemoryStore):
    def revoke_access_token(self, digest: bytes) -> None:
        del self._access[digest]

    def revoke_family(self, family: str) -> None:
        del self._families[family]


@caught_by("test_what_is_valid_outlives_what_has_expired")
class DropsTheOldest(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(access, refresh)
        if len(self._access) > 10:
            del self._access[next(iter(self._access))]


@caught_by("test_expired_tokens_are_deleted", "test_the_later_end_counts")
class DeletesNothing(MemoryStore):
    def delete_expired(self, now: datetime, limit: int) -> int:
        return 0


@caught_by("test_expired_tokens_are_deleted", "test_a_spent_token_stays_until_it_expires")
class DeletesTooEarly(MemoryStore):
    def delete_expired(self, now: datetime, limit: int) -> int:
        return super().delete_expired(now + timedelta(hours=1), limit)


@caught_by("test_expired_tokens_are_deleted")
class DeletesWithoutLimit(MemoryStore):
    def delete_expired(self, now: datetime, limit: int) -> int:
        return super().delete_expired(now, 1000)


@caught_by("test_expired_tokens_are_deleted", "test_the_later_end_counts")
class NeverSaysThatNothingIsLeft(MemoryStore):
    def delete_expired(self, now: datetime, limit: int) -> int:
        super().delete_expired(now, limit)
        return limit


@caught_by("test_expired_tokens_are_deleted")
class ForgetsThatFamiliesEnd(MemoryStore):
    def save_tokens(self, access: AccessToken | None, refresh: RefreshToken | None) -> None:
        super().save_tokens(access, refresh and attrs.evolve(refresh, family_ends_at=None))


@caught_by("test_client_ids_that_look_alike_are_two")
class FoldsClientIds(MemoryStore):
    def add_client(self, client: Client) -> None:
        self._clients[client.client_id.casefold()] = client

    def find_client(self, client_id: str) -> Client | None:
        return super().find_client(client_id.casefold())


@caught_by("test_usernames_that_look_alike_are_two")
class NormalisesUsernames(MemoryStore):
    def find_user(self, username: str) -> User | None:
        return super().find_user(unicodedata.normalize("NFC", username))


@caught_by("test_a_client_comes_back_whole")
class TakesEmptyForNone(MemoryStore):
    def find_client(self, client_id: str) -> Client | None:
        found = super().find_client(client_id)
        return found and attrs.evolve(found, client_name=found.client_name or None)


@caught_by("test_a_user_comes_back_whole")
class KeepsNoScopeOfUsers(MemoryStore):
    def find_user(self, username: str) -> User | None:
        found = super().find_user(username)
        return found and attrs.evolve(found, scope=None)


@caught_by("test_username_and_sub_are_two_names")
class FindsUsersByAnyName(MemoryStore):
    def find_user(self, username: str) -> User | None:
        return self.find_user_by_sub(username) or super().find_user(username)


@caught_by("test_a_client_id_is_registered_once", "test_a_client_id_is_no_users_sub")
class OverwritesClients(MemoryStore):
    def add_client(self, client: Client) -> None:
        self._clients[client.client_id] = client


@caught_by("test_username_and_sub_are_one_users", "test_a_client_id_is_no_users_sub")
class OverwritesUsers(MemoryStore):
    def add_user(self, user: User) -> None:
        self._put_user(user)


@caught_by("test_a_username_may_be_a_client_id")
class TakesUsernamesForSubs(MemoryStore):
    def add_user(self, user: User) -> None:
        if self.find_client(user.username):
            raise ValueError("taken")
        super().add_user(user)


@caught_by("test_a_secret_is_replaced", "test_a_password_hash_is_replaced")
class ReplacesNothing(MemoryStore):
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        pass

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        pass


@caught_by(
    "test_a_secret_that_is_gone_is_not_replaced",
    "test_a_password_hash_that_is_gone_is_not_replaced",
    "test_of_many_replacements_at_once_one_is_made",
)
class ReplacesWhateverIsThere(MemoryStore):
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        client = self.find_client(client_id)
        if client is not None:
            self.replace_client(attrs.evolve(client, secrets=(new, *client.secrets[1:])))

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        user = self.find_user_by_sub(sub)
        if user is not None:
            self.replace_user(attrs.evolve(user, password_hash=new))


@caught_by("test_secrets_replaced_at_once_are_all_replaced")
class WritesBackWhatItRead(MemoryStore):
    def replace_client_secret(self, client_id: str, old: ClientSecret, new: ClientSecret) -> None:
        client = self.find_client(client_id)
        if client is not None:
            time.sleep(0.01)
            secrets = tuple(new if kept == old else kept for kept in client.secrets)
            self.replace_client(attrs.evolve(client, secrets=secrets))


@caught_by("test_what_is_denied_is_remembered")
class WantsAllToBeDenied(MemoryStore):
    def is_denied(self, identifiers: Collection[str]) -> bool:
        return bool(identifiers) and self._denied.keys() >= set(identifiers)


@caught_by("test_the_later_end_counts")
class ShortensDenials(MemoryStore):
    def deny(self, identifier: str, expires_at: datetime) -> None:
        self._denied[identifier] = datetime.min.replace(tzinfo=UTC)
        super().deny(identifier, expires_at)


@caught_by("test_many_denials_at_once_are_one")
class DeniesOnce(MemoryStore):
    def deny(self, identifier: str, expires_at: datetime) -> None:
        if self.is_denied([identifier]):
            raise ValueError("it is there already")
        super().deny(identifier, expires_at)


class CopyOnConnect(MemoryStore):
    """What is written through one connection stays there."""


caught_by(
    "test_clients_are_seen_through_another_connection",
    "test_users_are_seen_through_another_connection",
    "test_tokens_are_seen_through_another_connection",
    "test_rotation_is_seen_through_another_connection",
    "test_denials_are_seen_through_another_connection",
)(CopyOnConnect)


class ContractOf(StoreContract[MemoryStore]):
    """The contract of one of the stores above."""

    def __init__(self, kind: type[MemoryStore]) -> None:
        self.kind = kind

    @contextmanager
    def open_store(self) -> Generator[MemoryStore, None, None]:
        yield self.kind()

    @contextmanager
    def connect_again(self, store: MemoryStore) -> Generator[MemoryStore, None, None]:
        yield self.kind() if self.kind is CopyOnConnect else store


@pytest.mark.parametrize(
    ("store", "name"),
    [pytest.param(store, name, id=f"{store.__name__}-{name}") for store, name in CATCHES],
)
def test_a_fault_is_caught(store: type[MemoryStore], name: str) -> None:
    contract_test = getattr(ContractOf(store), name)

    with pytest.raises((AssertionError, KeyError, OSError, ValueError)):  # the store's, or ours
        contract_test()


def test_every_test_of_the_contract_catches_something() -> None:
    names = {name for name in dir(StoreContract) if name.startswith("test_")}

    assert names == {name for _, name in CATCHES}


@pytest.mark.parametrize(
    ("kind", "samples"),
    [
        (AccessToken, store_samples.access_tokens),
        (RefreshToken, store_samples.refresh_tokens),
        (Client, store_samples.clients),
        (User, store_samples.users),
    ],
)
def test_the_samples_use_every_attribute(kind: type, samples: Callable[[], list[object]]) -> None:
    """So that no attribute that is added later can be forgotten by a store."""
    kept = list(samples())

    unused = {
        field.name
        for field in attrs.fields(kind)
        if all(getattr(sample, field.name) == field.default for sample in kept)
    }
    assert unused - {"spent_at"} == set()
