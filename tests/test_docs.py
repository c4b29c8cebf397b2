"""What the pages say that doctest cannot run."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import pytest

from oauthgrants import AuthorizationServer
from oauthgrants.cli.config import load
from oauthgrants.cli.errors import ConfigError
from oauthgrants.grants.password import PasswordGrantWarning

ROOT = Path(__file__).parent.parent


def configurations() -> list[str]:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)


def load_text(toml: str, directory: Path) -> AuthorizationServer:
    (directory / "oauth.toml").write_text(toml, "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        return load(directory / "oauth.toml").server


@pytest.mark.parametrize("toml", configurations())
def test_the_configurations_on_the_page_make_servers(toml: str, tmp_path: Path) -> None:
    assert load_text(toml, tmp_path).token_endpoint == "http://127.0.0.1:8000/token"


def test_an_unknown_key_is_refused_as_the_page_says(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_text(configurations()[0].replace("grant_types", "grant_typs", 1), tmp_path)

    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    said = str(refusal.value).replace(f"{tmp_path}{os.sep}", "")
    assert f"oauthgrants: {said}\n" in page


def test_both_commands_of_the_readme_are_what_the_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in (
        "pip install '.[cli]' && oauthgrants demo",
        "pip install -e '.[test]' && pytest",
    ):
        assert f"$ {command}\n" in readme
        for part in command.split(" && "):
            assert part.replace("install", "install --quiet") in script
