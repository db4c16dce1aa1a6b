"""Parsing that never fails: a value of an unexpected type reads as None, unknown fields are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

T = TypeVar("T")


def _none_if_unreadable(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


def _only_objects(value: Any) -> Any:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


#: A field whose unreadable value must not make the document unreadable.
Lenient = Annotated[T | None, WrapValidator(_none_if_unreadable)]
#: A list of objects; other items are left out, and anything but a list reads as empty.
Items = Annotated[tuple[T, ...], BeforeValidator(_only_objects)]


class Result(BaseModel):
    """Base of all results within a transcript: immutable, unknown fields kept as attributes."""

    model_config = ConfigDict(extra="allow", frozen=True)
