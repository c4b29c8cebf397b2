"""From the TOML file of ``oauthgrants serve`` to a server, and where it keeps its tokens."""

from __future__ import annotations

import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from oauthgrants import (
    Argon2idHasher,
    AuthorizationServer,
    Lifetimes,
    MemoryStore,
    PasswordGrant,
    Secret,
    User,
)
from oauthgrants.cli.clients import read_client
from oauthgrants.cli.dpop import read_dpop
from oauthgrants.cli.errors import CommandError, ConfigError
from oauthgrants.cli.store_urls import MEMORY, StoreUrl
from oauthgrants.cli.stores import Tokens, make_tokens
from oauthgrants.cli.tables import FILE, GRANTS
from oauthgrants.cli.tls import Tls, read_tls
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.endpoints.metadata import GeneratedMember
from oauthgrants.grants import Grant
from oauthgrants.grants.mfa_otp import MfaOtpGrant
from oauthgrants.mfa import MFA_OTP
from oauthgrants.sealed import SealingKey
from oauthgrants.throttling import Throttle
from oauthgrants.totp import MemoryTotpSecrets, TotpFactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Only for annotations: opaque tokens do without joserfc.
    from oauthgrants.jose import SigningKey
    from oauthgrants.keys import KeySource

_DEFAULT_ALGORITHM = "ES256"
# The keys of [tls] for the certificates that clients show.
_FOR_CLIENTS = {"client_ca", "self_signed_clients"}


@attrs.frozen(kw_only=True)
class Configuration:
    """
    What a file describes.

    Attributes:
        server: Answers requests, once its tokens are prepared.
        tokens: Where the server keeps its tokens; to be closed at the end.
        tls: How connections are secured, None for plain HTTP.
    """

    server: AuthorizationServer
    tokens: Tokens
    tls: Tls | None = None


def load(path: Path, *, makes_keys: bool = True) -> Configuration:
    """
    Return what the file at *path* describes; nothing connects yet.

    Args:
        path: A TOML file.
        makes_keys: Whether a signing key that is not there yet is written where the file wants
            it, or kept in memory.

    Raises:
        ConfigError: The file cannot be read, or has what it may not have.
        CommandError: It asks for what is not installed.
    """
    with _of_file(path):
        return read_configuration(_read_text(path), path.parent, makes_keys=makes_keys)


def find_store(path: Path) -> StoreUrl:
    """
    Return where the server that the file at *path* describes keeps its tokens.

    Raises:
        ConfigError: The file cannot be read, or has what it may not have.
    """
    with _of_file(path):
        url: StoreUrl = _read_values(_read_text(path)).get("store", MEMORY)
        return url


def read_configuration(
    text: str, directory: Path = Path(), *, makes_keys: bool = True
) -> Configuration:
    """
    Return what *text* describes, in TOML.

    Clients and users are what the text says, whatever the store has: it keeps the tokens, and
    what else has to be remembered.

    Args:
        text: The content of a file.
        directory: The file's, where relative paths in it begin.
        makes_keys: As in `load`.

    Raises:
        ConfigError: *text* is not TOML, or has what it may not have.
        CommandError: It asks for what is not installed.
    """
    values = _read_values(text)
    factor = _take_second_factor(values)
    registered = MemoryStore()
    # What the file has in the clear is sealed for as long as the process lives.
    sealing_key = SealingKey.generate()
    clients = [
        read_client(f"clients[{index}]", client, sealing_key)
        for index, client in enumerate(values.get("clients", ()))
    ]
    for client in clients:
        registered.add_client(client)
    tls = read_tls(values, directory, clients)
    for index, user in enumerate(values.get("users", ())):
        try:
            registered.add_user(_to_user(f"users[{index}]", user))
        except ValueError as error:
            # The other reasons are ruled out by now: this is one of a client's id (RFC 9700).
            raise ConfigError(f"users[{index}].sub", str(error)) from None
    tokens = make_tokens(values.get("store", MEMORY), directory)
    server = _assemble(
        values,
        registered,
        tokens,
        directory,
        factor,
        sealing_key=sealing_key,
        makes_keys=makes_keys,
    )
    return Configuration(server=server, tokens=tokens, tls=tls)


