"""The reference pages are complete: names, errors, events, metadata, commands and keys."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from django import conf

from oauthgrants import (
    AuthorizationServer,
    ClientCredentialsGrant,
    MemoryStore,
    OAuthError,
    ResourceServer,
)
from oauthgrants.cli.arguments import make_parser
from oauthgrants.cli.tables import FILE
from oauthgrants.client_auth.mutual_tls import MutualTls
from oauthgrants.events import Event
from oauthgrants.jose import SigningKey
from oauthgrants.sender_constraints.dpop_rules import DpopRules

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
EXPORTING = (
    "oauthgrants",
    "oauthgrants.ports",
    "oauthgrants.events",
    "oauthgrants.policy",
    "oauthgrants.stores.memory",
    "oauthgrants.stores.redis",
    "oauthgrants.stores.sqlalchemy",
    "oauthgrants.testing.conformance",
)
"""What they have in ``__all__`` is public, but for these:"""
INTERNAL = {
    *(f"oauthgrants.ports.{name}" for name in ("is_awaitable", "off_loop", "resolve", "run")),
    *(
        f"oauthgrants.events.{name}"
        for name in ("find_watch", "logger", "recorder", "wants_each_call", "watched")
    ),
    "oauthgrants.policy.examine",
    # The server behind `oauthgrants serve`, which the page on the conformance kit borrows.
    "oauthgrants.cli.http_server.HttpServer",
    "oauthgrants.cli.http_server.listen",
}
"""What modules of ours share."""


def read(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


# Names


def find(path: str) -> object:
    """Return what *path* names: a module, or what is in one."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (AttributeError, ModuleNotFoundError):
        return import_module(path)


def documented() -> list[object]:
    paths = re.findall(r"^\.\. auto\w+:: (oauthgrants\.[\w.]+)", read("reference.md"), re.MULTILINE)
    found = [find(path) for path in paths]
    for members in re.findall(
        r"^\.\. automodule:: (\S+)\n   :members: (.+)", read("reference.md"), re.MULTILINE
    ):
        found += [find(f"{members[0]}.{name.strip()}") for name in members[1].split(",")]
    return found


