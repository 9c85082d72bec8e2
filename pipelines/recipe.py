"""The parts of a recipe, frozen and checked; an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from pipelines.recipe_models import Coverage, ReportPart, Segmentation
from pipelines.recipe_names import EDITION_PATTERN, check_edition, clashes
from pipelines.recipe_parts import (
    Codes,
    FilePath,
    FilePaths,
    Licensed,
    Name,
    NameOrPath,
    Names,
    Networked,
    Part,
    Publication,
    TomlPair,
    bytes_of,
    items_file,
    public_address,
    with_needs,
)
from pipelines.recipe_region import Grid, Region
from pipelines.recipe_sources import Source, Terrain
from stores.legends import DEFAULT_CLASSES, CorrectnessClasses
from stores.levels import factors_of
from stores.places import check_place


class Decisions(Licensed):
    """Reviewed blocks, classifiers and overrides; rules decide where no classifier is shown to be better, and the report says so."""

    reviews: FilePaths = Field(default=(), examples=[["review/blocks.gpkg"]])
    """Review files (CSV or GeoPackage)."""
    review_from_reference: bool = Field(default=False, examples=[True])
    """Whether the recipe's [reference] gives the labels of a systematic sample instead of a person."""
    sample_deg: float = Field(default=0.5, gt=0)
    """Edge of the squares of which that sample takes one block each."""
    overrides: FilePath | None = Field(default=None, examples=["overrides.csv"])
    """CSV file of manual decisions that take precedence: block, integration, reason."""
    correctness_model: FilePath | None = Field(default=None, examples=["runs/north"])
    """Classifier that decides the correctness, fitted in another run: that run's folder or its file
    ``tables/correctness_classifier.json``. Reviews then measure it, and nothing is fitted."""
    integration_model: FilePath | None = Field(default=None, examples=["runs/north"])
    """Classifier that decides the integration, likewise: ``tables/integration_classifier.json``."""
    classes: Names = DEFAULT_CLASSES.labels
    """Classes of semantic correctness."""
    correct: Names = DEFAULT_CLASSES.correct
    """Classes whose mask is correct."""
    seed: int = 0
    """Seed of the classifiers and of the squares of land that are held out."""

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


class Corrections(Licensed):
    """Corrections of the map by hand, which every run applies anew."""

    polygons: FilePath = Field(examples=["corrections.gpkg"])
    """Vector file with the columns action (add or remove), author, reason and date."""
    layer: str | None = Field(default=None, examples=["corrections"])
    """Layer of the polygons in a GeoPackage that has several."""


class ProductPart(Networked):
    """An existing map to compare with, read by a legend or by the codes given here."""

    name: Name = Field(examples=["esa"])
    """Name of the map in tables, columns and figures."""
    title: str = Field(examples=["ESA WorldCover 2021"])
    """Name of the map for readers of the report."""
    path: FilePath = Field(examples=["maps/worldcover/*.tif"])
    """A GeoTIFF, a folder of them, a pattern with *, or with ``asset`` a GeoJSON file of STAC items."""
    legend: NameOrPath = Field(default="", examples=["ESA"])
    """CACD, CLCD, ESA, ESRI, FROM, FCS30, GL30, SinoLC ..., or a legend file (TOML)."""
    include: Names = Field(default=(), examples=[["paddy"]])
    """Kinds of land (paddy, orchard, greenhouse, fallow) that are counted as cropland as well."""
    exclude: Names = Field(default=(), examples=[["orchard"]])
    """Kinds of land that are not counted."""
    asset: str = Field(default="", examples=["data"])
    """Asset of the STAC items."""
    year: int | None = Field(default=None, examples=[2020])
    """Year of the STAC items, and of the band where files have one for each of several years."""
    band: int | None = Field(default=None, examples=[3])
    """Band of files with several; the first is 1."""
    token_env: str | None = Field(default=None, examples=["CROPLAYER_TOKEN"])
    """Environment variable with the token: CROPLAYER_TOKEN, or a name that begins with CROPLAYER_TOKEN_."""
    folders: FilePaths = Field(default=(), examples=[["/data/maps"]])
    """Folders, besides that of the STAC items, in which their files may lie."""
    crop_codes: Codes = Field(default=(), examples=[[10, 11]])
    """Codes that are cropland, of a map without a legend; without codes the pixels are per cent of cropland."""
    known_codes: Codes = Field(default=(), examples=[[10, 11, 20, 30]])
    """All codes that the map may hold; another code is an error. When not given, every code is allowed."""
    nodata: Codes = Field(default=(), examples=[[255]])
    """Codes without information, in addition to the one that a file declares, unless a list here names that one."""
    assume_crs: str | None = Field(default=None, examples=["EPSG:4326"])
    """CRS of files that have none."""
    note: str = Field(default="", examples=["paddies are flooded vegetation here, not crops"])
    """What readers of the report must know of the map."""

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