@contextmanager
def _of_file(path: Path) -> Generator[None]:
    """Name the file in the message of a `ConfigError`."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(str(path), str(error)) from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError("", f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError("", "cannot be read: it is not UTF-8") from None


def _read_values(text: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError("", f"is not TOML: {error}") from None
    values: dict[str, Any] = FILE("", content)
    return values


def _take_second_factor(values: dict[str, Any]) -> TotpFactor | None:
    """Return what asks for codes, None if no user has a ``totp_secret``."""
    users: list[dict[str, Any]] = values.get("users", [])
    secrets = {user["sub"]: user.pop("totp_secret") for user in users if "totp_secret" in user}
    if not secrets:
        return None
    for client in values.get("clients", ()):
        grant_types = client.get("grant_types", ())
        if "password" in grant_types:
            # A client that may begin a sign-in may finish it.
            client["grant_types"] = (*grant_types, MFA_OTP)
    return TotpFactor(secrets=MemoryTotpSecrets(secrets))


def _make_grants(wanted: dict[str, bool], factor: TotpFactor | None) -> list[Grant]:
    enabled = [name for name, is_wanted in wanted.items() if is_wanted]
    if not enabled:
        raise ConfigError("grants", f"none is true; there are {', '.join(GRANTS)}")
    if factor is None or "password" not in enabled:
        return [GRANTS[name]() for name in enabled]
    return [
        *(GRANTS[name]() for name in enabled if name != "password"),
        PasswordGrant(second_factor=factor),
        MfaOtpGrant(factor=factor),
    ]


def _assemble(
    values: dict[str, Any],
    registered: MemoryStore,
    tokens: Tokens,
    directory: Path,
    factor: TotpFactor | None,
    *,
    sealing_key: SealingKey,
    makes_keys: bool,
) -> AuthorizationServer:
    settings = values.get("tokens", {})
    introspection_jwt = values.get("introspection", {}).get("jwt", False)
    enabled = _make_grants(values.get("grants", {}), factor)
    _require_what_jwts_take(settings, introspection_jwt=introspection_jwt)
    default = Lifetimes()
    authentication = values.get("client_authentication", {})
    issuer: str = values["issuer"]
    try:
        return AuthorizationServer(
            issuer=issuer,
            allow_insecure_transport=urlsplit(issuer).scheme == "http",
            store=tokens.store,
            clients=registered,
            users=registered,
            grants=enabled,
            profile=values.get("profile", "oauth2.0"),
            access_token_format=settings.get("format", "opaque"),
            signing_keys=_open_keys(settings, directory, makes_keys=makes_keys),
            introspection_jwt=introspection_jwt,
            lifetimes=Lifetimes(
                access_token=settings.get("access_token_lifetime", default.access_token),
                refresh_token=settings.get("refresh_token_lifetime", default.refresh_token),
                family=settings.get("family_lifetime"),
            ),
            refresh_grace=settings.get("refresh_grace", timedelta()),
            audience=settings.get("audience", ()),
            throttle=_to_throttle(values.get("throttle", {})),
            metadata=values.get("metadata"),
            secret_methods_equal=authentication.get("secret_methods_equal", False),
            dpop=read_dpop(values.get("dpop")),
            mutual_tls=MutualTls() if values.get("tls", {}).keys() & _FOR_CLIENTS else None,
            assertions=AssertionRules(
                sealing_key=sealing_key,
                accept_endpoint_audience=authentication.get("accept_endpoint_audience", False),
                allow_private_addresses=authentication.get("allow_private_addresses", False),
            ),
        )
    except GeneratedMember as error:
        raise ConfigError(f"metadata.{error.names[0]}", "is generated from what is wired") from None
    except ValueError as error:
        raise ConfigError("", str(error)) from None


def _to_throttle(values: dict[str, Any]) -> Throttle:
    try:
        return Throttle(**values)
    except ValueError as error:
        raise ConfigError("throttle", str(error)) from None


def _require_what_jwts_take(tokens: dict[str, Any], *, introspection_jwt: bool) -> None:
    """Check that keys and audience are there where something is to be signed."""
    if "signing_key_file" not in tokens:
        if tokens.get("format") == "jwt":
            raise ConfigError("tokens.signing_key_file", "is missing: format jwt takes it")
        if introspection_jwt:
            raise ConfigError("tokens.signing_key_file", "is missing: introspection.jwt takes it")
        if "signing_alg" in tokens:
            raise ConfigError("tokens.signing_key_file", "is missing: signing_alg takes it")
    if tokens.get("format") == "jwt" and not tokens.get("audience"):
        raise ConfigError(
            "tokens.audience",
            "is missing: format jwt takes it, as no token is without aud (RFC 9068, Section 3)",
        )


def _open_keys(
    tokens: dict[str, Any], directory: Path, *, makes_keys: bool
) -> KeySource | SigningKey | None:
    """Return the keys that sign, None if there is nothing to sign."""
    if "signing_key_file" not in tokens:
        return None
    try:
        from oauthgrants.jose import ALGORITHMS, SigningKey
        from oauthgrants.key_files import open_keys
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None

    path: Path = directory / tokens["signing_key_file"]
    algorithm = tokens.get("signing_alg")
    if algorithm is not None:
        if algorithm not in ALGORITHMS:
            raise ConfigError(
                "tokens.signing_alg", f"has to be one of {', '.join(sorted(ALGORITHMS))}"
            )
        if path.is_dir():
            raise ConfigError(
                "tokens.signing_alg",
                "does not go with a directory as signing_key_file, which knows that of each key",
            )
    algorithm = algorithm or _DEFAULT_ALGORITHM
    try:
        if not makes_keys and not path.exists():
            return SigningKey.generate(algorithm)
        return open_keys(path, algorithm)
    except OSError as error:
        raise ConfigError(
            "tokens.signing_key_file", f"cannot be read or made: {error.strerror}"
        ) from None
    except ValueError as error:
        raise ConfigError("tokens.signing_key_file", str(error)) from None


def _to_user(key: str, values: dict[str, Any]) -> User:
    password: Secret | None = values.pop("password", None)
    if (password is None) == ("password_hash" not in values):
        raise ConfigError(f"{key}.password", "either it or password_hash is needed, and not both")
    if password is not None:
        values["password_hash"] = Argon2idHasher().hash(password)
    return User(**values)
