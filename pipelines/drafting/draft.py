"""A draft of a recipe: its tables with the reason of each value, and the text of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

GUESS = "guess"


class Entry(NamedTuple):
    """A key of a draft."""

    key: str
    value: Any
    why: str = ""
    """Where the value comes from; empty where that is plain."""
    is_guess: bool = False

    @property
    def comment(self) -> str:
        """What the recipe says of the value; empty for nothing."""
        return f"{GUESS}: {self.why}" if self.is_guess else self.why


class Table(NamedTuple):
    """A table of a draft."""

    header: str
    """As the recipe writes it; empty for the keys above the first table."""
    entries: tuple[Entry, ...]

    @property
    def key(self) -> str:
        """The key of the recipe that holds the table."""
        return self.header.strip("[]")


def plain(tables: Sequence[Table]) -> dict[str, Any]:
    """The values of a draft as a recipe is read."""
    out: dict[str, Any] = {}
    for table in tables:
        values = {entry.key: entry.value for entry in table.entries}
        if not table.header:
            out |= values
        elif table.header.startswith("[["):
            out.setdefault(table.key, []).append(values)
        else:
            out[table.key] = values
    return out


def guesses_of(tables: Sequence[Table]) -> Iterator[str]:
    """A line for each guess of a draft: its place, its value and its reason."""
    for i, table in enumerate(tables):
        is_list = table.header.startswith("[[")
        number = f" {sum(other.header == table.header for other in tables[: i + 1])}" if is_list else ""
        for entry in table.entries:
            if entry.is_guess:
                yield f"{table.header}{number} {entry.key} = {toml_value(entry.value)}: {entry.why}".strip()


def recipe_text(tables: Sequence[Table], head: Sequence[str], end: Sequence[str]) -> str:
    """The text of a recipe.

    Parameters
    ----------
    head, end : comments above and below the tables, a line each
    """
    parts = [*(f"#{line}" if line.startswith(":") else f"# {line}" for line in head)]
    for table in tables:
        parts += ["", table.header] if table.header else []
        for entry in table.entries:
            parts += [f"# {entry.comment}"] if entry.comment else []
            parts.append(f"{entry.key} = {toml_value(entry.value)}")
    parts += ["", *(f"# {line}".rstrip() for line in end)]
    return "\n".join(parts) + "\n"


def toml_value(value: Any) -> str:
    """A value as a recipe writes it, in one line; a $ in a text is doubled, because it would begin a variable."""
    import tomli_w  # only who writes recipes needs it

    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    if isinstance(value, str):
        value = value.replace("$", "$$")
    return tomli_w.dumps({"key": value}).removeprefix("key = ").strip()