class Admin(Licensed):
    """A level of admin units."""

    level: int = Field(default=1, ge=0)
    """0 is the country, 1 its provinces, 2 its prefectures or counties; statistics are of level 1."""
    path: FilePath = Field(examples=["provinces.gpkg"])
    """Vector file of the units: GeoPackage, shapefile, GeoJSON, FlatGeobuf or GeoParquet."""
    adcode: str = "adcode"
    """Column of the code, which is unique within the level."""
    name_en: str = "name_en"
    """Column of the name in English; a file may have no column of names, and then the code stands for them."""
    name_zh: str = "name_zh"
    """Column of the name in Chinese, or in any other language."""
    layer: str | None = Field(default=None, examples=["provinces"])
    """Layer of the units in a GeoPackage that has several."""
    encoding: str | None = Field(default=None, examples=["gb18030"])
    """Encoding of the texts of a shapefile, such as ``gb18030``; needed where the file does not tell."""


class Statistics(Licensed):
    """Official cropland areas of the units of level 1."""

    model_config = with_needs(area=("unit",), unit=("area",))

    path: FilePath = Field(examples=["statistics.csv"])
    """CSV file with a column of codes, one of names and one of areas."""
    adcode: str = "adcode"
    """Column of the units' codes."""
    name_en: str = "name_en"
    """Column of the units' names."""
    area: str = Field(default="", examples=["耕地面积"])
    """Column of the areas; when not given, the one of cropland_kha, cropland_ha, cropland_km2 and cropland_mu that is there."""
    unit: Literal["kha", "ha", "km2", "mu"] | None = Field(default=None, examples=["ha"])
    """Unit of the column that ``area`` names; kha is 1,000 ha."""
    year: int | None = Field(default=None, ge=1900, le=2100, examples=[2020])
    """Year that the areas are of; tables and report state it, and a year that the edition does not name is warned of."""
    adcode_pattern: str = Field(default="", examples=["CN0(\\d\\d)"])
    """Maps the units' codes to the table's: a regular expression whose groups are joined and filled with zeros."""
    sum_km2: TomlPair | None = Field(default=None, examples=[[1_200_000.0, 1_300_000.0]])
    """Lowest and highest plausible sum of the units' statistics; the sum of a table in another unit lies outside."""
    consistent_within: float = Field(default=0.1, gt=0)
    """Largest deviation of a consistent unit from its statistic, as a share; 0.1 is 10 %."""
    stopped_training: bool = Field(default=False, examples=[True])
    """Whether agreement with these statistics was also used to decide when to stop the training."""
    without: Names = Field(default=(), examples=[["810000", "820000"]])
    """Codes (as in the table) of units that are known to have no statistic."""

    @model_validator(mode="after")
    def _has_unit(self) -> Statistics:
        if bool(self.area) != (self.unit is not None):
            raise ValueError("give both area, the column of the areas, and its unit, or neither")
        return self

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


class Evaluation(Licensed):
    """Data drawn or labelled by people, to evaluate the maps of a run."""

    parcels: FilePath | None = Field(default=None, examples=["parcels.gpkg"])
    """Vector file of reference parcels; over- and under-segmentation are measured against them."""
    sample: FilePath | None = Field(default=None, examples=["sample.gpkg"])
    """Reviewed sample of ``croplayer area draw``; gives areas with confidence intervals."""


class Export(Part):
    """Files for other software."""

    level: int = 1
    """Level of the units that get files of their own."""
    names: Literal["zh", "en", "code"] = "zh"
    """The name of a unit in the names of its files, beside its code; the other one where it has none."""
    formats: Annotated[tuple[Literal["geotiff", "geoparquet", "shapefile"], ...], Field(strict=False)] = (
        "geotiff",
        "geoparquet",
        "shapefile",
    )
    """Files of each unit: the map as GeoTIFF, the regions of cropland as GeoParquet or shapefile."""


class Fields(Part):
    """Single fields of the map."""

    rules: str = "default"
    """The included rules, a file of ``croplayer models learn-fields``, or "queries" for a Mask2Former that was taught fields."""
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
    before: FilePath | None = Field(default=None, examples=["runs/my_2020"])
    """Folder of the run of an earlier edition; a field that is still there has its id."""


class Overviews(Part):
    """Coarser pixels of the map and the imagery in the cube, from 4 pixels along one to a whole block. The table has no keys."""


class Slurm(Part):
    """Jobs of a Slurm cluster; each holds one worker."""

    queue: str | None = Field(default=None, examples=["normal"])
    """Partition of the jobs; the cluster's default when not given."""
    account: str | None = Field(default=None, examples=["project_1"])
    """Account that the jobs are charged to."""
    cores: int = Field(default=1, ge=1)
    """CPUs of a job."""
    walltime: str = Field(default="04:00:00", json_schema_extra={"unit": "h:min:s"})
    """Time after which a job ends."""
    directives: Names = Field(default=(), examples=[["--gres=gpu:1"]])
    """Further #SBATCH lines."""
    prologue: Names = Field(default=(), examples=[["source .venv/bin/activate"]])
    """Shell commands that run before the worker starts."""
    interface: str | None = Field(default=None, examples=["ib0"])
    """Network interface between the nodes."""


