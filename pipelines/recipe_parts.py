"""What all parts of a recipe have in common: they are frozen, and an unknown key is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits and _")]
TomlPair = Annotated[tuple[float, float], Field(strict=False)]
Codes = Annotated[tuple[int, ...], Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class Networked(Part):
    """A part whose files may lie on a server. Nothing is fetched unless the recipe states the rights."""

    i_have_rights: bool = False
    """The statement that you may fetch, store and analyse what lies at the addresses."""
    hosts: Names = ()
    """Further hosts that may be reached: those that STAC items refer to, or that a server redirects to."""
    private_network: bool = False
    """Whether the hosts' names may resolve to addresses of a private network."""


def public_address(address: str, token_env: str | None = None) -> str:
    """An address that may be stored; raises ValueError if it holds what may be a secret, or its token has no variable."""
    from croplayer.sources.addresses import check_public

    check_public(address, token_env, "address")
    return address


def items_file(path: str) -> str:
    """A path of STAC items; raises ValueError for an address."""
    if "://" in path:
        raise ValueError("STAC items are read from a file; save the answer of the search, and name the file")
    return path
