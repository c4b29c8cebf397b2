"""Signing keys on disk: one in a file, or several that take turns in a directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import attrs

from oauthgrants.jose import PublicKey, SigningKey
from oauthgrants.keys import KeySource

_INDEX = "keys.json"


def open_keys(path: Path, algorithm: str) -> KeySource | SigningKey:
    """
    Return the keys at *path*: of a directory, or the one in a PEM file.

    A file that does not exist is made, with a new key for *algorithm* and mode 0600.

    Raises:
        ValueError: There is no usable key at *path*.
        OSError: *path* cannot be read or written.
    """
    if path.is_dir():
        return KeyDirectory(path)
    if not path.exists():
        # Of two that come at once, both read what the first has written.
        with suppress(FileExistsError):
            _write(path, SigningKey.generate(algorithm).to_pem(), replace=False)
    return SigningKey.from_pem(path.read_bytes(), algorithm)


@attrs.frozen(kw_only=True)
class KeyEntry:
    """
    What the index of a directory says of a key.

    Attributes:
        kid: Its name, and its file's.
        algorithm: Such as ``ES256``.
        created_at: Aware, in UTC.
        keep_until: When the last token signed with it has expired; None while it signs.
    """

    kid: str
    algorithm: str
    created_at: datetime
    keep_until: datetime | None = None


class KeyDirectory:
    """
    Keys in the files of a directory; processes that use it see a rotation at their next token.

    Each key is ``KID.pem``, and ``keys.json`` says which one signs. All are of mode 0600 and
    written whole or not at all.
    """

    def __init__(self, path: Path) -> None:
        """
        Open the directory at *path*.

        Raises:
            ValueError: It holds no keys, or unusable ones; `make` makes it.
            OSError: It cannot be read.
        """
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: list[tuple[KeyEntry, SigningKey]] = []
        self._read()

    @classmethod
    def make(
        cls, path: Path, algorithm: str = "ES256", *, now: datetime | None = None
    ) -> KeyDirectory:
        """
        Return a directory with a first key.

        Raises:
            ValueError: *algorithm* is not one of ours.
            FileExistsError: There are keys already.
            OSError: *path* cannot be written.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path):
            if (path / _INDEX).exists():
                raise FileExistsError(f"{path} has keys already; rotate them")
            _write_index(path, [_new_key(path, algorithm, now or datetime.now(UTC))])
        return cls(path)

    @property
    def entries(self) -> list[KeyEntry]:
        """The keys, the one that signs first."""
        self._read()
        return [entry for entry, _ in self._keys]

    def rotate(
        self, *, keep: timedelta, algorithm: str | None = None, now: datetime | None = None
    ) -> KeyEntry:
        """
        Make a key that signs from now on, and return its entry.

        Args:
            keep: For how long the one before still verifies: no shorter than the longest
                access token lives.
            algorithm: The new key's; by default as before.
            now: For tests.

        Raises:
            ValueError: *algorithm* is not one of ours.
            OSError: The directory cannot be written.
        """
        now = now or datetime.now(UTC)
        with _locked(self._path):
            signing, *retired = self.entries
            kept = [entry for entry in retired if not _is_over(entry, now)]
            new = _new_key(self._path, algorithm or signing.algorithm, now)
            _write_index(self._path, [new, attrs.evolve(signing, keep_until=now + keep), *kept])
            # Only now: while the index names a file, the file is there.
            for entry in retired:
                if entry not in kept:
                    (self._path / f"{entry.kid}.pem").unlink(missing_ok=True)
        return new

    def signing_key(self) -> SigningKey:
        """Return the key that signs now."""
        self._read()
        return self._keys[0][1]

    def public_keys(self, now: datetime) -> list[PublicKey]:
        """Return the keys whose tokens may not all have expired, the one that signs first."""
        self._read()
        return [key.public for entry, key in self._keys if not _is_over(entry, now)]

    def note_expiry(self, kid: str, expires_at: datetime) -> None:
        """Do nothing: how long a key is kept is said when it is rotated."""

    def _read(self) -> None:
        """Read the index, unless it is the one that was read before."""
        index = self._path / _INDEX
        try:
            status = index.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._stamp:
                return
            entries = [_to_entry(members) for members in json.loads(index.read_bytes())["keys"]]
            keys = [(entry, self._load(entry)) for entry in entries]
        except FileNotFoundError:
            raise ValueError(
                f"{self._path} has no keys; `oauthgrants keys make` makes them"
            ) from None
        except (KeyError, TypeError, json.JSONDecodeError):
            raise ValueError(f"{index} is not an index of keys") from None
        if not keys:
            raise ValueError(f"{index} is not an index of keys")
        self._keys, self._stamp = keys, stamp

    def _load(self, entry: KeyEntry) -> SigningKey:
        for known, key in self._keys:
            if known.kid == entry.kid:
                return key
        pem = (self._path / f"{entry.kid}.pem").read_bytes()
        return SigningKey.from_pem(pem, entry.algorithm, kid=entry.kid)


def _is_over(entry: KeyEntry, now: datetime) -> bool:
    return entry.keep_until is not None and entry.keep_until <= now


def _new_key(path: Path, algorithm: str, now: datetime) -> KeyEntry:
    key = SigningKey.generate(algorithm)
    _write(path / f"{key.kid}.pem", key.to_pem(), replace=False)
    return KeyEntry(kid=key.kid, algorithm=algorithm, created_at=now)


def _to_entry(members: dict[str, Any]) -> KeyEntry:
    until = members["keep_until"]
    kid = str(members["kid"])
    if "/" in kid or kid.startswith("."):
        raise ValueError(f"{kid!r} is no name of a key")
    return KeyEntry(
        kid=kid,
        algorithm=members["alg"],
        created_at=datetime.fromtimestamp(members["created_at"], UTC),
        keep_until=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def _write_index(path: Path, entries: list[KeyEntry]) -> None:
    keys = [
        {
            "kid": entry.kid,
            "alg": entry.algorithm,
            "created_at": entry.created_at.timestamp(),
            "keep_until": entry.keep_until and entry.keep_until.timestamp(),
        }
        for entry in entries
    ]
    _write(path / _INDEX, json.dumps({"keys": keys}, indent=2).encode() + b"\n", replace=True)


def _write(path: Path, content: bytes, *, replace: bool) -> None:
    """Write the file at *path*, mode 0600, so that a crash leaves the old one, or the new."""
    # mkstemp makes files that nobody else can read.
    descriptor, temporary = mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from rotating at the same time."""
    from fcntl import LOCK_EX, flock

    with (path / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield
