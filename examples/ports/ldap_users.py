"""
Users in an LDAP directory: a bind checks the password, a search finds whom a token is of.

`LdapUsers` fills `PasswordVerifier` and `UserStore`. ldap3 waits on the caller's stack:
`AuthorizationServer` calls this as it is, and `AsyncAuthorizationServer` in worker threads. What
ldap3 raises, because the directory is away or busy, becomes 503. Needs ``ldap3``.
"""
# What types-ldap3 leaves open:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

import attrs
from ldap3 import DEREF_NEVER, NONE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import (
    LDAPExceptionError,
    LDAPInappropriateAuthenticationResult,
    LDAPInvalidCredentialsResult,
)
from ldap3.core.results import RESULT_SUCCESS
from ldap3.utils.conv import escape_filter_chars

from oauthgrants import Client, Secret, User
from oauthgrants.users import Accepted, Disabled, PasswordOutcome, Rejected

# What stands where differs from directory to directory; this is OpenLDAP's.
USERNAME = "uid"
SUB = "entryUUID"  # RFC 4530: stays when the user is renamed. Active Directory: objectGUID
LOCKED = "pwdAccountLockedTime"
LOCKED_FOR_GOOD = [b"000001010000Z"]
TIMEOUT = 5
"""Seconds: to connect, for each answer, and for the directory to search."""


def is_active(attributes: Mapping[str, list[bytes]]) -> bool:
    """
    Return whether the account is switched on.

    389 Directory Server has an ``nsAccountLock`` of TRUE where it is not; Active Directory has
    the bit 2 in ``userAccountControl``.
    """
    return attributes[LOCKED] != LOCKED_FOR_GOOD


def open_directory(host: str, ca_certs_file: str | None = None) -> Server:
    """
    Return the directory at *host*, with TLS from the first octet on.

    Args:
        host: The name that its certificate is for.
        ca_certs_file: Who has signed that, None for anyone whom the system trusts.
    """
    return Server(
        host,
        port=636,
        use_ssl=True,
        # ldap3 checks no certificate unless it is told to.
        tls=Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_certs_file, sni=host),
        connect_timeout=TIMEOUT,
        get_info=NONE,  # no schema: we read octets
    )


@attrs.frozen
class Entry:
    """What the directory says of a user."""

    dn: str
    user: User


@attrs.frozen(kw_only=True)
class LdapUsers:
    """
    The users below a node of a directory.

    Attributes:
        open_server: Returns the directory, a new object a call: ldap3 writes into it what one
            connection does, and threads had better not share that.
        base: The DN of the node.
        service_dn: Who searches; needs to read the attributes above, and nothing else.
        service_password: Of *service_dn*.
        decoy_dn: An entry with a password that nobody knows, hashed as the users' are, and
            never locked: unknown users bind as it, so that a stopwatch does not find them.
        strategy: ``MOCK_SYNC`` in tests.
    """

    open_server: Callable[[], Server]
    base: str
    service_dn: str
    service_password: Secret
    decoy_dn: str
    strategy: Literal["SYNC", "MOCK_SYNC"] = SYNC

    def verify_password(
        self,
        username: str,
        password: Secret,
        client: Client,  # noqa: ARG002  # the port's, for verifiers that care who asks
    ) -> PasswordOutcome:
        """
        Return whose password it is.

        Raises:
            LDAPException: The directory could not say.
        """
        if not password.reveal():
            # A bind with a name and no password succeeds, as nobody (RFC 4513, 5.1.2).
            return Rejected()
        with self._open() as connection:
            entry = self._find(connection, USERNAME, username)
            dn = self.decoy_dn if entry is None else entry.dn
            matches = _is_password_of(connection, dn, password)
        if entry is None:
            return Rejected()
        user = entry.user
        if not matches:
            return Rejected(sub=user.sub)
        return Accepted(user) if user.active else Disabled(sub=user.sub)

    def find_user(self, username: str) -> User | None:
        """Return the user who types *username*, None if there is none."""
        return self._look_up(USERNAME, username)

    def find_user_by_sub(self, sub: str) -> User | None:
        """Return the user with this subject identifier, None if there is none."""
        return self._look_up(SUB, sub)

    def replace_password_hash(self, sub: str, old: str, new: str) -> None:
        """Do nothing: the directory keeps its passwords itself."""

    def _look_up(self, attribute: str, value: str) -> User | None:
        with self._open() as connection:
            entry = self._find(connection, attribute, value)
        return None if entry is None else entry.user

    @contextmanager
    def _open(self) -> Generator[Connection, None, None]:
        """Return a connection on which *service_dn* is bound."""
        connection = Connection(
            self.open_server(),
            client_strategy=self.strategy,
            # Else a no and a failure are both False.
            raise_exceptions=True,
            # Else the password goes to whatever server an answer names.
            auto_referrals=False,
            read_only=True,
            receive_timeout=TIMEOUT,
        )
        try:
            if not _is_password_of(connection, self.service_dn, self.service_password):
                raise PermissionError("the directory refuses the password of service_dn")
            yield connection
        finally:
            with suppress(LDAPExceptionError):
                connection.unbind()
            if connection.socket is not None:
                # ldap3 leaves it open if it never came to speak.
                connection.socket.close()

    def _find(self, connection: Connection, attribute: str, value: str) -> Entry | None:
        """
        Return the entry, None if there is none.

        Raises:
            LookupError: There are two, or the directory could not say.
        """
        connection.search(
            self.base,
            f"({attribute}={escape_filter_chars(value)})",
            dereference_aliases=DEREF_NEVER,
            attributes=[USERNAME, SUB, LOCKED],
            size_limit=1,
            time_limit=TIMEOUT,
        )
        if connection.result["result"] != RESULT_SUCCESS:
            # ldap3 does not raise these: a limit of size or time, a referral to another server.
            raise LookupError(f"the search ended in {connection.result['description']}")
        found: list[dict[str, Any]] = connection.response or []
        for answer in found:
            if answer["type"] == "searchResEntry":  # and no reference to another server
                attributes: Mapping[str, list[bytes]] = answer["raw_attributes"]
                [sub] = attributes[SUB]
                user = User(
                    sub=sub.decode(),
                    # As the directory writes it, which takes Alice for alice.
                    username=attributes[USERNAME][0].decode(),
                    active=is_active(attributes),
                )
                return Entry(answer["dn"], user)
        return None


def _is_password_of(connection: Connection, dn: str, password: Secret) -> bool:
    try:
        # As octets: of text, ldap3 would change some and refuse some.
        is_bound: bool = connection.rebind(dn, password.reveal().encode())
    except (LDAPInvalidCredentialsResult, LDAPInappropriateAuthenticationResult):
        # It is not, or there is none. All else is no answer, and goes on to the caller.
        return False
    if not is_bound:
        raise LookupError("the directory neither accepts nor refuses the password")
    return True
