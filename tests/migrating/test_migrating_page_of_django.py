"""The guide from django-oauth-toolkit is followed, with the toolkit's models and views."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

PAGE = (Path(__file__).parents[2] / "docs" / "migrating-from-django-oauth-toolkit.md").read_text(
    "utf-8"
)
_BLOCK = re.compile(r"([^\n]*)\n\n```python\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"`(project/[a-z]+\.py)`[^`]*$")
_ROW = re.compile(r"^\| `(\S+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

# What `django-admin startproject` writes, as far as it matters, and hashes that cost less.
SETTINGS = """
SECRET_KEY = "for tests"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "project.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages"]
PASSWORD_HASHERS = ["project.hashers.Quick"]
SILENCED_SYSTEM_CHECKS = ["oauthgrants.W001"]
"""
HASHERS = """
from django.contrib.auth.hashers import PBKDF2PasswordHasher

class Quick(PBKDF2PasswordHasher):
    iterations = 1000
"""
# What follows the page's own file, so that Argon2id costs less too.
CHEAP = """
import attrs
from oauthgrants import Argon2idHasher

hasher = attrs.evolve(hasher, current=Argon2idHasher(memory_cost=64, time_cost=1, lanes=1))
"""
# Begins each program that runs in the project.
PREAMBLE = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
import django
django.setup()
from base64 import b64encode
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from oauth2_provider.models import get_access_token_model, get_application_model

given = json.load(sys.stdin)
Application, AccessToken = get_application_model(), get_access_token_model()

def post(path, body, client=None):
    headers = {}
    if client:
        headers["HTTP_AUTHORIZATION"] = "Basic " + b64encode(client.encode()).decode()
    answer = Client().post(path, body, "application/x-www-form-urlencoded", **headers)
    return answer.status_code, json.loads(answer.content) if answer.content else {}

def get(path, token):
    return Client().get(path, HTTP_AUTHORIZATION=f"Bearer {token}").status_code

def ask(path, bodies, client):
    return [[status, answer.get("error")]
            for status, answer in (post(path, body, client) for body in bodies)]
"""
BEFORE = """
call_command("migrate", verbosity=0)
alice = User.objects.create_user("alice", password="wonderland")
secret = Application._meta.get_field("client_secret").get_default()
kinds = {"machine": "client-credentials", "app": "password", "web": "authorization-code",
         "user:1": "client-credentials"}
for client_id, kind in kinds.items():
    Application.objects.create(
        client_id=client_id, client_secret=secret if client_id != "app" else "chosen by me",
        client_type="confidential", authorization_grant_type=kind, name=client_id.title(),
        redirect_uris="https://app.example.com/cb",
    )
Application.objects.create(
    client_id="phone", client_type="public", authorization_grant_type="password",
)
machine, app = f"machine:{secret}", "app:chosen+by+me"
sign_in = "grant_type=password&username=alice&password=wonderland&scope=reports"
tokens = {
    "machine": post("/o/token/", "grant_type=client_credentials&scope=reports", machine)[1],
    "app": post("/o/token/", sign_in, app)[1],
    "phone": post("/o/token/", sign_in + "&client_id=phone")[1],
    "spent": post("/o/token/", sign_in, app)[1],
    "expired": post("/o/token/", sign_in, app)[1],
    "revoked": post("/o/token/", sign_in, app)[1],
}
renew = "grant_type=refresh_token&refresh_token="
tokens["renewed"] = post("/o/token/", renew + tokens["spent"]["refresh_token"], app)[1]
post("/o/revoke_token/", "token=" + tokens["revoked"]["refresh_token"], app)
ended = AccessToken.objects.get(token=tokens["expired"]["access_token"])
ended.expires = ended.created
ended.save()
AccessToken.objects.create(
    token="of another server", user=alice, expires=AccessToken.objects.get(pk=1).expires
)
print(json.dumps({
    "secret": secret,
    "tokens": tokens,
    "old_view": get("/old/reports/", tokens["app"]["access_token"]),
    "answers": ask("/o/token/", given["bodies"], machine),
}))
"""
AFTER = """
call_command("migrate", verbosity=0)
call_command("check")
from oauthgrants.adapters.django.store import DjangoStore
from project.moving import copy
machine, app = f"machine:{given['secret']}", "app:chosen+by+me"
tokens, renew = given["tokens"], "grant_type=refresh_token&refresh_token="
print(json.dumps({
    "copied": [copy(), copy()],
    "answers": ask("/token", given["bodies"], machine),
    "secrets": [
        post("/token", "grant_type=client_credentials&scope=reports", credentials)[0]
        for credentials in (
            machine, machine + "x", f"web:{given['secret']}", f"user%3A1:{given['secret']}"
        )
    ],
    "by_body": post(
        "/token",
        f"grant_type=client_credentials&client_id=machine&client_secret={given['secret']}",
    )[0],
    "views": {name: get("/reports/", each["access_token"]) for name, each in tokens.items()},
    "renewed": {
        name: post(
            "/token", renew + each["refresh_token"] + ("&client_id=phone" * (name == "phone")),
            None if name == "phone" else app,
        )[0]
        for name, each in tokens.items() if "refresh_token" in each
    },
    "sign_in": post(
        "/token", "grant_type=password&username=alice&password=wonderland&scope=reports", app
    ),
    "side_by_side": post("/o/token/", "grant_type=client_credentials&scope=reports", machine)[0],
}))
"""
UPGRADED = """
from django.http import HttpResponse
from django.test import RequestFactory
from oauthgrants import AuthorizationServer, ClientCredentialsGrant, HttpRequest
from oauthgrants.adapters.django.store import DjangoStore
from project.moving import hasher, move_clients, require_either
machine, app = f"machine:{given['secret']}", "app:chosen+by+me"

def hashes(kept):
    return [kept(name).split("$")[0].split(":")[0] or "argon2id" for name in ("machine", "app")]

def in_rows(name):
    return Application.objects.get(client_id=name).client_secret

def in_store(name):
    return DjangoStore().find_client(name).secrets[0].hash

Application.objects.filter(client_id="user:1").delete()
move_clients()
said = {"moved": hashes(in_store), "at_first": hashes(in_rows)}
token = "grant_type=client_credentials&scope=reports"
sign_in = "grant_type=password&username=alice&password=wonderland&scope=reports"
bearers = ["nobodys", post("/o/token/", token, machine)[1]["access_token"]]
said["wrong"] = post("/token", token, machine + "x")[0], hashes(in_rows)
said["right"] = [post("/token", token, machine)[0], post("/token", sign_in, app)[0]]
said["then"] = hashes(in_rows)
said["again"] = [post("/token", token, machine)[0], post("/token", sign_in, app)[0]]
said["wrong_again"] = post("/token", token, machine + "x")[0], post("/token", sign_in, app + "x")[0]

bearers.append(post("/token", token, machine)[1]["access_token"])
view = require_either(lambda request: HttpResponse("a report"))
said["either"] = [
    view(RequestFactory().post("/", HTTP_AUTHORIZATION=f"Bearer {bearer}")).status_code
    for bearer in bearers
]

server = AuthorizationServer(
    issuer="https://auth.example.com", store=DjangoStore(), hasher=hasher,
    grants=[ClientCredentialsGrant()],
)
headers = [("Content-Type", "application/x-www-form-urlencoded")]
for name, secret in (("machine", given["secret"]), ("machine", "a guess")):
    body = f"{token}&client_id={name}&client_secret={secret}".encode()
    request = HttpRequest(method="POST", url=server.token_endpoint, headers=headers, body=body)
    said.setdefault("from_the_store", []).append(server.token(request).status)
said["moved_then"] = hashes(in_store)
print(json.dumps(said))
"""


