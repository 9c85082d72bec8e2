"""The JSON schema of recipes, for editors.

It follows draft 7, which the editors' TOML extensions read. It can tell less than croplayer does: what needs two tables,
files or arithmetic is checked by `croplayer plan` alone.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pipelines.recipe import Recipe
from reference.attributes import in_markdown, texts_of_all
from reference.recipe_tables import models_of

DRAFT = "http://json-schema.org/draft-07/schema#"
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
UNUSED = "title"
"""What pydantic adds and editors do not use."""


def recipe_schema() -> dict[str, Any]:
    """The schema, with the meaning of each key as its description."""
    schema = Recipe.model_json_schema(ref_template="#/definitions/{model}")
    models = {model.__name__: model for model in models_of(Recipe)}
    tables = {name: _described(table, models[name]) for name, table in schema.pop("$defs").items()}
    whole = _described(schema, Recipe)
    parts = whole["properties"]["sources"]
    parts["items"] = _by_kind(parts["items"]["discriminator"], tables)
    definitions = {name: _draft_7(table) for name, table in tables.items()}
    return {"$schema": DRAFT, "title": "Recipe of croplayer", **_draft_7(whole), "definitions": definitions}


def _by_kind(chosen: dict[str, Any], tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A table that is one of several by the value of a key: what is wrong is then told at the key that is wrong.

    The keys of all of them are listed, because editors complete what is listed; where there is an ``allOf`` they read nothing
    beside it.
    """
    key, kinds = chosen["propertyName"], chosen["mapping"]
    keys = {k: {"description": v["description"]} for ref in kinds.values() for k, v in _table(ref, tables).items()}
    rules = [{"if": {"properties": {key: {"const": kind}}}, "then": {"$ref": ref}} for kind, ref in kinds.items()]
    one = {key: {"enum": [*kinds], "description": "What the imagery is."}}
    return {"type": "object", "required": [key], "allOf": [{"properties": keys | one}, *rules]}


def _table(ref: str, tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = tables[ref.rpartition("/")[2]]["properties"]
    return found


def _described(table: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    texts = texts_of_all(model, model.model_fields)
    keys = {key: {**value, "description": texts[key]} for key, value in table["properties"].items()}
    return {**table, "description": in_markdown((model.__doc__ or "").strip()), "properties": keys}


def _draft_7(value: Any, is_table_of_keys: bool = False) -> Any:
    """A part of a schema in the words of draft 7, without titles and without the null that TOML cannot write."""
    if isinstance(value, list):
        return [_draft_7(each) for each in value]
    if not isinstance(value, dict):
        return value
    if is_table_of_keys:
        return {key: _draft_7(each) for key, each in value.items()}
    out = {key: each for key, each in value.items() if key != UNUSED}
    # Versions of pydantic write whole limits as 0 or as 0.0.
    out |= {key: int(each) for key, each in out.items() if key in LIMITS and float(each).is_integer()}
    if out.get("default", "") is None:
        del out["default"]
    choices = [each for each in out.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        out = {**choices[0], **{key: each for key, each in out.items() if key != "anyOf"}}
    if "prefixItems" in out:
        out["items"] = out.pop("prefixItems")
        out["additionalItems"] = False
    if "$ref" in out and len(out) > 1:
        # Draft 7 reads nothing beside a reference.
        out["allOf"] = [{"$ref": out.pop("$ref")}]
    return {
        key: each if key in ("default", "examples") else _draft_7(each, key == "properties")
        for key, each in out.items()
    }
