"""The parts of a recipe that name imagery and elevation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from croplayer.sources.time_spans import parse_span
from pipelines.recipe_parts import (
    FilePath,
    FilePaths,
    Licensed,
    Name,
    Names,
    Networked,
    TomlPair,
    items_file,
    public_address,
)

Bands = Annotated[tuple[int, int, int], Field(strict=False)]


def _time(text: str) -> str:
    """A text that is empty or a time."""
    if text:
        parse_span(text)
    return text


Taken = Annotated[str, AfterValidator(_time)]


class FolderSource(Licensed):
    """XYZ tiles in files."""

    name: Name = Field(examples=["summer"])
    """Name of the source in maps, tables and the report."""
    kind: Literal["tiles"]
    """What the imagery is: here a folder of tiles."""
    template: FilePath = Field(examples=["tiles/{z}/{x}/{y}.jpg"])
    """Path of a tile, with {z} for the zoom, {x} for the column and {y} for the row, which counts from the north."""
    zoom: int = Field(default=16, json_schema_extra={"minimum": 0, "maximum": 22})
    """Zoom level of the tiles that are read, 0 to 22."""
    tile_px: int = Field(default=256, json_schema_extra={"enum": [256, 512]})
    """Edge of a tile, 256 or 512."""
    placeholders: Names = Field(
        default=(), examples=[["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]]
    )
    """sha256 of the tiles that the provider serves where it has no imagery."""
    taken: Taken = Field(default="", examples=["2020-06/2020-08"])
    """When the imagery was taken: a year, month or day, or two of them."""


class HttpSource(Licensed):
    """XYZ tiles of a provider."""

    name: Name = Field(examples=["summer"])
    """Name of the source in maps, tables and the report."""
    kind: Literal["http"]
    """What the imagery is: here tiles of a server."""
    template: str = Field(examples=["https://tiles.example.org/{z}/{x}/{y}.jpg?key={token}"])
    """Address of a tile, with {z}, {x}, {y} and {token} for the value of ``token_env``."""
    i_have_rights: bool = Field(default=False, examples=[True])
    """The statement that you may fetch, store and analyse the provider's imagery; without it nothing is fetched."""
    token_env: str | None = Field(default=None, examples=["CROPLAYER_TOKEN"])
    """Environment variable with the token: CROPLAYER_TOKEN, or a name that begins with CROPLAYER_TOKEN_."""
    edition: str = Field(default="", examples=["2024-05"])
    """A word for the date of the provider's imagery; another word makes a run fetch and map everything anew."""
    taken: Taken = Field(default="", examples=["2020-06/2020-08"])
    """When the imagery was taken: a year, month or day, or two of them."""
    zoom: int = Field(default=16, json_schema_extra={"minimum": 0, "maximum": 22})
    """Zoom level of the tiles that are fetched, 0 to 22."""
    tile_px: int = Field(default=256, json_schema_extra={"enum": [256, 512]})
    """Edge of a tile, 256 or 512."""
    placeholders: Names = Field(
        default=(), examples=[["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]]
    )
    """sha256 of the tiles that the provider serves where it has no imagery."""
    hosts: Names = Field(default=(), examples=[["cdn.example.org"]])
    """Other hosts that the provider may redirect to."""
    private_network: bool = Field(default=False, examples=[True])
    """Whether the hosts' names may resolve to addresses of a private network."""
    requests_per_s: float = Field(default=50.0, gt=0, json_schema_extra={"unit": "1/s"})
    """Highest rate of requests of one worker process."""
    deadline_s: float = Field(default=30.0, gt=0)
    """Time that one request may take, from the first look-up to the last byte."""
    patience_s: float = Field(default=300.0, gt=0)
    """How long a block waits for a provider that does not answer before it fails."""
    tries: int = Field(default=5, ge=1)
    """Failed requests of a tile after which its block fails."""
    cache: FilePath | None = Field(default=None, examples=["tiles"])
    """Folder in which tiles are kept with their digests."""
    witness: Annotated[tuple[int, int, int], Field(strict=False)] | None = Field(
        default=None, examples=[[53741, 26051, 16]]
    )
    """x, y and zoom of a tile that the provider is known to have."""

    @model_validator(mode="after")
    def _public(self) -> HttpSource:
        public_address(self.template, self.token_env)
        return self


class RasterImagery(Networked):
    """GeoTIFF or COG imagery."""

    name: Name = Field(examples=["summer"])
    """Name of the source in maps, tables and the report."""
    kind: Literal["raster"]
    """What the imagery is: here GeoTIFF files."""
    paths: FilePaths = Field(examples=[["imagery/north.tif", "imagery/south.tif"]])
    """Files or addresses; ``{token}`` in an address stands for the value of ``token_env``. The first valid pixel counts."""
    bands: Bands | None = Field(default=None, examples=[[4, 3, 2]])
    """Bands of red, green and blue; when not given, those that the files name so."""
    scale: TomlPair | None = Field(default=None, examples=[[0.0, 3000.0]])
    """Values that become 0 and 255, for pixels of other than 8 bits."""
    assume_crs: str | None = Field(default=None, examples=["EPSG:32650"])
    """CRS of files that have none."""
    taken: Taken = Field(default="", examples=["2020-06/2020-08"])
    """When the imagery was taken: a year, month or day, or two of them; when not given, what the files tell."""
    token_env: str | None = Field(default=None, examples=["CROPLAYER_TOKEN"])
    """Environment variable with the token: CROPLAYER_TOKEN, or a name that begins with CROPLAYER_TOKEN_."""

    @model_validator(mode="after")
    def _public(self) -> RasterImagery:
        for path in self.paths:
            public_address(path, self.token_env)
        return self


class StacImagery(Networked):
    """Imagery listed by STAC items."""

    name: Name = Field(examples=["summer"])
    """Name of the source in maps, tables and the report."""
    kind: Literal["stac"]
    """What the imagery is: here assets of STAC items."""
    items: FilePath = Field(examples=["imagery/items.json"])
    """GeoJSON file of the items, as a STAC API answers a search; the latest item comes first."""
    assets: Names = Field(default=("red", "green", "blue"))
    """Three assets of one band each, or one of several bands."""
    bands: Bands | None = Field(default=None, examples=[[4, 3, 2]])
    """Bands of red, green and blue of a single asset; when not given, those that the files name so."""
    scale: TomlPair | None = Field(default=None, examples=[[0.0, 0.3]])
    """Values that become 0 and 255, for pixels of other than 8 bits."""
    assume_crs: str | None = Field(default=None, examples=["EPSG:32650"])
    """CRS of files that have none."""
    folders: FilePaths = Field(default=(), examples=[["/data/scenes"]])
    """Folders, besides that of the items, in which their files may lie."""

    @model_validator(mode="after")
    def _file(self) -> StacImagery:
        items_file(self.items)
        return self


Source = Annotated[FolderSource | HttpSource | RasterImagery | StacImagery, Field(discriminator="kind")]


class Terrain(Networked):
    """The elevation model."""

    path: FilePath = Field(examples=["dem.tif"])
    """GeoTIFF of heights, or its address."""
    assume_crs: str | None = Field(default=None, examples=["EPSG:4326"])
    """CRS of a file that has none."""
    band: int | None = Field(default=None, examples=[1])
    """Band of the heights, of files with several; the first is 1."""
    unit: str | None = Field(default=None, examples=["m"])
    """Unit of the heights, which counts whatever the file says; when not given what the file says, or else metres."""
    token_env: str | None = Field(default=None, examples=["CROPLAYER_TOKEN"])
    """Environment variable with the token: CROPLAYER_TOKEN, or a name that begins with CROPLAYER_TOKEN_."""

    @model_validator(mode="after")
    def _public(self) -> Terrain:
        public_address(self.path, self.token_env)
        return self
