"""The eight maps the country is compared with: legend, errors, grid and file names of each, as published.

The maps are degraded from the truth of the synthetic country; only their form is that of the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from croplayer.landscape.classes import LandCover

ALBERS = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +datum=WGS84 +units=m +no_defs"

_ANNUAL = (LandCover.WINTER_GRAIN, LandCover.MAIZE, LandCover.VEGETABLES, LandCover.OILSEED)
_GROUPS: dict[str, tuple[LandCover, ...]] = {
    "annual": _ANNUAL,
    "paddy": (LandCover.PADDY,),
    "fallow": (LandCover.FALLOW,),
    "greenhouse": (LandCover.GREENHOUSE,),
    "orchard": (LandCover.ORCHARD,),
    "forest": (LandCover.WOODLAND,),
    "shrub": (LandCover.SHRUB,),
    "grass": (LandCover.GRASSLAND, LandCover.PARK),
    "wetland": (LandCover.WETLAND,),
    "water": (LandCover.WATER,),
    "boundary": (LandCover.BOUNDARY,),
    "road": (LandCover.ROAD,),
    "built": (LandCover.BUILT,),
    "bare": (LandCover.BARE, LandCover.DUNE),
}


@dataclass(frozen=True)
class ProductDefinition:
    """One map: its legend, its errors and its grid."""

    key: str
    """Short name, also of its folder."""

    year: int
    """Year in its file names."""

    crs: str
    """EPSG code or PROJ string; "UTM" for one file per zone."""

    pixel: float
    """Degrees in EPSG:4326, else metres."""

    codes: Mapping[str, int]
    """Code of every group of land covers; "boundary" is what field boundaries become."""

    legend: Mapping[int, tuple[str, bool]]
    """Name and whether it is cropland, by code."""

    errors: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Group of land covers to (wrong code, share of parcels or patches that get it)."""

    samples: int = 1
    """Points along the edge of a pixel that vote for its class."""

    nodata: int = 0
    """Code of pixels outside the truth."""

    tile_deg: int | None = None
    """Size of its files in degrees; None for one file."""

    def table(self) -> tuple[list[int], list[int], list[float]]:
        """Code, wrong code and error share by land-cover code: three lists of 256."""
        code, wrong, share = [self.nodata] * 256, [self.nodata] * 256, [0.0] * 256
        for group, covers in _GROUPS.items():
            for cover in covers:
                code[cover] = self.codes[group]
                wrong[cover], share[cover] = self.errors.get(group, (self.codes[group], 0.0))
        return code, wrong, share


def _codes(
    *, annual: int, forest: int, shrub: int, grass: int, water: int, built: int, bare: int, **other: int
) -> dict[str, int]:
    """Codes of all groups; a group that is not named gets the code of a similar one."""
    full = {
        "annual": annual,
        "paddy": annual,
        "fallow": annual,
        "greenhouse": annual,
        "orchard": forest,
        "forest": forest,
        "shrub": shrub,
        "grass": grass,
        "wetland": grass,
        "water": water,
        "boundary": annual,
        "road": built,
        "built": built,
        "bare": bare,
    }
    return full | other


