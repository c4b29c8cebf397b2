"""How to declare values that live as long as a request, and the parts that serve requests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

__all__ = ["brief", "evolve", "service"]

if TYPE_CHECKING:
    from attrs import frozen as brief
    from attrs import frozen as service
else:
    # A dozen are made for each request, and a guard at run time would make each twice as slow or
    # more. What is kept, such as clients and tokens, is `attrs.frozen`.
    brief = partial(attrs.define, unsafe_hash=True, on_setattr=attrs.setters.NO_OP)
    """Declares a value that does not outlive its request; type checkers refuse to change it."""
    # To generate comparison and repr takes as long as all the rest of a class.
    service = partial(attrs.frozen, eq=False, repr=False)
    """Declares a part of a server: made once, compared with nothing and shown to nobody."""

V = TypeVar("V")

_NAMES: dict[type, tuple[str, ...]] = {}


def evolve(value: V, **changes: Any) -> V:
    """
    Return *value* with *changes*, in half the time that `attrs.evolve` takes.

    It has to be slotted, with nothing private, and with neither converters nor validators.
    """
    kind = type(value)
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(each.name for each in attrs.fields(cast("Any", kind)))
    evolved, set_to = object.__new__(kind), object.__setattr__
    for name in names:
        set_to(evolved, name, changes[name] if name in changes else getattr(value, name))
    return evolved
