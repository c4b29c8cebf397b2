"""``oauthgrants keys``: makes, lists and rotates the signing keys of a directory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from oauthgrants.cli.errors import CommandError
from oauthgrants.key_files import KeyDirectory, KeyEntry


def make_keys(path: Path, algorithm: str) -> str:
    """
    Return what to say of the directory at *path*, made with a first key.

    Raises:
        CommandError: There are keys already, or it cannot be written.
    """
    try:
        entries = KeyDirectory.make(path, algorithm).entries
    except FileExistsError:
        raise CommandError(f"{path} has keys already; `oauthgrants keys rotate` adds one") from None
    return _table(entries)


def list_keys(path: Path) -> str:
    """
    Return the keys of the directory at *path*, a line each.

    Raises:
        CommandError: There are none, or they cannot be read.
    """
    return _table(_open(path).entries)


def rotate_keys(path: Path, algorithm: str | None, keep: int) -> str:
    """
    Return the keys of the directory at *path*, after a new one has begun to sign.

    Args:
        path: The directory.
        algorithm: The new key's; None for that of the key before.
        keep: For how many seconds the key before still verifies.

    Raises:
        CommandError: There are none, or they cannot be written.
    """
    keys = _open(path)
    keys.rotate(algorithm=algorithm, keep=timedelta(seconds=keep))
    return _table(keys.entries)


def _open(path: Path) -> KeyDirectory:
    try:
        return KeyDirectory(path)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _table(entries: list[KeyEntry]) -> str:
    return "\n".join(
        f"{entry.kid}  {entry.algorithm:7}  made {entry.created_at:%Y-%m-%d %H:%M:%SZ}  "
        + ("signs" if entry.keep_until is None else f"kept {entry.keep_until:%Y-%m-%d %H:%M:%SZ}")
        for entry in entries
    )
