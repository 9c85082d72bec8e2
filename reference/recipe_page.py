"""The page of all keys of a recipe."""

from __future__ import annotations

from pipelines.drafting.draft import toml_value
from reference.recipe_tables import Key, Table, recipe_tables

HEAD = """
# Recipes

A recipe is a TOML file that says what a run maps, from what, and what it compares the map with. This page lists every key.
`croplayer init` writes a first recipe from your own files, `croplayer plan` checks one.

* A table in single brackets stands once; one in double brackets may stand several times.
* A relative path begins at the folder of the recipe. In every text `$RECIPE` is that folder, `$OUT` the folder of the run and
  `$CROPLAYER_DATA` the folder of the public data; `$$` is the sign itself.
* A key that is left out has its default. An unknown key is an error.

Editors check a recipe while you write it, show the meaning of a key and complete it, if the first line of the recipe names the
schema. `croplayer schema` prints it:

```
croplayer schema -o recipe.schema.json
```

```toml
#:schema ./recipe.schema.json
```

The extension Even Better TOML of VS Code reads that line; so do other editors with the language server Taplo. The schema finds
unknown keys, wrong types and values beyond their limits. `croplayer plan` also finds what needs the files.
"""
COLUMNS = "| key | type | default | unit | meaning | example |\n|---|---|---|---|---|---|\n"


def recipe_page() -> str:
    """The page in Markdown: a section for each table, with a row for each of its keys."""
    tables = recipe_tables()
    return HEAD + "\n" + "\n".join(_section(table, tables) for table in tables)


def _section(table: Table, tables: tuple[Table, ...]) -> str:
    rows = "".join(_row(key) for key in table.keys)
    keys = f"\n\n{COLUMNS}{rows}" if rows else "\n"
    return f"## {_title(table)}\n\n{_about(table, tables)}{keys}"


def _title(table: Table) -> str:
    if not table.header:
        return "Above the first table"
    return f"`{table.header}`" + (f" of the kind {table.chosen_by}" if table.chosen_by else "")


def _about(table: Table, tables: tuple[Table, ...]) -> str:
    if table.header:
        return table.meaning
    headers = dict.fromkeys(each.header for each in tables if each.header)
    return f"{table.meaning} These keys stand above all tables, which are {', '.join(f'`{h}`' for h in headers)}."


def _row(key: Key) -> str:
    default = "required" if key.is_required else f"`{toml_value(key.default)}`" if key.default is not None else "none"
    cells = (f"`{key.name}`", key.kind, default, key.unit, key.meaning, f"`{key.name} = {toml_value(key.example)}`")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
