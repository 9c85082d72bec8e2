"""The tables of a recipe with their keys, in the order of the models."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipelines.recipe import Recipe
from reference.attributes import in_markdown, texts_of_all

UNITS = {
    "_per_s": "1/s", "_px": "px", "_deg": "degrees", "_km2": "km²", "_ha": "ha", "_m": "m", "_s": "s", "_minutes": "min",
}  # fmt: skip
"""Units by the end of a key."""
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
MANY = {str: "texts", int: "whole numbers", float: "numbers"}


class Key(NamedTuple):
    """A key of a table of a recipe."""

    name: str
    kind: str
    """What a value is, in words."""
    default: Any
    """None if there is none."""
    is_required: bool
    unit: str
    """Empty if there is none."""
    meaning: str
    """In Markdown."""
    example: Any


class Table(NamedTuple):
    """A table of a recipe."""

    header: str
    """``[grid]``, ``[[sources]]``; empty for the keys above the first table."""
    chosen_by: str
    """The value of the key ``kind`` of the table; empty where there is one kind."""
    meaning: str
    keys: tuple[Key, ...]


def recipe_tables() -> tuple[Table, ...]:
    """The keys above the first table, then all tables in the order of the models."""
    return tuple(_tables(Recipe, ""))


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models of the tables of a model, and of their tables."""
    for field in model.model_fields.values():
        for below in _models_in(field.annotation):
            yield below
            yield from models_of(below)


def _tables(model: type[BaseModel], header: str, chosen_by: str = "") -> Iterator[Table]:
    own = [name for name in model.model_fields if name in model.__annotations__]
    ordered = {name: model.model_fields[name] for name in dict.fromkeys([*own, *model.model_fields])}
    texts = texts_of_all(model, ordered)
    plain = {name: field for name, field in ordered.items() if not any(_models_in(field.annotation))}
    keys = tuple(key_of(name, field, texts[name]) for name, field in plain.items())
    yield Table(header, chosen_by, in_markdown((model.__doc__ or "").strip()), keys)
    for name, field in ordered.items():
        below = list(_models_in(field.annotation))
        path = f"{header.strip('[]')}.{name}".lstrip(".")
        is_list = typing.get_origin(_bare(field.annotation)) is tuple
        for each in below:
            kind = each.model_fields.get("kind") if len(below) > 1 else None
            value = typing.get_args(kind.annotation)[0] if kind else ""
            yield from _tables(each, f"[[{path}]]" if is_list else f"[{path}]", value)


def key_of(name: str, field: FieldInfo, meaning: str) -> Key:
    """A key of a model; raises ValueError for one that has neither a default nor an example."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = None if field.default is PydanticUndefined else field.default
    literal = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is Literal else ()
    example = field.examples[0] if field.examples else literal[0] if literal else default
    if example is None:
        raise ValueError(f"{name} has no default and no example; give one with Field(examples=[...])")
    unit = extra.get("unit") or next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
    kind = _either(extra["enum"]) if "enum" in extra else _kind(field.annotation)  # type: ignore[arg-type]
    return Key(name, kind, default, field.is_required(), str(unit), meaning, example)


def _kind(annotation: Any) -> str:
    """What a value of a type is, in words."""
    bare = _bare(annotation)
    origin, parts = typing.get_origin(bare), typing.get_args(bare)
    if origin is Literal:
        return _either(parts)
    if origin is not tuple:
        return WORDS[bare]
    inner = _bare(parts[0])
    if typing.get_origin(inner) is Literal:
        return f"list of {_either(typing.get_args(inner))}"
    return f"list of {MANY[inner]}" if parts[-1] is Ellipsis else f"list of {len(parts)} {MANY[inner]}"


def _bare(annotation: Any) -> Any:
    """A type without what is noted at it, and without None."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        (given,) = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _bare(given)
    return annotation


def _either(values: typing.Iterable[Any]) -> str:
    texts = [f'"{value}"' if isinstance(value, str) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)
