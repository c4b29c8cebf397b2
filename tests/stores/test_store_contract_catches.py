"""The contract of stores fails for a store with a fault: one of each kind that it is there for."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from inspect import isabstract
from typing import Any

import attrs
import pytest

from oauthgrants import AccessToken, Client, ClientSecret, MemoryStore, RefreshToken, User
from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.ports import Rotation
from oauthgrants.testing import store_samples
from oauthgrants.testing.adapter_contract import AdapterContract
from oauthgrants.testing.guard_contract import GuardContract
from oauthgrants.testing.store_contract import StoreContract
from oauthgrants.tokens import MfaToken

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


@caught_by(
    "test_expired_tokens_are_deleted",
    "test_the_later_end_counts",
    "test_expired_uses_are_deleted",
    "test_forgotten_attempts_are_deleted",
    "test_expired_sources_are_deleted",
    "test_expired_mfa_tokens_are_deleted",
)
class DeletesNothing(MemoryStore):
    def delete_expired(self, now: datetime, limit: int) -> int:
        return 0


@caught_by(
    "test_expired_tokens_are_deleted",
    "test_a_spent_token_stays_until_it_expires",
    "test_expired_uses_are_deleted",
    "test_forgotten_attempts_are_deleted",
    "test_expired_sources_are_deleted",
    "test_expired_mfa_tokens_are_deleted",
)
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


@caught_by("test_a_client_is_replaced_whole")
class KeepsItsSecrets(MemoryStore):
    def replace_client(self, client: Client) -> None:
        kept = self.find_client(client.client_id)
        secrets = client.secrets if kept is None else kept.secrets
        super().replace_client(attrs.evolve(client, secrets=secrets))


@caught_by("test_a_client_has_several_secrets")
class EndsNothing(MemoryStore):
    def add_client_secret(
        self,
        client_id: str,
        secret: ClientSecret,
        *,
        others_expire_at: datetime | None = None,  # which is the fault
    ) -> None:
        super().add_client_secret(client_id, secret)


@caught_by("test_a_client_keeps_the_secrets_that_it_needs")
class DeletesNothingSilently(MemoryStore):
    def delete_client_secret(self, client_id: str, secret_id: str) -> None:
        with suppress(ValueError):
            super().delete_client_secret(client_id, secret_id)


@caught_by("test_secrets_added_at_once_are_all_added")
class AddsToWhatItRead(MemoryStore):
    def add_client_secret(
        self, client_id: str, secret: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> None:
        client = self.find_client(client_id)
        if client is not None:
            time.sleep(0.01)
            self.replace_client(client.with_secret(secret, others_expire_at=others_expire_at))


@caught_by("test_what_is_denied_is_remembered")
class WantsAllToBeDenied(MemoryStore):
    def is_denied(self, identifiers: Collection[str]) -> bool:
        return bool(identifiers) and all(name in self._denied for name in identifiers)


@caught_by("test_the_later_end_counts")
class ShortensDenials(MemoryStore):
    def deny(self, identifier: str, expires_at: datetime) -> None:
        self._denied.take(identifier)
        super().deny(identifier, expires_at)


@caught_by("test_many_denials_at_once_are_one")
class DeniesOnce(MemoryStore):
    def deny(self, identifier: str, expires_at: datetime) -> None:
        if self.is_denied([identifier]):
            raise ValueError("it is there already")
        super().deny(identifier, expires_at)


@caught_by(
    "test_what_may_be_used_once_is_new_once",
    "test_so_many_attempts_are_allowed",
    "test_no_source_is_known_at_first",
    "test_an_unknown_mfa_token_is_none",
)
class CutsDigestsAtNul(MemoryStore):
    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        return super().add_if_absent(digest.partition(b"\0")[0], expires_at)

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        return super().begin_attempt(digest.partition(b"\0")[0], limit, now)

    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        super().remember_source(digest.partition(b"\0")[0], expires_at)

    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return super().is_known_source(digest.partition(b"\0")[0], now)

    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        return super().find_mfa_token(digest) or store_samples.make_mfa_token(digest=digest)


@caught_by("test_what_may_be_used_once_is_new_once")
class TakesALaterEndForNew(MemoryStore):
    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        kept = self._replays.get(digest)
        if kept is not None and kept < expires_at:
            self._replays.take(digest)
        return super().add_if_absent(digest, expires_at)


class LooksThenWrites(MemoryStore):
    """Each look is right, and so is each write."""

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        if digest in self._replays:
            return False
        time.sleep(0.02)
        super().add_if_absent(digest, expires_at)
        return True

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        counted = limit.count(self._attempts.get(digest), now)
        if counted is not None:
            time.sleep(0.02)
            self._attempts.put(digest, counted)
        return counted is not None

    def take_mfa_token(self, digest: bytes) -> bool:
        found = self.find_mfa_token(digest) is not None
        time.sleep(0.02)
        super().take_mfa_token(digest)
        return found


caught_by(
    "test_of_many_uses_at_once_one_is_new",
    "test_of_many_uses_over_two_connections_one_is_new",
    "test_of_many_attempts_at_once_so_many_are_allowed",
    "test_of_many_attempts_over_two_connections_so_many_are_allowed",
    "test_of_many_takers_at_once_one_takes",
    "test_of_many_takers_over_two_connections_one_takes",
)(LooksThenWrites)


class WithdrawsWhatItRead(MemoryStore):
    def withdraw_attempt(self, digest: bytes) -> None:
        kept = self._attempts.get(digest)
        if kept is not None:
            time.sleep(0.02)
            self._attempts.put(digest, kept.withdraw())


caught_by("test_each_of_many_attempts_at_once_is_withdrawn")(WithdrawsWhatItRead)


class KeepsTen(MemoryStore):
    """Of what came last."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[bytes] = []

    def note(self, digest: bytes) -> bytes | None:
        """Return what has to make room for *digest*, if it is new."""
        if digest in self.came:
            return None
        self.came.append(digest)
        return self.came.pop(0) if len(self.came) > 10 else None

    def add_if_absent(self, digest: bytes, expires_at: datetime) -> bool:
        self._replays.take(self.note(digest) or b"")
        return super().add_if_absent(digest, expires_at)

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        self._attempts.take(self.note(digest) or b"")
        return super().begin_attempt(digest, limit, now)

    def save_mfa_token(self, token: MfaToken) -> None:
        super().take_mfa_token(self.note(token.digest) or b"")
        super().save_mfa_token(token)


