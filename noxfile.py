"""
One command each: ``nox -s test``, ``nox -s lint``, ``nox -s docs``, ``nox -s bench``.

Without a session, nox runs what `.ci/run` does without arguments. All but ``bench`` and ``mutants``
is a job of that script, which makes its own environments; what a job does stands there and nowhere
else.
"""

import nox

nox.options.sessions = ["everything"]
nox.options.default_venv_backend = "none"

JOBS = {
    "test": "tests",
    "lint": "lint",
    "docs": "docs",
    "package": "package",
    "extras": "extras",
    "lowest": "lowest",
    "others": "others",
    "audit": "audit",
    "links": "links",
}
"""By session, the job of `.ci/run`."""


@nox.session
def everything(session: nox.Session) -> None:
    """Run every job, two at a time."""
    session.run("bash", ".ci/run", external=True)


@nox.session(venv_backend="venv", reuse_venv=True)
def bench(session: nox.Session) -> None:
    """Measure: ``nox -s bench`` lists what there is, ``nox -s bench -- sizes`` does it."""
    session.install("-e", ".[bench,test]")
    name, *arguments = session.posargs or [""]
    session.run("python", "-m", f"tests.benchmarks.{name}".rstrip("."), *arguments)


@nox.session(venv_backend="venv", reuse_venv=True)
def mutants(session: nox.Session) -> None:
    """Change the core a little, again and again; ``nox -s mutants -- forms.py`` a module of it."""
    groups = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "mutants")
    session.install("-e", ".[test]", *groups)
    session.run("python", "-m", "tests.mutation", *session.posargs)


def add(name: str, job: str) -> None:
    """Add a session that runs a job."""

    @nox.session(name=name)
    def run(session: nox.Session) -> None:
        session.run("bash", ".ci/run", job, external=True)

    run.__doc__ = f"Run the job {job} of .ci/run."


for each in JOBS.items():
    add(*each)
