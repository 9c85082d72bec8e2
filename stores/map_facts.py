"""What goes along with the files of a map: title, edition, licence, inputs, how to cite it."""

from __future__ import annotations

from dataclasses import dataclass

from stores.licences import Licence, LicensedInput


@dataclass(frozen=True)
class MapFacts:
    """The facts about a map that go along with its files."""

    name: str
    """Name of its recipe."""
    title: str
    about: str
    edition: str
    version: str
    """Of croplayer."""
    block_px: int
    """Pixels along a block of 0.05 degree."""
    sources: tuple[str, ...]
    licence: str | None
    """Licence of the map; None where nobody stated one."""
    terms: str | None
    producer: str | None
    citation: str | None
    inputs: tuple[LicensedInput, ...]
    """What it is made of, with the licence of each."""

    @property
    def own_licence(self) -> Licence | None:
        """The licence of the map, where one is stated."""
        return Licence.of(self.licence) if self.licence else None

    @property
    def cited(self) -> str:
        """How to cite the map: as its recipe says, else by producer, title and edition."""
        if self.citation:
            return self.citation
        producer = f"{self.producer}: " if self.producer else ""
        return f"{producer}{self.title}, edition {self.edition}. Made with croplayer {self.version}."
