"""What all parts of a recipe have in common: they are frozen, an unknown key is an error, and paths begin at the recipe."""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo

FOLDER = "folder"
"""Entry of the context of a validation: the folder of the recipe's file; without it, paths stay as they are."""
FIRST_WILD = "{*?["
"""Characters with which the part of a path begins that stands for several files."""

BYTES = {"": 1} | {f"{unit}{i}": (1024 if i else 1000) ** (n + 1) for n, unit in enumerate("kmgtp") for i in ("", "i")}
"""Bytes of a unit, in lower case and without the B."""


class Part(BaseModel):
    """A part of a recipe.

    Each key has a sentence below it, and an example where its default is none. The reference and the schema are made of
    them; `json_schema_extra` says there what only a validator tells, and the unit of a key whose name does not end in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def one_of_keys(*keys: str) -> ConfigDict:
    """What a schema says of a table in which exactly one of some keys must stand."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


def with_needs(**needs: Sequence[str]) -> ConfigDict:
    """What a schema says of a table in which a key, unless it is empty, needs others."""
    rules: dict[str, JsonValue] = {
        key: {"anyOf": [{"properties": {key: {"enum": [[], ""]}}}, {"required": list[JsonValue](others)}]}
        for key, others in needs.items()
    }
    return ConfigDict(json_schema_extra={"dependencies": rules})


def beside_recipe(text: str, info: ValidationInfo) -> str:
    """A path as an absolute one: a relative path begins at the folder of the recipe. Addresses stay as they are.

    Raises ValueError for a path that is not there but would be in the working folder, where earlier versions looked.
    """
    folder = (info.context or {}).get(FOLDER)
    if folder is None or not text or "://" in text or Path(text).is_absolute():
        return text
    there, here = Path(folder) / text, Path(text)
    if not _fixed_part(there).exists() and _fixed_part(here).exists() and str(here) != ".":
        raise ValueError(
            f"'{text}' does not exist beside the recipe, but it does in the working folder; relative paths begin at the "
            f"folder of the recipe, so write '{os.path.relpath(here, folder)}'"
        )
    return str(there)


def name_or_beside_recipe(text: str, info: ValidationInfo) -> str:
    """A name as it is, or a path, which holds a / or ends with .toml, as `beside_recipe` gives it."""
    is_path = "/" in text or os.sep in text or text.endswith(".toml")
    return beside_recipe(text, info) if is_path else text


def start_beside_recipe(text: str, info: ValidationInfo) -> str:
    """A name, or a path as `name_or_beside_recipe` gives it.

    owner/model and owner/model@revision are names on a hub where there is no such folder.
    """
    place = name_or_beside_recipe(text, info)
    may_be_on_a_hub = text.partition("@")[0].count("/") == 1 and not text.startswith((".", "/"))
    return text if may_be_on_a_hub and not Path(place).exists() else place


def _fixed_part(path: Path) -> Path:
    """The part of a path before the first that stands for several files."""
    fixed = [*path.parts]
    wild = next((i for i, part in enumerate(fixed) if any(c in part for c in FIRST_WILD)), len(fixed))
    return Path(*fixed[:wild])


Name = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64, description="lower-case letters, digits and _")
]
FilePath = Annotated[str, AfterValidator(beside_recipe)]
Start = Annotated[str, AfterValidator(start_beside_recipe)]
"""What a training starts from."""
FilePaths = Annotated[tuple[FilePath, ...], Field(strict=False)]
NameOrPath = Annotated[str, AfterValidator(name_or_beside_recipe)]
TomlPair = Annotated[tuple[float, float], Field(strict=False)]
Codes = Annotated[tuple[int, ...], Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


LICENCE_KEYS = frozenset({"licence", "terms", "may_publish"})
"""Keys of `Licensed`, on which no result of a run depends."""


class Licensed(Part):
    """A part that names data of somebody, and may say what their licence is."""

    licence: str | None = Field(default=None, examples=["CC-BY-4.0"])
    """Licence of these data: an SPDX identifier, or words that name it. `croplayer publish` reads what it demands."""
    terms: str | None = Field(default=None, examples=["https://example.org/terms"])
    """Address of the licence or of the provider's terms."""
    may_publish: Annotated[tuple[Literal["results", "pictures"], ...], Field(strict=False)] | None = Field(
        default=None, examples=[["results", "pictures"]]
    )
    """What you may publish by agreement, whatever the licence says: results that are made of these data, pictures that show
    them. When not given, the licence tells."""


class Publication(Part):
    """How the map is handed out: who made it, under which licence, and how to cite it."""

    licence: str | None = Field(default=None, examples=["CC-BY-4.0"])
    """Licence of the map: an SPDX identifier, or words that name it."""
    terms: str | None = Field(default=None, examples=["https://creativecommons.org/licenses/by/4.0/"])
    """Address of the licence."""
    producer: str | None = Field(default=None, examples=["Office of Land Survey"])
    """Who made the map."""
    citation: str | None = Field(
        default=None, examples=["Office of Land Survey (2024): Cropland of the north, edition 2020."]
    )
    """How others cite the map; when not given, title, edition and producer."""


class Networked(Licensed):
    """A part whose files may lie on a server. Nothing is fetched unless the recipe states the rights."""

    i_have_rights: bool = Field(default=False, examples=[True])
    """The statement that you may fetch, store and analyse what lies at the addresses."""
    hosts: Names = Field(default=(), examples=[["data.example.org"]])
    """Further hosts that may be reached: those that STAC items refer to, or that a server redirects to."""
    private_network: bool = Field(default=False, examples=[True])
    """Whether the hosts' names may resolve to addresses of a private network."""


def public_address(address: str, token_env: str | None = None) -> str:
    """An address that may be stored; raises ValueError if it holds what may be a secret, or its token has no variable."""
    from croplayer.sources.addresses import check_public

    check_public(address, token_env, "address")
    return address


def bytes_of(text: str) -> int:
    """Number of bytes of an amount like ``6GiB`` or ``500 MB``; raises ValueError for other texts.

    Equals `dask.utils.parse_bytes`, which takes a tenth of a second to import.
    """
    text = text.replace(" ", "")
    number = text.rstrip(string.ascii_letters)
    unit = text[len(number) :].lower().removesuffix("b")
    if unit not in BYTES:
        raise ValueError(f"'{text}' has no unit of bytes; expected a form like '6GiB'")
    try:
        return int(float(number or 1) * BYTES[unit])
    except OverflowError:
        raise ValueError(f"'{text}' is too large") from None


def items_file(path: str) -> str:
    """A path of STAC items; raises ValueError for an address."""
    if "://" in path:
        raise ValueError(
            "STAC items are read from a file; save the answer of the search, or let `croplayer init --stac` do so, and name the file"
        )
    return path
