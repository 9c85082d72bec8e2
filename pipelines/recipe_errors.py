"""What is wrong in a recipe, in sentences that name the table, the key, what was found and what was expected."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError

from stores.near_names import did_you_mean

LONGEST_FOUND = 60
"""Characters of a value that a sentence repeats."""
Place = tuple[int | str, ...]
"""The keys and numbers, from 0, that lead to a value of a recipe."""
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text in quotes",
    "bool": "true or false",
    "tuple": "a list in brackets",
    "list": "a list in brackets",
    "model": "a table",
    "dict": "a table",
    "finite": "a finite number",
}
"""What is expected of a value, by the first word of the type of an error."""
LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


class RecipeError(ValueError):
    """A recipe is invalid; a line for each problem."""


def problems_of(error: ValidationError, recipe: type[BaseModel]) -> list[str]:
    """A sentence for each problem that was found in the values of a recipe, without repetitions."""
    sentences = [line for problem in error.errors() for line in _sentences(problem, recipe)]
    return list(dict.fromkeys(sentences))


def named_place(place: Place, recipe: type[BaseModel]) -> str:
    """Where a value stands, such as ``[[sources]] 2: zoom``, ``[grid]: block_px`` or ``title``."""
    tables: list[str] = []
    label, models = "", [recipe]
    rest = [*place]
    while rest and isinstance(rest[0], str):
        below = [m for model in models for m in _models(_annotation(model, rest[0]))]
        if not below:
            break
        models = below
        tables.append(str(rest.pop(0)))
        label = f"[{'.'.join(tables)}]"
        if rest and isinstance(rest[0], int):
            label = f"[{label}] {rest.pop(0) + 1}"
        models = [m for m in models if not rest or _kind(m) in (None, rest[0])] or models
        if rest and rest[0] in {_kind(m) for m in models}:
            rest.pop(0)
    key = "".join(f", entry {part + 1}" if isinstance(part, int) else f".{part}" for part in rest).lstrip(".")
    return f"{label}: {key}" if label and key else label or key or "the recipe"


def _sentences(problem: Mapping[str, Any], recipe: type[BaseModel]) -> Iterator[str]:
    kind, place, found = problem["type"], tuple(problem["loc"]), problem["input"]
    where, context = named_place(place, recipe), problem.get("ctx", {})
    if kind == "value_error":
        for line in str(context["error"]).splitlines():
            # A check of the whole recipe names the place itself.
            yield f"{where}: {line}" if place else line
    elif kind == "missing" and place and isinstance(place[-1], int):
        yield f"{named_place(place[:-1], recipe)} has too few entries; expected more"
    elif kind == "missing":
        yield f"{where} is missing"
    elif kind == "extra_forbidden":
        yield f"{where} is not a known key{_meant_key(place, recipe)}"
    elif kind == "union_tag_not_found":
        yield f"{where}: kind is missing; expected {_either(_kinds_at(place, recipe))}"
    elif kind == "union_tag_invalid":
        known = _kinds_at(place, recipe)
        hint = did_you_mean(str(context.get("tag")), known)
        yield f'{where}: kind is "{context.get("tag")}"; expected {_either(known)}{hint}'
    else:
        yield f"{where} is {_shown(found)}; expected {_expected(kind, context)}{_meant_value(kind, found, context)}"


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        return _either(_literals(context))
    if kind == "string_pattern_mismatch":
        return "lower-case letters, digits and _, a letter first"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    if kind == "string_too_short":
        return "a text that is not empty"
    if kind in ("too_long", "too_short"):
        limit = "at most" if kind == "too_long" else "at least"
        return f"{limit} {context.get('max_length', context.get('min_length'))} entries"
    for key, words in LIMITS.items():
        if key in context:
            return f"{words} {context[key]:g}"
    return KINDS.get(kind.split("_")[0], "another value")


def _shown(found: Any) -> str:
    """A value as a recipe writes it, cut where it is long; addresses are left out, because they may hold secrets."""
    text = json.dumps(found, ensure_ascii=False, default=str)
    if "://" in text:
        return "an address" if isinstance(found, str) else "a list or table with an address"
    return text if len(text) <= LONGEST_FOUND else f"{text[:LONGEST_FOUND]}..."


def _literals(context: Mapping[str, Any]) -> list[str]:
    return [part.strip("' ") for part in str(context["expected"]).replace(" or ", ",").split(",")]


def _meant_value(kind: str, found: Any, context: Mapping[str, Any]) -> str:
    return did_you_mean(found, _literals(context)) if kind == "literal_error" and isinstance(found, str) else ""


def _either(words: Sequence[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _meant_key(place: Place, recipe: type[BaseModel]) -> str:
    """A hint for an unknown key: one of the same table that is like it, the table that it belongs to, or all keys."""
    key, models = str(place[-1]), _models_at(place[:-1], recipe)
    known = list(dict.fromkeys(name for model in models for name in model.model_fields))
    hint = did_you_mean(key, known)
    if hint:
        return hint
    if key in recipe.model_fields:
        header = "[[" if _is_list(recipe, key) else "["
        is_table = bool(_models(_annotation(recipe, key)))
        return (
            f"; it is a table of its own: {header}{key}{header.replace('[', ']')}"
            if is_table
            else "; it belongs above the first [table] of the file"
        )
    tables = [name for name in recipe.model_fields for m in _models(_annotation(recipe, name)) if key in m.model_fields]
    if tables:
        return f"; it belongs to {' or '.join(f'[{name}]' for name in dict.fromkeys(tables))}"
    return f"; known are {', '.join(known)}"


def _models_at(place: Place, recipe: type[BaseModel]) -> list[type[BaseModel]]:
    """The tables that may stand at a place."""
    models = [recipe]
    for part in place:
        if isinstance(part, int):
            continue
        of_kind = [m for m in models if _kind(m) == part]
        models = of_kind or [m for model in models for m in _models(_annotation(model, part))]
    return models


def _kinds_at(place: Place, recipe: type[BaseModel]) -> list[str]:
    return [kind for m in _models_at(place, recipe) if (kind := _kind(m)) is not None]


def _annotation(model: type[BaseModel], key: str) -> Any:
    field = model.model_fields.get(key)
    return field.annotation if field else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The tables in the type of a key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models(part)]


def _is_list(model: type[BaseModel], key: str) -> bool:
    return typing.get_origin(_annotation(model, key)) is tuple


def _kind(model: type[BaseModel]) -> str | None:
    """The value of ``kind`` that a table is chosen by."""
    field = model.model_fields.get("kind")
    if field is None:
        return None
    annotation = field.annotation
    while typing.get_origin(annotation) in (Annotated, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    values = typing.get_args(annotation)
    return str(values[0]) if values else None
