"""Projects on disk: their commands, and web servers that serve them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import attrs

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")
} | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}


def manage(folder: Path, *arguments: str, **environment: str) -> str:
    """Return what ``manage.py`` of the project in *folder* writes to its standard output."""
    ran = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@attrs.frozen
class Site:
    """
    A project that is served.

    Attributes:
        url: Where.
    """

    url: str

    def get(self, path: str, token: str | None = None, method: str = "GET") -> tuple[int, Any]:
        """Return status and JSON of what is at *path* for who has *token*."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return _open(Request(self.url + path, headers=headers, method=method))

    def post(self, client: str, **form: str) -> tuple[int, Any]:
        """Return the answer of the token endpoint to *client*, its identifier and secret."""
        credentials = b64encode(client.encode()).decode()
        return _open(
            Request(
                f"{self.url}/token",
                data=urlencode(form).encode(),
                headers={"Authorization": f"Basic {credentials}"},
            )
        )


@contextmanager
def serving(folder: Path, kind: Literal["wsgi", "asgi"]) -> Generator[Site, None, None]:
    """Serve the project in *folder* by gunicorn or uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = {
            "wsgi": ["gunicorn", "--bind", f"fd://{number}", "--log-level", "critical"],
            "asgi": ["uvicorn", "--fd", str(number), "--log-level", "critical", "--lifespan=off"],
        }[kind]
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"project.{kind}:application"],
            cwd=folder,
            env=ENVIRONMENT,
            pass_fds=[number],
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        yield Site(url)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _open(request: Request) -> tuple[int, Any]:
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
