"""
The types of the options that Django's classes have, for type checkers alone.

An option that a subclass sets has to be of the very type that it has above: then who extends ours
may set all that Django takes. Its stubs have no public names for these types.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias, TypeVar

    from django.contrib.admin.options import (
        InlineModelAdmin,
        _ActionCallable,
        _FieldGroups,
        _ListDisplayT,
        _ListFilterT,
    )
    from django.db.models import Model
    from django.template.response import _TemplateForResponseT
    from django.utils.datastructures import _ListOrTuple
    from django.utils.functional import _Getter, _StrOrPromise

    M = TypeVar("M", bound=Model)
    T = TypeVar("T")

    Text: TypeAlias = _StrOrPromise
    OrProperty: TypeAlias = T | _Getter[T]
    Names: TypeAlias = _ListOrTuple[str]

    Actions: TypeAlias = Sequence[_ActionCallable[Any, M] | str] | None
    Columns: TypeAlias = _ListDisplayT[M]
    Fields: TypeAlias = _FieldGroups | None
    Filters: TypeAlias = _ListOrTuple[_ListFilterT]
    Inlines: TypeAlias = _ListOrTuple[type[InlineModelAdmin[Any, Any]]]
    Template: TypeAlias = _TemplateForResponseT | None
