"""docs/tutorial.md, done as a reader does it: its files written, its commands typed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from threading import Timer

import attrs
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"
BLOCK = re.compile(
    r"^```(?:\{code-block\} python\n:caption: (?P<file>\S+)\n\n|console\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SHOWN = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SERVE = "flask --app app run"
INSTALLED = 3
PORT = "5000"
DEADLINE = 60


def read_steps() -> list[tuple[str | None, str, str]]:
    """Return file and text, or None, a command and what it shows, in the order of the page."""
    steps: list[tuple[str | None, str, str]] = []
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        if block["file"] is not None:
            steps.append((block["file"], block["text"], ""))
            continue
        for command in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            steps.append((None, line, shown))
    return steps


@attrs.define
class Reader:
    """
    Who does what the page says.

    Attributes:
        folder: Where.
        port: Of the server, instead of Flask's own, which may be taken.
        environment: Of all commands.
        server: That runs in the first terminal.
        said: What servers showed after they were ready, and have ended.
        seen: Tokens and secrets that were shown last, by how they begin.
    """

    folder: Path
    port: str
    environment: dict[str, str]
    server: subprocess.Popen[str] | None = None
    said: str = ""
    seen: dict[str, str] = attrs.field(factory=dict[str, str])

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.replace(PORT, self.port), "utf-8")

    def type(self, command: str) -> str:
        """Return what *command* shows, with what was seen before in the place of dots."""
        command = re.sub(r"(og\w\w_)…", lambda match: self.seen[match[1]], command)
        if name_and_value := re.fullmatch(r"([A-Z]+)=(\S+)", command):
            self.environment[name_and_value[1]] = name_and_value[2]
            return ""
        shown = self.serve() if command == SERVE else self.run(command.replace(PORT, self.port))
        for token in re.finditer(r"(og\w\w_)[\w-]+", shown):
            self.seen[token[1]] = token[0]
        return shown

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return (done.stdout + done.stderr).replace("\r", "")

    def serve(self) -> str:
        """Return what the server shows until it is ready; the rest stays in the pipe."""
        self.stop()
        self.server = subprocess.Popen(
            [*SERVE.split(), "--port", self.port],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.server.stdout is not None
        late = Timer(DEADLINE, self.server.kill)
        late.start()
        shown = ""
        for line in self.server.stdout:
            shown += line
            if "Running on" in line:
                break
        late.cancel()
        late.join()
        return shown

    def stop(self) -> None:
        if self.server is not None:
            with self.server:
                self.server.kill()
                assert self.server.stdout is not None
                self.said += self.server.stdout.read()
            self.server = None


@pytest.fixture
def reader(tmp_path: Path) -> Generator[Reader, None, None]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
    scripts = Path(sys.executable).parent
    reader = Reader(
        tmp_path,
        port,
        {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        },
    )
    yield reader
    reader.stop()


def matches(expected: str, shown: str) -> bool:
    """Return whether *shown* begins as the page has it, where dots stand for anything."""
    pattern = re.escape(expected.strip()).replace("…", ".*")
    return re.match(pattern, shown.strip(), re.DOTALL) is not None


@pytest.mark.skipif(not shutil.which("curl"), reason="the page asks with curl")
@pytest.mark.req("R6750-3.1-c", "R6750-3.1-d")
def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    steps = read_steps()
    typed = [line for file, line, _ in steps if file is None]
    assert len(typed) > 20
    assert typed[1].startswith("pip install")
    assert SERVE in typed

    for file, text, expected in steps:
        if file is not None:
            reader.write(file, text)
        elif text not in typed[:INSTALLED]:
            shown = reader.type(text)
            assert matches(expected, shown), f"$ {text}\n{shown}\ninstead of\n{expected}"

    reader.stop()
    lines = SHOWN.findall(PAGE.read_text("utf-8"))
    assert lines
    for line in lines:
        assert any(matches(line, said) for said in reader.said.splitlines()), reader.said


def test_what_is_shown_is_compared() -> None:
    assert matches("a…c\n", "abc")
    assert not matches("a…c\n", "ab")
    assert not matches('{"error":"x"}', '{"error":"y"}')