CACD = ProductDefinition(
    key="CACD",
    year=2020,
    crs="EPSG:4326",
    pixel=0.000269494585,
    codes=_codes(annual=1, forest=2, shrub=2, grass=2, water=2, built=2, bare=2, greenhouse=2, fallow=2),
    legend={0: ("no data", False), 1: ("annual cropland", True), 2: ("other", False)},
    errors={"grass": (1, 0.1), "orchard": (1, 0.25), "paddy": (2, 0.06)},
    samples=2,
)
CLCD = ProductDefinition(
    key="CLCD",
    year=2020,
    crs=ALBERS,
    pixel=30.0,
    codes=_codes(annual=1, forest=2, shrub=3, grass=4, water=5, built=8, bare=7),
    legend={
        0: ("nodata", False),
        1: ("Cropland", True),
        2: ("Forest", False),
        3: ("Shrub", False),
        4: ("Grassland", False),
        5: ("Water", False),
        7: ("Barren", False),
        8: ("Impervious", False),
    },
    errors={"orchard": (1, 0.35), "grass": (1, 0.22), "built": (1, 0.25), "shrub": (4, 0.5)},
    samples=2,
)
ESA = ProductDefinition(
    key="ESA",
    year=2020,
    crs="EPSG:4326",
    pixel=1 / 12000,
    codes=_codes(annual=40, forest=10, shrub=20, grass=30, water=80, built=50, bare=60, greenhouse=50, wetland=90),
    legend={
        0: ("nodata", False),
        10: ("Tree cover", False),
        20: ("Shrubland", False),
        30: ("Grassland", False),
        40: ("Cropland", True),
        50: ("Built-up", False),
        60: ("Bare / sparse vegetation", False),
        80: ("Permanent water bodies", False),
        90: ("Herbaceous wetland", False),
    },
    errors={"fallow": (30, 0.35), "orchard": (40, 0.2), "boundary": (30, 0.3)},
    tile_deg=3,
)
ESRI = ProductDefinition(
    key="ESRI",
    year=2020,
    crs="UTM",
    pixel=10.0,
    codes=_codes(annual=5, forest=2, shrub=6, grass=3, water=1, built=7, bare=8, paddy=4, wetland=4),
    legend={
        0: ("No data", False),
        1: ("Water", False),
        2: ("Trees", False),
        3: ("Grass", False),
        4: ("Flooded vegetation", False),
        5: ("Crops", True),
        6: ("Scrub/shrub", False),
        7: ("Built area", False),
        8: ("Bare ground", False),
    },
    errors={"paddy": (5, 0.7), "fallow": (6, 0.4), "orchard": (5, 0.3), "grass": (6, 0.3)},
)
FROM = ProductDefinition(
    key="FROM",
    year=2017,
    crs="EPSG:4326",
    pixel=2 / 22264,
    codes=_codes(annual=10, forest=20, shrub=40, grass=30, water=60, built=80, bare=90, orchard=10, wetland=50),
    legend={
        0: ("Background", False),
        10: ("Cropland", True),
        20: ("Forest", False),
        30: ("Grass", False),
        40: ("Shrub", False),
        50: ("Wetland", False),
        60: ("Water", False),
        80: ("Impervious", False),
        90: ("Bareland", False),
    },
    errors={"annual": (30, 0.08), "built": (10, 0.2), "fallow": (90, 0.3), "grass": (10, 0.25)},
    tile_deg=2,
)
FCS30 = ProductDefinition(
    key="FCS30",
    year=2020,
    crs="EPSG:4326",
    pixel=0.000269494585,
    codes=_codes(
        annual=10, forest=60, shrub=120, grass=130, water=210, built=190, bare=200, paddy=20, orchard=12, wetland=180
    ),
    legend={
        0: ("Filled value", False),
        10: ("Rainfed cropland", True),
        11: ("Herbaceous cover cropland", True),
        12: ("Tree or shrub cover (orchard) cropland", False),
        20: ("Irrigated cropland", True),
        60: ("Deciduous broadleaved forest", False),
        120: ("Shrubland", False),
        130: ("Grassland", False),
        180: ("Wetlands", False),
        190: ("Impervious surfaces", False),
        200: ("Bare areas", False),
        210: ("Water body", False),
        250: ("Filled value", False),
    },
    errors={"annual": (11, 0.15), "grass": (10, 0.3), "shrub": (10, 0.2), "paddy": (10, 0.2)},
    samples=2,
    tile_deg=5,
)
GL30 = ProductDefinition(
    key="GL30",
    year=2020,
    crs="UTM",
    pixel=30.0,
    codes=_codes(annual=10, forest=20, shrub=40, grass=30, water=60, built=80, bare=90, orchard=10, wetland=50),
    legend={
        0: ("No value", False),
        10: ("Cultivated land", True),
        20: ("Forest", False),
        30: ("Grassland", False),
        40: ("Shrubland", False),
        50: ("Wetland", False),
        60: ("Water body", False),
        80: ("Artificial surfaces", False),
        90: ("Bareland", False),
        255: ("Sea", False),
    },
    errors={"shrub": (10, 0.3), "grass": (10, 0.2)},
    samples=2,
)
SINOLC = ProductDefinition(
    key="SinoLC",
    year=2021,
    crs="EPSG:4326",
    pixel=1e-5,
    codes=_codes(annual=5, forest=2, shrub=3, grass=4, water=9, built=6, bare=7, orchard=5, road=1, wetland=10),
    legend={
        0: ("nodata", False),
        1: ("Traffic route", False),
        2: ("Tree cover", False),
        3: ("Shrubland", False),
        4: ("Grassland", False),
        5: ("Cropland", True),
        6: ("Building", False),
        7: ("Barren and sparse vegetation", False),
        9: ("Water", False),
        10: ("Wetland", False),
    },
    errors={"annual": (4, 0.06), "grass": (5, 0.3), "greenhouse": (6, 0.5), "fallow": (7, 0.4)},
)

PRODUCTS: tuple[ProductDefinition, ...] = (CACD, CLCD, ESA, ESRI, FROM, FCS30, GL30, SINOLC)