caught_by(
    "test_a_use_outlives_what_has_expired",
    "test_attempts_outlive_what_is_forgotten",
    "test_an_mfa_token_outlives_what_has_expired",
)(KeepsTen)


class ChangesTheLimit(MemoryStore):
    """Keeps another one than it is asked to."""

    def changed(self, limit: AttemptLimit) -> AttemptLimit:
        raise NotImplementedError

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        return super().begin_attempt(digest, self.changed(limit), now)


@caught_by("test_so_many_attempts_are_allowed", "test_failures_are_not_forgotten_too_early")
class AllowsOneMore(ChangesTheLimit):
    def changed(self, limit: AttemptLimit) -> AttemptLimit:
        return attrs.evolve(limit, max_failures=limit.max_failures + 1)


@caught_by("test_one_attempt_may_be_the_limit")
class CountsToThree(ChangesTheLimit):
    def changed(self, limit: AttemptLimit) -> AttemptLimit:
        return attrs.evolve(limit, max_failures=min(limit.max_failures, 3))


@caught_by("test_each_wait_is_twice_as_long_up_to_the_longest")
class AlwaysWaitsTheSame(ChangesTheLimit):
    def changed(self, limit: AttemptLimit) -> AttemptLimit:
        return attrs.evolve(limit, longest_wait=limit.window)


@caught_by("test_each_wait_is_twice_as_long_up_to_the_longest")
class WaitsForDays(ChangesTheLimit):
    def changed(self, limit: AttemptLimit) -> AttemptLimit:
        return attrs.evolve(limit, longest_wait=timedelta(days=366))


class ChangesAttempts(MemoryStore):
    """Keeps others than it has counted."""

    def changed(self, attempts: Attempts) -> Attempts:
        raise NotImplementedError

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        allowed = super().begin_attempt(digest, limit, now)
        kept = self._attempts.get(digest)
        if kept is not None:
            self._attempts.put(digest, self.changed(kept))
        return allowed


@caught_by(
    "test_each_wait_is_twice_as_long_up_to_the_longest", "test_failures_are_not_forgotten_too_early"
)
class DropsMicrosecondsOfAttempts(ChangesAttempts):
    def changed(self, attempts: Attempts) -> Attempts:
        return attrs.evolve(
            attempts,
            allowed_at=attempts.allowed_at and whole_seconds(attempts.allowed_at),
            forgotten_at=whole_seconds(attempts.forgotten_at),
        )