def code_of(path: Path) -> Iterator[str]:
    """Yield the Python on a page, or in a file."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield text
        return
    for example in doctest.DocTestParser().get_examples(text):
        yield example.source
    yield from re.findall(
        r"^```(?:python|\{code-block\} python\n:caption: \S+)\n(?! *>>>)(.*?)^```",
        text,
        re.DOTALL | re.MULTILINE,
    )


def imported() -> set[str]:
    """Return what pages and examples import of the library: readers will, too."""
    names: set[str] = set()
    for path in (*PAGES, *EXAMPLES):
        for code in code_of(path):
            try:
                tree = ast.parse(code)
            except SyntaxError:  # an excerpt
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    "oauthgrants"
                ):
                    names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def public_names() -> set[str]:
    names = imported()
    for name in EXPORTING:
        names |= {f"{name}.{each}" for each in getattr(import_module(name), "__all__", ())}
    return names - INTERNAL


def is_described(value: object, known: list[object]) -> bool:
    """Return whether *value* is on the page, or nothing that a page can describe."""
    return inspect.ismodule(value) or any(value is each for each in known)


def test_each_public_name_is_in_the_reference() -> None:
    """Public is what is exported, and what pages and examples tell readers to import."""
    if not conf.settings.configured:
        import_module("django_adapter")  # has those without which Django's parts do not load
    known = documented()
    names = public_names()
    assert len(names) > 100

    assert [] == sorted(name for name in names if not is_described(find(name), known))


# Errors and events


def kinds(module: str, kind: type[T]) -> list[type[T]]:
    """Return the public classes of *module* that are a *kind*, but not that itself."""
    return [
        each
        for name, each in vars(import_module(module)).items()
        if isinstance(each, type) and issubclass(each, kind) and each is not kind and name[0] != "_"
    ]


def test_each_error_is_on_the_page() -> None:
    page = read("errors-and-events.md")
    errors = kinds("oauthgrants.errors", OAuthError)
    assert len(errors) > 10

    assert [] == [each.__name__ for each in errors if f"`{each.__name__}`" not in page]
    assert [] == [each.code for each in errors if f"`{each.code}`" not in page]


def test_each_event_is_on_the_page_with_its_attributes() -> None:
    page = read("errors-and-events.md")
    events = kinds("oauthgrants.events", Event)
    assert len(events) > 10

    attributes = {field.name for event in events for field in attrs.fields(event)}
    assert [] == [each.__name__ for each in events if f"`{each.__name__}`" not in page]
    assert [] == sorted(name for name in attributes if f"`{name}`" not in page)


# Metadata


def test_each_member_of_the_metadata_is_on_the_page() -> None:
    server = AuthorizationServer(
        issuer="https://auth.example.com",
        store=MemoryStore(),
        grants=[ClientCredentialsGrant()],
        audience="https://api.example.com",
        access_token_format="jwt",
        signing_keys=SigningKey.generate("ES256"),
        introspection_jwt=True,
        mutual_tls=MutualTls(endpoint_aliases={"token_endpoint": "https://mtls.example.com/token"}),
        dpop=DpopRules(required=True),
        scopes_supported="read",
    )
    api = ResourceServer(
        resource="https://api.example.com",
        tokens=server.lookup,
        dpop=DpopRules(required=True),
        scopes_supported="read",
        authorization_servers=["https://auth.example.com"],
    )
    ours, _, theirs = read("metadata.md").partition("## Of the API")

    for document, page in ((server.metadata(), ours), (api.metadata(), theirs)):
        assert set(document) == set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))


# The command line


def options(parser: ArgumentParser, command: str = "") -> Iterator[tuple[str, str]]:
    """Yield each command with each of its options."""
    for action in parser._actions:
        commands: Any = action.choices
        if hasattr(commands, "items"):  # a sub-parser of each; else they are values
            for name, each in commands.items():
                yield from options(each, f"{command} {name}".strip())
        else:
            yield from ((command, option) for option in action.option_strings)


def section_of(command: str) -> str:
    """Return what is said of *command*."""
    first = command.partition(" ")[0]
    if first == "conformance":
        return read("conformance-kit.md")
    page = read("command-line.md")
    _, _, section = page.partition(f"\n## {first}\n")
    # Where a store is, all commands are told in the same way.
    _, _, about_stores = page.partition("\n## db\n")
    return section.partition("\n## ")[0] + about_stores


def test_each_command_and_option_is_on_the_page() -> None:
    found = [pair for pair in options(make_parser()) if pair[0]]
    assert len(found) > 60

    missing = [
        (command, option)
        for command, option in found
        if option not in {"-h", "--help"} and option not in section_of(command)
    ]
    assert [] == missing


@pytest.mark.parametrize("command", sorted({pair[0] for pair in options(make_parser())} - {""}))
def test_each_command_is_named(command: str) -> None:
    assert f"oauthgrants {command}" in section_of(command)


# The configuration file


def keys_of(reader: Any, table: str = "") -> Iterator[tuple[str, str]]:
    """Yield the tables of the file with their keys."""
    known = inspect.getclosurevars(reader).nonlocals
    if "read_table" in known:
        yield from keys_of(known["read_table"], table)
    for name, each in known.get("readers", {}).items():
        inner = list(keys_of(each, f"{table}.{name}".lstrip(".")))
        yield from inner or [(table, name)]


def keys_on_the_page() -> set[tuple[str, str]]:
    table = ""
    keys: set[tuple[str, str]] = set()
    for line in read("configuration-file.md").splitlines():
        if heading := re.fullmatch(r"#+ `\[+([\w.]+)\]+`", line):
            table = heading[1]
        elif row := re.match(r"\| `(\w+)` \|", line):
            keys.add((table, row[1]))
    return keys


def test_the_page_has_each_key_of_the_file_and_no_other() -> None:
    keys = set(keys_of(FILE)) - {("clients", "client_secrets")}
    assert len(keys) > 60

    assert keys == keys_on_the_page() - {("clients", "client_secrets")}


# Diagrams


@pytest.mark.parametrize(
    "path", sorted((DOCS / "diagrams").glob("*.svg")), ids=lambda path: path.stem
)
def test_each_diagram_is_on_a_page_and_can_be_read_without_seeing_it(path: Path) -> None:
    image = re.compile(rf"\{{image\}} diagrams/{path.name}\n:alt: \S.{{40,}}\n")
    drawn = path.read_text("utf-8")

    assert any(image.search(page.read_text("utf-8")) for page in PAGES)
    assert re.search(r"<title[^>]*>[^<]{20,}</title>", drawn)
    assert 'role="img"' in drawn
