"""An internal command-line tool: ``cli.py login alice``, ``cli.py reports``, ``cli.py logout``."""

import json
import os
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path

import httpx

AUTH_URL = os.environ.get("AUTH_URL", "http://127.0.0.1:8000")
API_URL = os.environ.get("API_URL", "http://127.0.0.1:8000")
KEPT = Path(os.environ.get("CLI_TOKENS", Path.home() / ".config" / "cli" / "tokens.json"))
CLIENT = httpx.BasicAuth(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])


def login(username):
    """Ask for the password, on the terminal or from a pipe, and keep the tokens, not it."""
    password = getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    keep(ask(grant_type="password", username=username, password=password))


def reports():
    """Show the reports."""
    tokens = json.loads(KEPT.read_text("utf-8"))
    answer = fetch(tokens)
    if answer.status_code == httpx.codes.UNAUTHORIZED:  # expired, most likely
        tokens = ask(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        keep(tokens)
        answer = fetch(tokens)
    print(json.dumps(answer.raise_for_status().json()))


def logout():
    """End the tokens, here and at the server."""
    token = json.loads(KEPT.read_text("utf-8"))["refresh_token"]
    answer = httpx.post(f"{AUTH_URL}/revoke", auth=CLIENT, data={"token": token}, timeout=10)
    KEPT.unlink()
    answer.raise_for_status()


def fetch(tokens):
    """Return the answer of the API."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.get(f"{API_URL}/reports", headers=headers, timeout=10)


def ask(**form):
    """Return tokens, or end with what the server says."""
    answer = httpx.post(f"{AUTH_URL}/token", auth=CLIENT, data=form, timeout=10)
    if answer.is_client_error:
        sys.exit(f"sign in again: {answer.json()['error']}")
    return answer.raise_for_status().json()


def keep(tokens):
    """Write *tokens* where this user alone can read them."""
    KEPT.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = KEPT.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(tokens, file)
    new.replace(KEPT)


def main(command="", *words):
    """Run the command."""
    commands: dict[str, Callable[..., None]] = {
        "login": login,
        "reports": reports,
        "logout": logout,
    }
    if command not in commands:
        sys.exit(__doc__)
    if command != "login" and not KEPT.exists():
        sys.exit("sign in first: cli.py login NAME")
    commands[command](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