@caught_by("test_an_attempt_that_comes_too_early_changes_nothing")
class ProlongsTheWait(ChangesAttempts):
    def changed(self, attempts: Attempts) -> Attempts:
        ends = attempts.allowed_at
        return attrs.evolve(attempts, allowed_at=ends and ends + store_samples.MOMENT)


@caught_by("test_failures_are_forgotten", "test_an_attempt_that_comes_too_early_changes_nothing")
class NeverForgets(ChangesAttempts):
    def changed(self, attempts: Attempts) -> Attempts:
        return attrs.evolve(attempts, forgotten_at=attempts.forgotten_at + store_samples.DAY)


@caught_by("test_an_attempt_that_succeeded_is_no_failure", "test_the_window_begins_with_a_failure")
class CountsSuccesses(MemoryStore):
    def withdraw_attempt(self, digest: bytes) -> None:
        pass


class ChangesWhatIsWithdrawn(MemoryStore):
    """Keeps something of the attempt."""

    def changed(self, before: Attempts, withdrawn: Attempts) -> Attempts:
        raise NotImplementedError

    def withdraw_attempt(self, digest: bytes) -> None:
        before = self._attempts.get(digest)
        super().withdraw_attempt(digest)
        if before is not None:
            self._attempts.put(digest, self.changed(before, before.withdraw()))


@caught_by(
    "test_a_success_after_a_wait_begins_no_wait", "test_an_attempt_that_succeeded_is_no_failure"
)
class WaitsAfterASuccess(ChangesWhatIsWithdrawn):
    def changed(self, before: Attempts, withdrawn: Attempts) -> Attempts:
        return attrs.evolve(withdrawn, allowed_at=before.allowed_at)


@caught_by("test_successes_do_not_keep_failures_alive")
class KeepsFailuresAlive(ChangesWhatIsWithdrawn):
    def changed(self, before: Attempts, withdrawn: Attempts) -> Attempts:
        return attrs.evolve(withdrawn, forgotten_at=before.forgotten_at)


@caught_by("test_nothing_is_withdrawn_of_nothing")
class CountsBelowNothing(ChangesWhatIsWithdrawn):
    def changed(self, before: Attempts, withdrawn: Attempts) -> Attempts:
        return attrs.evolve(withdrawn, failures=before.failures - 1)


@caught_by("test_the_window_begins_with_a_failure")
class KeepsTheWindow(ChangesWhatIsWithdrawn):
    def changed(self, before: Attempts, withdrawn: Attempts) -> Attempts:
        return withdrawn

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        kept = self._attempts.get(digest)
        allowed = super().begin_attempt(digest, limit, now)
        if kept is not None and not kept.failures:
            self._attempts.put(digest, attrs.evolve(kept, failures=1))
        return allowed


@caught_by("test_attempts_are_cleared")
class ClearsNothing(MemoryStore):
    def clear_attempts(self, digest: bytes) -> None:
        pass


@caught_by("test_attempts_are_cleared")
class ClearsAll(MemoryStore):
    def clear_attempts(self, digest: bytes) -> None:
        self.delete_expired(store_samples.moment() + store_samples.DAY, 1000)


@caught_by("test_a_clock_that_is_behind_gives_no_more_attempts")
class BeginsAnewForClocksThatAreBehind(MemoryStore):
    latest: datetime | None = None

    def begin_attempt(self, digest: bytes, limit: AttemptLimit, now: datetime) -> bool:
        if self.latest is not None and now < self.latest:
            self.clear_attempts(digest)
        self.latest = now
        return super().begin_attempt(digest, limit, now)


@caught_by("test_no_source_is_known_at_first")
class KnowsOneSource(MemoryStore):
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        super().remember_source(b"", expires_at)

    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return super().is_known_source(b"", now)


@caught_by("test_a_source_is_known_until_it_expires")
class KnowsSourcesByItsOwnClock(MemoryStore):
    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return super().is_known_source(digest, self._clock())


@caught_by("test_a_source_is_known_until_it_expires")
class DropsMicrosecondsOfSources(MemoryStore):
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        super().remember_source(digest, whole_seconds(expires_at))


