"""The synthetic country: a landscape whose truth is known.

It is procedural and deterministic. Every quantity is a pure function of (seed, longitude, latitude), so any tile, block
or elevation cell can be made alone and fits its neighbours. Nothing in it is real.

One place
    ``country.Country(seed, years=0, scenes=0)``: the land changes over the years, imagery is renewed
        ``.survey(lon, lat) -> Survey(cover uint8, parcel int64)``, ``.land_cover``, ``.parcel_id``,
        ``.is_cropland``, ``.elevation_m``: (h, w) on the grid of two axes, lon (w,) and lat (h,) in degrees
        ``.render(source, lon, lat) -> (rgb uint8 (h, w, 3), valid bool (h, w))`` for "aster" and "borealis"
        ``.has_imagery(source, lon, lat) -> bool (h, w)``
    ``classes.LandCover`` codes, ``.is_cropland``; ``classes.IS_CROPLAND`` (256,) uint8 lookup
    ``sources.SOURCES`` the two invented providers by name

Truth of blocks
    ``truth.truth_mask(country, window, grid) -> uint8 (h, w)``, ``truth.truth_classes(country, window, grid)``
    ``truth.block_truth(country, source, block) -> BlockTruth(coverage_type, cloud_fraction, snow_fraction,
    nodata_fraction, area_fraction)``
    ``outlines.truth_parcels(country, window, grid)``: polygons with parcel id and class

Files
    ``make.make_country(out, *, seed, bounds, zoom=14, training_scenes=16, coverage_samples=200, provinces=12,
    truth_block_px=640) -> CountryFiles``; ``make.DEMO_SEED``, ``make.DEMO_BOUNDS``
    ``make.CountryFiles.inside(folder)``: folder, tiles, dem, provinces, counties, statistics, products, truth,
    truth_blocks, training, coverage, manifest (paths)
    ``products.write_products(country, folder, bounds, cities)``: the eight maps, ``{key}/*.tif``, ``{key}/legend.csv``
    ``tiles.render_tile(country, TileIndex(zoom, x, y), sources) -> {source: JPEG bytes}``
    ``contact_sheet.write_contact_sheets(folder)``: pictures of blocks by region and defect

How a pixel is made
    ``nodes`` holds the slow fields (``terrain``, ``regions``). ``survey`` finds the parcel (``parcels``, ``plots``) and
    the line (``lines``) at each pixel of a row, and ``paint`` colours it (``looks``, ``textures``, ``sources``).
    ``grids`` does both for all rows. ``noise`` makes the random numbers; ``draws`` is the table of what each decides.

Tile server
    ``with server.serve(Country(1) or folder, port=0, faults=[FaultRule.parse("429:0.1:2")],
    rate_limit_per_s=None) as running``: ``running.url(source)``, ``.switch(*rules)``, ``.requests``, ``.wait()``
"""