@attrs.frozen
class Project:
    """A Django project on disk."""

    folder: Path

    def add(self, name: str, text: str) -> None:
        """Append *text* to a file."""
        path = self.folder / name
        before = path.read_text("utf-8") if path.exists() else ""
        path.write_text(before + text, "utf-8")

    def run(self, program: str, **given: Any) -> dict[str, Any]:
        """Return what *program* prints as its last line."""
        ran = subprocess.run(
            [sys.executable, "-c", PREAMBLE + program],
            cwd=self.folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return said


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield each block of Python, and the file that the line before it names, if it does."""
    for match in _BLOCK.finditer(text):
        named = _FILE.search(match[1])
        yield "" if named is None else named[1], match[2]


def rows() -> list[tuple[str, str, str]]:
    """Return the requests of the table, and what either server says to them."""
    return [(match[1], match[2].strip(), match[3].strip()) for match in _ROW.finditer(PAGE)]


def show(answer: list[Any]) -> str:
    """Return an answer as the table has it."""
    status, error = answer
    return str(status) if error is None else f"{status} `{error}`"


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    """What a program printed at each step is what the page promises for it."""
    project = Project(tmp_path)
    (tmp_path / "project").mkdir()
    project.add("project/__init__.py", "")
    project.add("project/settings.py", SETTINGS)
    project.add("project/hashers.py", HASHERS)
    before, _, after = PAGE.partition("## Clients, where they are")
    written = list(blocks(before))
    assert [name for name, _ in written] == ["project/settings.py", "project/urls.py"]
    for name, block in written:
        project.add(name, block)
    bodies = [body for body, _, _ in rows()]

    old = project.run(BEFORE, bodies=bodies)

    assert old["old_view"] == 200
    assert [(body, show(answer)) for body, answer in zip(bodies, old["answers"], strict=True)] == [
        (body, answer) for body, answer, _ in rows()
    ]

    further = list(blocks(after))
    for name, block in further:
        if name:
            project.add(name, block)
    project.add("project/moving.py", CHEAP)
    new = project.run(AFTER, bodies=bodies, secret=old["secret"], tokens=old["tokens"])

    assert [(body, show(answer)) for body, answer in zip(bodies, new["answers"], strict=True)] == [
        (body, answer) for body, _, answer in rows()
    ]
    # machine, app, phone, renewed, the refresh token beside what has expired, and what answered
    # the requests of the table.
    successes = [status for status, _ in old["answers"]].count(200)
    assert new["copied"] == [5 + successes, 0]
    assert new["secrets"] == [200, 401, 400, 401]
    assert new["by_body"] == 200
    live = dict.fromkeys(("machine", "app", "phone", "renewed"), 200)
    assert new["views"] == live | dict.fromkeys(("spent", "expired", "revoked"), 401)
    good = dict.fromkeys(("app", "phone", "expired", "renewed"), 200)
    assert new["renewed"] == good | dict.fromkeys(("spent", "revoked"), 400)
    assert new["sign_in"][0] == 200
    assert new["side_by_side"] == 200

    for name, block in further:
        if not name:
            project.add("project/moving.py", block)
    done = project.run(UPGRADED, secret=old["secret"])

    assert done["moved"] == done["at_first"] == ["pbkdf2_sha256", "pbkdf2_sha256"]
    assert done["wrong"] == [401, done["at_first"]]
    assert done["right"] == done["again"] == [200, 200]
    assert done["then"] == ["sha256", "argon2id"]
    assert done["wrong_again"] == [401, 401]
    assert done["either"] == [401, 200, 200]
    assert done["from_the_store"] == [200, 401]
    assert done["moved_then"] == ["sha256", "pbkdf2_sha256"]
