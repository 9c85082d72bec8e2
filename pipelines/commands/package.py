"""``croplayer package``: county packages of a finished run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the packages.")
@click.option("--level", type=int, default=1, show_default=True, help="Level of the units that get a package each.")
@click.option(
    "--names",
    type=click.Choice(["zh", "en", "code"]),
    default="zh",
    show_default=True,
    help="Names of units in the names of files and in the columns city and province; the other one where a unit has none.",
)
@click.option(
    "--unit", "units", multiple=True, help="Code or name of a unit of the level; only its package. May be repeated."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--plan", is_flag=True, help="Only say what the packages will hold.")
def package(run: str, out: Path, level: int, names: str, units: tuple[str, ...], workers: int, plan: bool) -> None:
    """Write the map of RUN, the folder of a run or FOLDER@EDITION, as a package for each province.

    A package is a folder and a .tar.gz: Shapefiles cf_CITY_COUNTY and GeoParquet of each unit of the finest level, a GeoPackage of
    all layers, the map as GeoTIFF, styles and a project for QGIS, a README with a dictionary of the data and the licences,
    check sums and an index. Running it again continues where it stopped, and redoes only what changed.
    """
    from pipelines.engine.lease import lease
    from pipelines.packaging import Packages
    from stores.licences import obstacles
    from stores.run_folder import RunFolder

    packages = Packages.of(run, out, level, names, workers)
    if units:
        packages = packages.only(units)
    for each in packages.plan():
        of_tiles = f" in {each.tiles} tiles" if each.tiles > 1 else ""
        of_fields = f", at most {each.fields:,} fields" if packages.fields else ""
        click.echo(
            f"{each.province.folder}: {each.counties} units, map of {each.pixels:,} px{of_tiles}{of_fields}",
            err=not plan,
        )
    for sentence in obstacles(packages.facts.inputs, packages.facts.own_licence, with_pictures=False):
        click.echo(f"warning: these packages must not be shared: {sentence}", err=True)
    if plan:
        return
    packages.folder.check_outside(out)
    if RunFolder(out).recipe.is_file():
        raise ValueError(f"{out} is the folder of a run; give another one for the packages")
    with lease(RunFolder(out)):
        packages.write(lambda province, archive, worked: click.echo(f"{archive}{'' if worked else ' is up to date'}"))
