"""``docs/django.md`` leads from nothing to a protected view, and all of its code runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import attrs
import django
import pytest

from django_adapter.live import ENVIRONMENT, manage, serving
from oauthgrants.adapters.django.conf import Configuration

PAGE = (Path(__file__).parents[2] / "docs" / "django.md").read_text("utf-8")
_BLOCK = re.compile(r"([^\n]*)\n\n```(python|console)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"(Add to|Write) `(project/[a-z]+\.py)`")

# What the code on the page makes, used.
CHECKS = """
from django.contrib.auth.models import User
from django.test import RequestFactory
from oauthgrants.adapters.django.models import AccessToken

account = User.objects.create_user("alice", password="wonderland")
assert str(Users().to_user(account).scope) == "reports:read"
put = RequestFactory().put("/reports/7")
assert Report.as_view()(put, number=7).status_code == 401
answer = Reports.as_view()(RequestFactory().get("/"))
assert (answer.status_code, answer["WWW-Authenticate"][:7]) == (401, "Bearer "), answer
deactivate(account)
assert not User.objects.get().is_active
assert [url.name for url in urlpatterns][-2:] == ["metadata", "resource_metadata"]
assert require_partner_token(scope="a")(list_reports)(RequestFactory().get("/")).status_code == 401
print("all is well")
"""


@attrs.frozen
class Block:
    """A block of the page, and the last line before it."""

    before: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for match in _BLOCK.finditer(PAGE):
        yield Block(match[1], match[2], match[3])


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Return each command of a block with what it prints, as the page has it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def is_for_this_version(block: Block) -> bool:
    """Return whether Django is as new as the page says that it has to be for this."""
    return "transaction_mode" not in block.text or django.VERSION >= (5, 1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page calls curl")
@pytest.mark.skipif(sys.platform == "win32", reason="file descriptors are passed on Unix only")
def test_the_page_can_be_followed(tmp_path: Path) -> None:
    """Files as they are told, commands as they stand there, and what these print."""
    further: list[str] = []
    known: dict[str, str] = {}
    done: list[str] = []
    with ExitStack() as stack:
        url = ""
        for block in blocks():
            told = _FILE.search(block.before)
            if block.language == "python" and told is not None:
                path = tmp_path / told[2]
                before = path.read_text("utf-8") if told[1] == "Add to" else ""
                path.write_text(before + block.text, "utf-8")
            elif block.language == "python" and is_for_this_version(block):
                further.append(block.text)
            elif block.language == "console":
                for command, output in commands(block.text):
                    if command == "python manage.py runserver":
                        url = stack.enter_context(serving(tmp_path, "wsgi")).url
                    elif not command.startswith("pip "):
                        run(command, output, folder=tmp_path, url=url, known=known)
                    done.append(command.split()[0])

    assert done == ["pip", "django-admin", "python", "python", "python", "curl", "curl", "curl"]
    assert manage(tmp_path, "check", "--deploy", "--tag=urls").startswith("System check")
    script = "from project.settings import *\nfrom project.views import *\n" + "\n".join(further)
    assert manage(tmp_path, "shell", "-c", script + CHECKS).endswith("all is well\n")


def run(command: str, output: str, *, folder: Path, url: str, known: dict[str, str]) -> None:
    """Run *command* and compare what it prints; remember the values that it makes up."""
    for kind, value in known.items():
        command = command.replace(f"{kind}_...", value)
    command = command.replace("http://127.0.0.1:8000", url)
    command = re.sub("^django-admin", f"{sys.executable} -m django", command)
    command = re.sub("^python", sys.executable, command)
    command = re.sub("^curl", "curl -s", command)
    ran = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    known |= {value[:4]: value for value in re.findall(r"og[a-z]{2}_[A-Za-z0-9_-]{48}", ran.stdout)}
    # Where the page shows nothing, it does not matter what there is.
    expected = output or "..."
    flags = ELLIPSIS | NORMALIZE_WHITESPACE
    assert OutputChecker().check_output(expected, ran.stdout, flags), ran.stdout


def test_the_keys_on_the_page_are_keys() -> None:
    table = PAGE.partition("| key | what | default |")[2].partition("All other settings")[0]
    paragraph = PAGE.partition("All other settings")[2].partition("\n\n")[0]
    keys = [
        key
        for line in table.splitlines()
        for key in re.findall("`([A-Z_]+)`", "|".join(line.split("|")[1:2]))
    ]

    assert len(keys) >= 15
    likely: dict[str, object] = {
        "GRANTS": [],
        "LIMITS": {},
        "ENDPOINTS": {},
        "THROTTLE": {},
        "ASSERTIONS": {},
    }
    for key in [*keys, *re.findall("`([A-Z]+_[A-Z_]*[A-Z])`", paragraph)]:
        value = 1 if key.endswith("_LIFETIME") else likely.get(key)
        assert key.lower() in Configuration.read({key: value}).values
