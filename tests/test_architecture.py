"""Imports point down the list of modules, never up; each optional library has one importer."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import oauthgrants

ROOT = Path(oauthgrants.__file__).parent

# From the top down; what shares a line may not import one another, but for packages of one name.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["testing"],
    ["adapters"],
    ["migrating", "stores"],
    ["server", "resource"],
    ["assembly", "protected_resource"],
    ["openapi", "policy"],
    ["wiring"],
    ["authenticating", "routing"],
    ["signing"],
    ["token_checks"],
    ["checks"],
    ["endpoints"],
    ["grants"],
    ["profiles"],
    ["client_auth", "sender_constraints"],
    ["granting", "issuing", "lookup", "mfa", "throttling", "totp"],
    ["token_formats"],
    ["kept_keys"],
    ["gates"],
    ["fetching"],
    ["ports"],
    ["events"],
    ["bearer", "challenges"],
    ["wire"],
    ["clients"],
    ["client_rules"],
    ["attempts", "client_secrets", "users"],
    ["client_certificates", "client_keys"],
    ["jwt_claims"],
    ["tokens"],
    ["scopes", "forms", "hashing", "sealed"],
    ["key_files"],
    ["jwk_sets", "keys"],
    ["jose"],
    ["errors"],
    [
        *("addresses", "algorithms", "certificates", "confirmations"),
        *("distinguished_names", "secret", "strict_json"),
    ],
    ["brief"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
OPTIONAL = {
    "aiohttp",
    "alembic",
    "django",
    "fastapi",
    "flask",
    "httpx",
    "joserfc",
    "mcp",
    "opentelemetry",
    "redis",
    "rest_framework",
    "rich",
    "sqlalchemy",
    "starlette",
}

# Those whose package has a name that says more.
PACKAGES = {"alembic": "migrations"}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = layer_of(path)
    assert own in LEVEL, f"{own} has no place in the list of modules"
    for name in imports_of(path):
        if name == "oauthgrants":
            # The everyday names, for those above them.
            assert LEVEL[own] <= LEVEL["adapters"], path
        elif name.startswith("oauthgrants."):
            other = name.split(".")[1]
            assert other == own or LEVEL[own] < LEVEL[other], f"{path} imports {name}"


def test_an_optional_library_has_one_importer() -> None:
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for path in modules():
        for name in imports_of(path):
            top = name.partition(".")[0]
            if top in OPTIONAL:
                # What does not fit one module is a package that bears the library's name.
                place = path.relative_to(ROOT)
                names = {top, PACKAGES.get(top)}
                own = next((each for each in place.parents if each.name in names), place)
                importers[top].add(str(own))

    assert {top: paths for top, paths in importers.items() if len(paths) > 1} == {}


def test_a_module_fits_one_sitting() -> None:
    """About 200 lines; docstrings count, so a little more."""
    longest = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text().splitlines())) > 375
    }

    assert longest == {}


def test_no_module_is_a_drawer() -> None:
    assert not {"utils", "helpers", "base", "common"} & {path.stem for path in modules()}
