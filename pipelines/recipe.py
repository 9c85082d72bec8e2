"""The parts of a recipe, frozen and checked; an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipelines.recipe_models import Coverage, ReportPart, Segmentation
from pipelines.recipe_names import check_edition, clashes
from pipelines.recipe_parts import (
    Codes,
    FilePath,
    FilePaths,
    Name,
    NameOrPath,
    Names,
    Networked,
    Part,
    TomlPair,
    bytes_of,
    items_file,
    public_address,
)
from pipelines.recipe_region import Grid, Region
from stores.legends import DEFAULT_CLASSES, CorrectnessClasses
from stores.places import check_place


class FolderSource(Part):
    """XYZ tiles in files."""

    name: Name
    kind: Literal["tiles"]
    template: FilePath
    zoom: int = 16
    tile_px: int = 256
    placeholders: Names = ()
    """sha256 of the tiles that the provider serves where it has no imagery."""


class HttpSource(Part):
    """XYZ tiles of a provider."""

    name: Name
    kind: Literal["http"]
    template: str
    i_have_rights: bool = False
    token_env: str | None = None
    edition: str = ""
    zoom: int = 16
    tile_px: int = 256
    placeholders: Names = ()
    """sha256 of the tiles that the provider serves where it has no imagery."""
    hosts: Names = ()
    """Other hosts that the provider may redirect to."""
    private_network: bool = False
    requests_per_s: float = Field(default=50.0, gt=0)
    """Highest rate of requests of one worker process."""
    deadline_s: float = Field(default=30.0, gt=0)
    patience_s: float = Field(default=300.0, gt=0)
    """How long a block waits for a provider that does not answer before it fails."""
    tries: int = Field(default=5, ge=1)
    cache: FilePath | None = None
    """Folder in which tiles are kept with their digests."""
    witness: Annotated[tuple[int, int, int], Field(strict=False)] | None = None
    """x, y and zoom of a tile that the provider is known to have."""

    @model_validator(mode="after")
    def _public(self) -> HttpSource:
        public_address(self.template, self.token_env)
        return self


Bands = Annotated[tuple[int, int, int], Field(strict=False)]


class RasterImagery(Networked):
    """GeoTIFF or COG imagery."""

    name: Name
    kind: Literal["raster"]
    paths: FilePaths
    """Files or addresses; ``{token}`` in an address stands for the value of ``token_env``."""
    bands: Bands | None = None
    """Bands of red, green and blue; when not given, those that the files name so."""
    scale: TomlPair | None = None
    """Values that become 0 and 255, for pixels of other than 8 bits."""
    assume_crs: str | None = None
    token_env: str | None = None

    @model_validator(mode="after")
    def _public(self) -> RasterImagery:
        for path in self.paths:
            public_address(path, self.token_env)
        return self


class StacImagery(Networked):
    """Imagery listed by STAC items."""

    name: Name
    kind: Literal["stac"]
    items: FilePath
    assets: Names = ("red", "green", "blue")
    """Three assets of one band each, or one of several bands."""
    bands: Bands | None = None
    """Bands of red, green and blue of a single asset; when not given, those that the files name so."""
    scale: TomlPair | None = None
    """Values that become 0 and 255, for pixels of other than 8 bits."""
    assume_crs: str | None = None
    folders: FilePaths = ()
    """Folders, besides that of the items, in which their files may lie."""

    @model_validator(mode="after")
    def _file(self) -> StacImagery:
        items_file(self.items)
        return self


Source = Annotated[FolderSource | HttpSource | RasterImagery | StacImagery, Field(discriminator="kind")]


class Terrain(Networked):
    """The elevation model."""

    path: FilePath
    assume_crs: str | None = None
    band: int | None = None
    """Band of the heights, of files with several."""
    unit: str | None = None
    """Unit of the heights, which counts whatever the file says; when not given what the file says, or else metres."""
    token_env: str | None = None

    @model_validator(mode="after")
    def _public(self) -> Terrain:
        public_address(self.path, self.token_env)
        return self


class Decisions(Part):
    """Reviewed blocks, classifiers and overrides; rules decide where no classifier is shown to be better, and the report says so."""

    reviews: FilePaths = ()
    """Review files (CSV or GeoPackage)."""
    review_from_reference: bool = False
    """Whether the recipe's [reference] gives the labels of a systematic sample instead of a person."""
    sample_deg: float = Field(default=0.5, gt=0)
    """Grid of that sample in degrees."""
    overrides: FilePath | None = None
    """File of manual decisions that take precedence."""
    correctness_model: FilePath | None = None
    """Classifier that decides the correctness, fitted in another run: that run's folder or its file
    ``tables/correctness_classifier.json``. Reviews then measure it, and nothing is fitted."""
    integration_model: FilePath | None = None
    """Classifier that decides the integration, likewise: ``tables/integration_classifier.json``."""
    classes: Names = DEFAULT_CLASSES.labels
    """Classes of semantic correctness."""
    correct: Names = DEFAULT_CLASSES.correct
    """Classes whose mask is correct."""
    seed: int = 0

    @model_validator(mode="after")
    def _consistent(self) -> Decisions:
        if self.reviews and self.review_from_reference:
            raise ValueError("give either reviews or review_from_reference")
        if self.review_from_reference and self.correctness_classes != DEFAULT_CLASSES:
            raise ValueError("review_from_reference supports only the default classes")
        return self

    def model_of(self, kind: str) -> str | None:
        """The classifier that is named for the correctness or the integration; None for none."""
        return {"correctness": self.correctness_model, "integration": self.integration_model}[kind]

    @property
    def correctness_classes(self) -> CorrectnessClasses:
        """The classes of correctness, and those that mean a mask is right."""
        return CorrectnessClasses(self.classes, self.correct)