class Cluster(Part):
    """The workers of a run, and the limits of a block."""

    workers: int = Field(default=2, ge=1)
    """Processes of the embedded cluster, or jobs of a Slurm cluster."""
    memory_limit: str = Field(default="6GiB", json_schema_extra={"unit": "bytes"})
    """Memory limit of the process that works on a block; a block that exceeds it fails, and only that block."""
    deadline_s: float = Field(default=1800, gt=0)
    """Time after which a block counts as hung; only that block fails, and its record says where it hung."""
    wait_s: float = Field(default=300, gt=0)
    """Time without any worker after which a run stops."""
    network_resource: str | None = Field(default=None, examples=["GPU"])
    """Dask resource that workers must offer to run the network; any worker when not given."""
    slurm: Slurm | None = None
    """Where workers are jobs of a Slurm cluster: how they are asked for."""

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

    url: str = Field(examples=["s3://maps/north"])
    """s3://BUCKET/PREFIX; endpoint, region and keys come from AWS_* environment variables."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        check_place(url)
        return url.rstrip("/")


class Recipe(Part):
    """The recipe of a whole run."""

    model_config = with_needs(
        sources=("segmentation", "region"),
        products=("region",),
        statistics=("admin",),
        export=("admin",),
        fields=("sources",),
        overviews=("sources",),
        corrections=("sources",),
    )

    name: Name = Field(examples=["my_region"])
    """Name of the recipe, for messages and the report."""
    title: str = Field(examples=["Cropland of my region"])
    """Title of the report."""
    about: str = Field(default="", examples=["Real imagery of 2020; there is no ground truth."])
    """Sentences at the top of the report, such as which data are real and which are synthetic."""
    edition: Annotated[str, AfterValidator(check_edition)] = Field(
        default="1", examples=["2020"], json_schema_extra={"pattern": EDITION_PATTERN}
    )
    """Version of the map, such as its year, which names the map's group in the cube."""
    region: Region | None = None
    """Where to map."""
    grid: Grid = Field(default_factory=Grid)
    """How fine to map."""
    sources: Annotated[tuple[Source, ...], Field(strict=False, max_length=2)] = ()
    """The imagery: one or two sources."""
    terrain: Terrain | None = None
    """The elevation model; blocks get heights and slopes from it."""
    segmentation: Segmentation | None = None
    """The network that maps cropland; needed with sources."""
    coverage: Coverage | None = None
    """The classifier of coverage types; without it no block counts as cloudy, snowy or unplanted."""
    decisions: Decisions = Field(default_factory=Decisions)
    """How blocks are decided: correctness and integration."""
    corrections: Corrections | None = None
    """Polygons that correct the map by hand."""
    products: Annotated[tuple[ProductPart, ...], Field(strict=False)] = ()
    """Existing maps to compare with."""
    reference: ProductPart | None = None
    """A map that is taken as true, with the keys of products; gives accuracy."""
    admin: Annotated[tuple[Admin, ...], Field(strict=False)] = ()
    """Admin units by which areas are summed, and files exported."""
    statistics: Statistics | None = None
    """Official cropland areas to compare with."""
    evaluation: Evaluation = Field(default_factory=Evaluation)
    """Data drawn or labelled by people, to evaluate the map with."""
    fields: Fields | None = None
    """With this table a run also finds single fields."""
    overviews: Overviews | None = None
    """With this table a run also averages its map and imagery to coarser pixels, from which large regions are drawn."""
    publication: Publication | None = None
    """Licence, producer and citation of the map, for packages and catalogs."""
    export: Export | None = None
    """With this table a run also writes files for each unit."""
    report: ReportPart | None = None
    """What else the report shows."""
    store: Store | None = None
    """Where the cube lies, if not in the run's folder."""
    cluster: Cluster = Field(default_factory=Cluster)
    """The workers."""

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
        yield from self._without_overviews()
        if self.export and self.export.level not in levels:
            yield f"[export] needs [[admin]] units of its level {self.export.level}; {_levels_given(levels)}"

    def _without_overviews(self) -> Iterator[str]:
        """Why a recipe that asks for overviews can have none."""
        if self.overviews is None:
            return
        if not self.sources:
            yield "[overviews] needs [[sources]]: they show a map that the run makes"
        try:
            factors_of(self.grid.block_px)
        except ValueError as error:
            yield f"[overviews]: {error}; [grid] has block_px {self.grid.block_px}"

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
