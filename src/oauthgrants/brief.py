"""How values are declared that live as long as a request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

__all__ = ["brief"]

if TYPE_CHECKING:
    from attrs import frozen as brief
else:
    # A dozen are made for each request, and to guard them at run time makes each three times
    # as slow. What is kept, or comes from a host, is `attrs.frozen`.
    brief = partial(attrs.define, unsafe_hash=True, on_setattr=attrs.setters.NO_OP)
    """Declares a value that does not outlive its request; type checkers refuse to change it."""