class Corrections(Part):
    """Corrections of the map by hand, which every run applies anew."""

    polygons: FilePath
    """Vector file with the columns action (add or remove), author, reason and date."""
    layer: str | None = None
    """Layer of the polygons in a GeoPackage that has several."""


class ProductPart(Networked):
    """An existing map to compare with, read by a legend or by the codes given here."""

    name: Name
    title: str
    path: FilePath
    """A GeoTIFF, a folder of them, a pattern with *, or with ``asset`` a GeoJSON file of STAC items."""
    legend: NameOrPath = ""
    """CACD, CLCD, ESA, ESRI, FROM, FCS30, GL30, SinoLC ..., or a legend file (TOML)."""
    include: Names = ()
    """Kinds of land (paddy, orchard, greenhouse, fallow) that are counted as cropland as well."""
    exclude: Names = ()
    """Kinds of land that are not counted."""
    asset: str = ""
    """Asset of the STAC items."""
    year: int | None = None
    """Year of the STAC items, and of the band where files have one for each of several years."""
    band: int | None = None
    """Band of files with several."""
    token_env: str | None = None
    folders: FilePaths = ()
    """Folders, besides that of the STAC items, in which their files may lie."""
    crop_codes: Codes = ()
    known_codes: Codes = ()
    nodata: Codes = ()
    """Codes without information, in addition to the one that a file declares, unless a list here names that one."""
    assume_crs: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _one(self) -> ProductPart:
        if self.legend and (self.crop_codes or self.known_codes or self.nodata):
            raise ValueError("give either a legend or codes")
        if not self.legend and (self.include or self.exclude or self.asset):
            raise ValueError("include, exclude and asset need a legend")
        if self.band is not None and self.year is not None and not self.asset:
            raise ValueError("give either band or year")
        public_address(self.path, self.token_env)
        if self.asset:
            items_file(self.path)
        return self


class Admin(Part):
    """A level of admin units."""

    level: int = Field(default=1, ge=0)
    path: FilePath
    adcode: str = "adcode"
    name_en: str = "name_en"
    name_zh: str = "name_zh"
    """Columns of the names; a file may have neither, and then the code stands for them."""
    layer: str | None = None
    """Layer of the units in a GeoPackage that has several."""
    encoding: str | None = None
    """Encoding of the texts of a shapefile, such as ``gb18030``; needed where the file does not tell."""


