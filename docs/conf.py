"""How Sphinx builds the documentation: ``sphinx-build -W -b html docs docs/_build/html``."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from importlib.metadata import version as version_of
from inspect import getsource
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The reference has classes that cannot be imported without. Where tests are looked for in this
# file, theirs are there already.
if not settings.configured:
    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "oauthgrants.adapters.django",
        ],
        OAUTHGRANTS={"RESOURCE": "https://api.example.com"},
    )
    django.setup()

project = "oauthgrants"
author = "The oauthgrants developers"
project_copyright = author
release = version = version_of("oauthgrants")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"  # `Client` in a docstring means the class

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_use_ivar = True  # what attrs makes of a field is no second description of it
napoleon_use_rtype = False

# For `sphinx-build -b linkcheck`. What redirects has moved, and is reported, but for documentation
# that sends its readers on to a version of itself.
linkcheck_ignore = [
    r"https?://([\w.-]+\.)?example(\.com|\.org)?(:\d+)?(/|$)",
    r"https?://127\.0\.0\.1",
]
linkcheck_allowed_redirects = {
    r"https://[\w-]+\.readthedocs\.io/?": r"https://[\w-]+\.readthedocs\.io/en/(latest|stable)/",
    r"https://aiosqlite\.omnilib\.dev/?": r"https://aiosqlite\.omnilib\.dev/en/(latest|stable)/",
}
linkcheck_timeout = 20
linkcheck_retries = 3
linkcheck_report_timeouts_as_broken = True

html_theme = "furo"
html_title = f"oauthgrants {release}"
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def name_functions(*event: str | None) -> tuple[str | None, str | None]:
    """Return a signature whose defaults name functions, as it cannot be read otherwise."""
    signature, returns = event[-2:]
    if signature is not None:
        signature = re.sub(r"<(?:built-in )?function (\w+)>", r"\1", signature)
    return signature, returns


def describe_constant(_: Sphinx, what: str, name: str, *event: Any) -> None:
    """Give an imported constant its docstring: autodoc has only that of its type."""
    from sphinx.pycode import ModuleAnalyzer

    module, constant = name.rsplit(".", 1)
    if what != "data":
        return
    for node in ast.walk(ast.parse(getsource(import_module(module)))):
        if isinstance(node, ast.ImportFrom) and constant in {each.name for each in node.names}:
            found = ModuleAnalyzer.for_module(str(node.module)).find_attr_docs()
            event[-1][:] = found.get(("", constant), [])


def setup(app: Sphinx) -> None:
    """Take part in what autodoc does."""
    app.connect("autodoc-process-signature", name_functions)
    # Before napoleon, which looks at the docstring then.
    app.connect("autodoc-process-docstring", describe_constant, priority=100)
