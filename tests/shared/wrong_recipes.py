"""A good recipe, and what is said of it with one thing changed."""

from __future__ import annotations

REGION = (114.0, 34.0, 114.1, 34.05)
GOOD = """\
name = "x"
title = "A map"
edition = "2020"
[region]
bounds = [114.0, 34.0, 114.1, 34.05]
[grid]
block_px = 512
cell_px = 256
[segmentation]
model = "landscape"
[coverage]
model = "landscape_coverage"
[[sources]]
name = "first"
kind = "raster"
paths = ["scene.tif"]
[[sources]]
name = "second"
kind = "tiles"
template = "tiles/{z}/{x}/{y}.png"
zoom = 10
[[products]]
name = "esa"
title = "ESA"
path = "codes.tif"
legend = "ESA"
[[admin]]
level = 1
path = "units.gpkg"
[statistics]
path = "statistics.csv"
[export]
level = 1
"""


UNITS = GOOD[GOOD.index("level = 1\npath") :]
WRONG = [
    ('edition = "2020"', 'editon = "2020"', "editon is not a known key; did you mean 'edition'?"),
    ('edition = "2020"', 'edition = "a/b"', "edition: 'a/b' cannot be the name of a folder; expected letters, digits"),
    ('edition = "2020"', 'edition = ".."', "edition: '..' cannot be the name of a folder"),
    ('edition = "2020"', "edition = 2020", "edition is 2020; expected a text in quotes"),
    ("[grid]", "[grdi]", "grdi is not a known key; did you mean 'grid'?"),
    ("block_px = 512", "block_px = 512.0", "[grid]: block_px is 512.0; expected a whole number"),
    ("block_px = 512", "block_px = 0", "[grid]: block_px is 0; expected at least 1"),
    ("[grid]", "[grid]\nzoom = 3", "[grid]: zoom is not a known key; it belongs to [sources]"),
    ("[grid]", '[grid]\nabout = "x"', "[grid]: about is not a known key; it belongs above the first [table] of the file"),
    ("[114.0, 34.0, 114.1, 34.05]", "[34.0, 114.0, 34.05, 114.1]", "with latitudes before longitudes; expected west, south, east, north, so write [114.0, 34.0, 114.1, 34.05]"),
    ("[114.0, 34.0, 114.1, 34.05]", "[114.1, 34.0, 114.0, 34.05]", "with west 114.1 east of east 114; exchange the two"),
    ("[114.0, 34.0, 114.1, 34.05]", "[114.0, 34.1, 114.1, 34.0]", "with south 34.1 north of north 34; exchange the two"),
    ("[114.0, 34.0, 114.1, 34.05]", "[114.0, 34.0, 214.1, 34.05]", "[region]: bounds are [114.0, 34.0, 214.1, 34.05]; expected west, south, east, north in degrees"),
    ("[114.0, 34.0, 114.1, 34.05]", "[114.0, 34.0, 114.1]", "[region]: bounds has too few entries"),
    ("[114.0, 34.0, 114.1, 34.05]", "[114.0, 34.0, 114.1, nan]", "[region]: bounds, entry 4 is NaN; expected a finite number"),
    ("[114.0, 34.0, 114.1, 34.05]", '"114,34,115,35"', '[region]: bounds is "114,34,115,35"; expected a list in brackets'),
    ("bounds = [114.0, 34.0, 114.1, 34.05]", 'boundaries = "region.gpkg"', "[region]: region.boundaries"),
    ("bounds = [114.0, 34.0, 114.1, 34.05]", 'boundaries = "text.gpkg"', "[region]: region.boundaries"),
    ('kind = "raster"', 'kind = "rasters"', '[[sources]] 1: kind is "rasters"; expected "tiles", "http", "raster" or "stac"; did you mean \'raster\'?'),
    ('kind = "tiles"\n', "", '[[sources]] 2: kind is missing; expected "tiles", "http", "raster" or "stac"'),
    ("zoom = 10", 'zoom = "10"', '[[sources]] 2: zoom is "10"; expected a whole number'),
    ("zoom = 10", "zoom = 99", "[[sources]] 2: source 'second': zoom is 99; expected 0 to 22"),
    ("zoom = 10", "zom = 10", "[[sources]] 2: zom is not a known key; did you mean 'zoom'?"),
    ("zoom = 10", "zoom = 12", "[[sources]] 2: source 'second' has no tile of zoom 12 in the region"),
    ('"scene.tif"', '"scen.tif"', "[[sources]] 1: raster"),
    ('"scene.tif"', '"far.tif"', "[[sources]] 1: source 'first' does not overlap the region"),
    ('"first"', '"croplayer"', "[[sources]] 1: name 'croplayer' is a name that croplayer uses itself"),
    ('"first"', '"merge_both"', "[[sources]] 1: name 'merge_both' is a name that croplayer uses itself"),
    ('"first"', '"land"', "[[sources]] 1: name 'land' is a name that croplayer uses itself"),
    ('"first"', '"known"', "[[sources]] 1: name 'known' is a word that croplayer uses in its records"),
    ('"first"', '"second"', "[[sources]] 2: name 'second' is used by [[sources]] 1"),
    ('"first"', '"First"', '[[sources]] 1: name is "First"; expected lower-case letters, digits and _, a letter first'),
    ('"esa"', '"statistic"', "[[products]] 1: name 'statistic' would give the table of admin units the column 'statistic_km2'"),
    ('legend = "ESA"', 'legend = "ESAA"', "ESRI_v2, FCS30, FCS30D, FROM, GL30, SinoLC; did you mean 'ESA'?"),
    ('legend = "ESA"', "crop_codes = [1.5]", "[[products]] 1: crop_codes, entry 1 is 1.5; expected a whole number"),
    ('"codes.tif"', '"missing.tif"', "[[products]] 1: raster"),
    ('model = "landscape"', 'model = "landscap"', "[segmentation]: model 'landscap' is neither a folder with a manifest.json nor an included model (default, default_coverage, default_fast, landscape, landscape_coverage), and neither training nor recipe says how to train it; did you mean 'landscape'?"),
    ('model = "landscape"\n', 'model = "default_coverage"\n', "[segmentation]: model default_coverage is a coverage model; expected a segmentation model"),
    ('"landscape_coverage"', '"landscape"', "[coverage]: model landscape is a segmentation model; expected a coverage model"),
    ('model = "landscape"', 'model = "m"\nrecipe = "naip_field"', "did you mean 'naip_fields'?"),
    ('model = "landscape"', 'model = "landscape"\nruntime = "onnx"', '[segmentation]: runtime is "onnx"; expected "torch", "torch-bf16", "openvino" or "openvino-bf16"'),
    ('model = "landscape"', 'model = "landscape"\nruntime = "torch-bf16"', "[segmentation]: the runtime torch-bf16 computes on CUDA devices only, and this machine has none; use runtime 'torch'"),
    ('model = "landscape"', 'model = "landscape"\nruntime = "torch-bf16"\ndevice = "cpu"', "[segmentation]: runtime 'torch-bf16' runs on CUDA devices only; leave out device"),
    (UNITS, UNITS.replace("1", "2"), "[statistics] needs [[admin]] units of level 1; the recipe has level 2"),
    ("[export]\nlevel = 1", "[export]\nlevel = 3", "[export] needs [[admin]] units of its level 3; the recipe has level 1"),
    ("[statistics]", '[[admin]]\nlevel = 1\npath = "units.gpkg"\n[statistics]', "[[admin]] of level 1: "),
    ('"units.gpkg"', '"unit.gpkg"', "[[admin]] 1: boundaries"),
    ('"units.gpkg"', '"units.gpkg"\nadcode = "adcod"', "they have adcode, name_en, name_zh; did you mean 'adcode'?"),
    ('"statistics.csv"', '"others.csv"', "[statistics]: statistics"),
    ('"statistics.csv"', '"others.csv"\nwithout = ["1"]', "match none of the 1 units of level 1"),
    ('"statistics.csv"', '"statistics.csv"\narea = "cropland_km2"', "[statistics]: give both area, the column of the areas, and its unit, or neither"),
    ('"statistics.csv"', '"statistics.csv"\narea = "crop"\nunit = "km2"', "have no column 'crop'; they have adcode, name_en, cropland_km2"),
    ('"statistics.csv"', '"statistics.csv"\narea = "cropland_km2"\nunit = "acre"', '[statistics]: unit is "acre"; expected "kha", "ha", "km2" or "mu"'),
    ('"statistics.csv"', '"statistics.csv"\nadcode = "code"', "have no column 'code'; they have adcode, name_en, cropland_km2"),
    ('"statistics.csv"', '"statistics.csv"\nadcode_pattern = "("', "[statistics]: adcode_pattern: '(' is no regular expression"),
    ('"statistics.csv"', '"statistics.csv"\nadcode_pattern = "CN.*"', "[statistics]: adcode_pattern: 'CN.*' has no group"),
    ("[export]", '[decisions]\nreviews = ["reviews.csv"]\n[export]', "[decisions]: reviews: "),
    ("[export]", '[decisions]\noverrides = "overrides.csv"\n[export]', "[decisions]: overrides: "),
    ("[export]", '[decisions]\ncorrectness_model = "run"\n[export]', "[decisions]: correctness_model: "),
    ("[export]", '[decisions]\nreview_from_reference = true\nsample_deg = 0.07\n[reference]\nname = "truth"\ntitle = "t"\npath = "codes.tif"\nlegend = "ESA"\n[export]', "[decisions]: sample_deg: spacing is 0.07 degree; expected a multiple of 0.05 degree"),
    ("[export]", '[decisions]\nreview_from_reference = true\nsample_deg = 45\n[reference]\nname = "truth"\ntitle = "t"\npath = "codes.tif"\nlegend = "ESA"\n[export]', "[decisions]: sample_deg: a grid of 45.0 degree meets none of the 2 blocks; use a finer one"),
    ("[export]", '[evaluation]\nparcels = "parcels.gpkg"\n[export]', "[evaluation]: parcels: "),
    ("[export]", '[fields]\nrules = "queries"\n[export]', "[fields]: rules: 'queries' needs a mask2former whose queries were taught single fields, and the model 'landscape' has none; train a mask2former with croplayer, or leave the rules at 'default'"),
    ("[export]", '[fields]\nrules = "nowhere.json"\n[export]', "[fields]: rules: there are no field rules at "),
    ("[export]", '[evaluation]\nsample = "sample.gpkg"\n[export]', "[evaluation]: sample: "),
    ("[export]", '[report]\ncomparison = "nowhere.json"\n[export]', "[report]: comparison: "),
    ("[export]", '[terrain]\npath = "dem.tif"\n[export]', "[terrain]: raster"),
    ("[export]", "[cluster]\nworkers = true\n[export]", "[cluster]: workers is true; expected a whole number"),
    ("[export]\nlevel = 1", '[export]\nlevel = 1\nformats = ["geotif"]', '[export]: formats, entry 1 is "geotif"; expected "geotiff", "geoparquet" or "shapefile"; did you mean \'geotiff\'?'),
    ('title = "A map"', 'title = "5 $"', "title has a $ without a variable; write $$ for the sign itself"),
    ('"scene.tif"', '"$RECIPES/scene.tif"', "[[sources]] 1: paths, entry 1 has an unknown variable $RECIPES; known are $CROPLAYER_DATA, $OUT, $RECIPE; did you mean '$RECIPE'?"),
]  # fmt: skip
"""Old text, new text, what is said."""