class Statistics(Part):
    """Official cropland areas of the units of level 1."""

    path: FilePath
    adcode_pattern: str = ""
    """Maps the units' codes to the table's: a regular expression whose groups are joined and filled with zeros."""
    sum_km2: TomlPair | None = None
    """Lowest and highest plausible sum of the units' statistics; the sum of a table in another unit lies outside."""
    consistent_within: float = Field(default=0.1, gt=0)
    stopped_training: bool = False
    """Whether agreement with these statistics was also used to decide when to stop the training."""
    without: Names = ()
    """Codes (as in the table) of units that are known to have no statistic."""

    @field_validator("adcode_pattern")
    @classmethod
    def _has_groups(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        if pattern and not groups:
            raise ValueError(f"'{pattern}' has no group; put what the table's code is made of in ( )")
        return pattern


class Evaluation(Part):
    """Data drawn or labelled by people, to evaluate the maps of a run."""

    parcels: FilePath | None = None
    """Vector file of reference parcels; over- and under-segmentation are measured against them."""
    sample: FilePath | None = None
    """Reviewed sample of ``croplayer area draw``; gives areas with confidence intervals."""


class Export(Part):
    """Files for other software."""

    level: int = 1
    names: Literal["zh", "en", "code"] = "zh"
    """The name of a unit in the names of its files, beside its code; the other one where it has none."""
    formats: Annotated[tuple[Literal["geotiff", "geoparquet", "shapefile"], ...], Field(strict=False)] = (
        "geotiff",
        "geoparquet",
        "shapefile",
    )


class Fields(Part):
    """Single fields of the map."""

    rules: str = "default"
    """The included rules, or a file of ``croplayer models learn-fields``."""
    min_area_ha: float = Field(default=0.05, ge=0, le=100)
    """Smaller ones are left out; 0.05 ha is three quarters of a mu."""
    max_area_ha: float = Field(default=2000.0, gt=0)
    """Larger ones are left out: their fields could not be told apart."""
    min_confidence: float = Field(default=0.2, ge=0, le=1)
    """Those that match a drawn field more rarely are left out."""
    fill_holes_ha: float = Field(default=0.05, ge=0)
    """Smaller holes in outlines are filled, but none that could hold a field of min_area_ha; areas stay those of pixels."""
    formats: Annotated[
        tuple[Literal["geoparquet", "flatgeobuf", "geopackage", "shapefile", "pmtiles"], ...], Field(strict=False)
    ] = ("geoparquet",)
    """Files of each unit; GeoParquet is always written, because everything else reads it."""
    simplify_m: float = Field(default=3.0, ge=0, le=100)
    """Outlines keep to those of the pixels within about this distance; 0 leaves the sides of pixels."""


class Slurm(Part):
    """Jobs of a Slurm cluster; each holds one worker."""

    queue: str | None = None
    account: str | None = None
    cores: int = Field(default=1, ge=1)
    """CPUs of a job."""
    walltime: str = "04:00:00"
    directives: Names = ()
    """Further #SBATCH lines, for example ``--gres=gpu:1``."""
    prologue: Names = ()
    """Shell commands that run before the worker starts, for example ``source .venv/bin/activate``."""
    interface: str | None = None
    """Network interface between the nodes, for example ``ib0``."""


class Cluster(Part):
    """The workers of a run, and the limits of a block."""

    workers: int = Field(default=2, ge=1)
    """Processes of the embedded cluster, or jobs of a Slurm cluster."""
    memory_limit: str = "6GiB"
    """Memory limit of the process that works on a block; a block that exceeds it fails, and only that block."""
    deadline_s: float = Field(default=1800, gt=0)
    """Time after which a block counts as hung; only that block fails, and its record says where it hung."""
    wait_s: float = Field(default=300, gt=0)
    """Time without any worker after which a run stops."""
    network_resource: str | None = None
    """Dask resource that workers must offer to run the network, for example ``GPU``; any worker when not given."""
    slurm: Slurm | None = None

    @property
    def memory_limit_bytes(self) -> int:
        """The memory limit of a worker in bytes."""
        return bytes_of(self.memory_limit)

    @field_validator("memory_limit")
    @classmethod
    def _is_bytes(cls, text: str) -> str:
        try:
            valid = bytes_of(text) > 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"'{text}' is not an amount of memory; expected a form like '6GiB'")
        return text