@caught_by("test_a_source_is_known_until_the_later_end", "test_expired_sources_are_deleted")
class RemembersTheFirstEnd(MemoryStore):
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        if digest not in self._known_sources:
            super().remember_source(digest, expires_at)


@caught_by("test_a_source_is_known_until_the_later_end")
class RemembersTheLastEnd(MemoryStore):
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        self._known_sources.put(digest, expires_at)


@caught_by("test_a_source_remembered_many_times_at_once_is_one")
class RemembersOnce(MemoryStore):
    def remember_source(self, digest: bytes, expires_at: datetime) -> None:
        if digest in self._known_sources:
            raise ValueError("it is there already")
        super().remember_source(digest, expires_at)


@caught_by("test_mfa_tokens_come_back_whole")
class SortsTheAudienceOfMfaTokens(MemoryStore):
    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        found = super().find_mfa_token(digest)
        return found and attrs.evolve(found, audience=tuple(sorted(found.audience)))


@caught_by("test_mfa_tokens_come_back_whole", "test_an_unknown_mfa_token_is_none")
class FindsMfaTokensOnce(MemoryStore):
    def find_mfa_token(self, digest: bytes) -> MfaToken | None:
        found = super().find_mfa_token(digest)
        super().take_mfa_token(digest)
        return found and attrs.evolve(found, issued_at=whole_seconds(found.issued_at))


@caught_by("test_an_mfa_token_is_taken_once")
class TakesMfaTokensAgainAndAgain(MemoryStore):
    def take_mfa_token(self, digest: bytes) -> bool:
        return self.find_mfa_token(digest) is not None


@caught_by("test_an_mfa_token_is_no_other_token")
class TakesMfaTokensForAccessTokens(MemoryStore):
    def find_access_token(self, digest: bytes) -> AccessToken | None:
        if self.find_mfa_token(digest) is not None:
            return store_samples.make_access_token(digest=digest)
        return super().find_access_token(digest)


@caught_by("test_a_digest_is_of_one_port")
class RemembersDigestsInOnePlace(MemoryStore):
    def is_known_source(self, digest: bytes, now: datetime) -> bool:
        return digest in self._replays or super().is_known_source(digest, now)


class CopyOnConnect(MemoryStore):
    """What is written through one connection stays there."""


caught_by(
    "test_clients_are_seen_through_another_connection",
    "test_users_are_seen_through_another_connection",
    "test_tokens_are_seen_through_another_connection",
    "test_rotation_is_seen_through_another_connection",
    "test_denials_are_seen_through_another_connection",
    "test_a_use_is_seen_through_another_connection",
    "test_attempts_are_seen_through_another_connection",
    "test_sources_are_seen_through_another_connection",
    "test_mfa_tokens_are_seen_through_another_connection",
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
        (MfaToken, store_samples.mfa_tokens),
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


def test_a_contract_that_says_nothing_of_its_store_is_loud() -> None:
    """Pytest leaves abstract classes out, and an empty run passes."""

    class Unfinished(StoreContract[MemoryStore]):
        """For others to complete."""

    assert isabstract(Unfinished)
    for contract in (Unfinished, AdapterContract, GuardContract):
        with pytest.raises(TypeError, match=r"TestMine has no (mount|open_store), so that pytest"):
            type("TestMine", (contract,), {})


def no_context_manager(_: object) -> Iterator[MemoryStore]:
    yield MemoryStore()


def the_store_itself(_: object) -> MemoryStore:
    return MemoryStore()


@contextmanager
def forgetful(_: object) -> Generator[None]:
    yield


@asynccontextmanager
async def async_and_forgetful(_: object) -> AsyncGenerator[None]:
    yield


@pytest.mark.parametrize(
    ("open_store", "why"),
    [
        pytest.param(no_context_manager, "this is a generator: is @contextmanager", id="generator"),
        pytest.param(the_store_itself, "this is a MemoryStore", id="store"),
        pytest.param(forgetful, "yields None", id="nothing"),
        pytest.param(async_and_forgetful, "yields None", id="nothing-async"),
    ],
)
def test_a_store_that_is_opened_wrongly_is_named(open_store: object, why: str) -> None:
    contract: Any = type("TestMine", (StoreContract,), {"open_store": open_store})

    with pytest.raises(TypeError, match=why):
        contract().test_an_unknown_token_is_none()
