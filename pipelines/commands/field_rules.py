"""The command `croplayer models learn-fields`."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.model_options import PATH


@click.command("learn-fields")
@click.argument("run", type=PATH)
@click.argument("parcels", type=PATH)
@click.option("--name", help="Name of the rules; that of the file without its ending when left out.")
@click.option("--origin", default="", help="Where the drawn fields come from and their licence; kept in the file.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed learns the same rules.")
@click.option("-o", "--out", required=True, type=PATH, help="JSON file of the rules.")
def learn_fields(run: Path, parcels: Path, name: str | None, origin: str, seed: int, out: Path) -> None:
    """Learn from drawn fields (PARCELS) which parts of the map of RUN are one field.

    All ground of the blocks that hold drawn fields counts as looked at. Judge the rules by parcels of other blocks:
    the report shows how fields match the recipe's [evaluation] parcels.
    """
    from croplayer.cube.decisions import Taken, decisions_of
    from croplayer.cube.field_layers import FieldLayers
    from croplayer.cube.field_learning import drawn_ground
    from croplayer.cube.whole_blocks import Cube
    from croplayer.fields.learning import learn
    from croplayer.fields.rules import load_rules, rules_text
    from croplayer.vector.polygons import read_polygons
    from stores.columns import BOUNDARY_PROBABILITY
    from stores.durable import digest_file, write_durable
    from stores.run_folder import RunFolder, cube_place

    place = cube_place(run)
    folder = place.folder or RunFolder(run)
    decisions = folder.table("integration.parquet")
    if not decisions.is_file():
        raise FileNotFoundError(f"{run} has no map yet: {decisions} is missing; finish the run first")
    cube = Cube.open(place.cube)
    taken = Taken(cube.sources, decisions_of(str(decisions), digest_file(decisions).sha256))
    layers = FieldLayers(cube, taken, cube.has_array(BOUNDARY_PROBABILITY))
    drawn = [*drawn_ground(layers, read_polygons(parcels, "parcels"))]
    if len(drawn) < 2:
        raise ValueError(f"parcels {parcels} lie in {len(drawn)} mapped blocks of {run}; give parcels in at least two")
    tells_boundaries = any(piece.ground.boundary.any() for piece in drawn)
    included = load_rules()
    pairs = {"with_boundaries": included.with_boundaries, "without_boundaries": included.without_boundaries}
    kind = "with_boundaries" if tells_boundaries else "without_boundaries"
    pairs[kind] = learn(drawn, tells_boundaries, seed)
    told = {"learned_from": origin or str(parcels.name), "blocks": [piece.name for piece in drawn], "learned": kind}
    write_durable(out, rules_text(name or out.stem, told, pairs).encode())
    fields = sum(len(set(piece.parcels[piece.parcels > 0].tolist())) for piece in drawn)
    click.echo(f"{out}: rules {kind.replace('_', ' ')} from {fields} drawn fields in {len(drawn)} blocks")