class Store(Part):
    """A bucket of an S3-compatible store for the cube; everything else stays in the run's folder."""

    url: str
    """s3://BUCKET/PREFIX; endpoint, region and keys come from AWS_* environment variables."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        check_place(url)
        return url.rstrip("/")


class Recipe(Part):
    """The recipe of a whole run."""

    name: Name
    title: str
    about: str = ""
    """Sentences at the top of the report, such as which data are real and which are synthetic."""
    edition: Annotated[str, AfterValidator(check_edition)] = "1"
    region: Region | None = None
    grid: Grid = Field(default_factory=Grid)
    sources: Annotated[tuple[Source, ...], Field(strict=False, max_length=2)] = ()
    terrain: Terrain | None = None
    segmentation: Segmentation | None = None
    coverage: Coverage | None = None
    decisions: Decisions = Field(default_factory=Decisions)
    corrections: Corrections | None = None
    products: Annotated[tuple[ProductPart, ...], Field(strict=False)] = ()
    reference: ProductPart | None = None
    admin: Annotated[tuple[Admin, ...], Field(strict=False)] = ()
    statistics: Statistics | None = None
    evaluation: Evaluation = Field(default_factory=Evaluation)
    fields: Fields | None = None
    export: Export | None = None
    report: ReportPart | None = None
    store: Store | None = None
    cluster: Cluster = Field(default_factory=Cluster)

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        problems = [
            *self._lacking(),
            *clashes(self.source_names, [p.name for p in self.products], self._reference_name),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def _reference_name(self) -> str | None:
        return self.reference.name if self.reference else None

    def _lacking(self) -> Iterator[str]:
        """Sentences about tables that need others."""
        if self.sources and self.segmentation is None:
            yield "a recipe with sources needs a [segmentation] model"
        cell = min(self.grid.cell_px, self.grid.block_px)
        if self.sources and (cell % 2 or 2 * self.grid.blend_px > cell):
            yield f"[grid]: a cell of {cell} px must be even and at least twice blend_px {self.grid.blend_px}"
        if (self.sources or self.products) and self.region is None:
            yield "a recipe with sources or products needs a [region]"
        if self.decisions.review_from_reference and self.reference is None:
            yield "[decisions]: review_from_reference needs a [reference]"
        levels = [a.level for a in self.admin]
        if self.statistics and 1 not in levels:
            yield f"[statistics] needs [[admin]] units of level 1; {_levels_given(levels)}"
        if self.corrections and not self.sources:
            yield "[corrections] needs [[sources]]: a map that the run makes is corrected"
        if self.fields and not self.sources:
            yield "[fields] needs [[sources]]: fields are found in a map that the run makes"
        if self.fields and self.fields.max_area_ha <= self.fields.min_area_ha:
            yield f"[fields]: max_area_ha {self.fields.max_area_ha:g} must be above min_area_ha {self.fields.min_area_ha:g}"
        if self.export and self.export.level not in levels:
            yield f"[export] needs [[admin]] units of its level {self.export.level}; {_levels_given(levels)}"

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the imagery sources in their order."""
        return tuple(s.name for s in self.sources)

    def to_toml(self) -> str:
        """The recipe with every default written out."""
        import tomli_w  # only a run writes its recipe

        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


def _levels_given(levels: Sequence[int]) -> str:
    """What the recipe has, and what to do about a level that it lacks."""
    given = f"the recipe has level {', '.join(map(str, sorted(set(levels))))}" if levels else "the recipe has none"
    return f"{given}; add a table [[admin]] with that level and the path of its units"


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_none(v) for v in value]
    return value
