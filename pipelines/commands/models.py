"""The commands of the models: train, import, evaluate, describe, compare, list, show, export."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from croplayer.models.networks.manifest import RANDOM
from croplayer.models.training.training_config import (
    ARCHITECTURES,
    STORED_AS,
    VALIDATION_FRACTION,
)
from pipelines.commands.field_rules import learn_fields
from pipelines.commands.model_comparison import compare
from pipelines.commands.model_options import PATH, scene_options, training_config, training_option, training_options


@click.group()
def models() -> None:
    """Train, import, evaluate, describe, compare, list, show and export models."""


models.add_command(compare)
models.add_command(learn_fields)


@models.command("train")
@click.argument("recipe", required=False)
@scene_options(required=False)
@training_options
@training_option("--architecture", click.Choice(ARCHITECTURES), "Kind of network.")
@training_option("--size", str, "Size of the network; an unknown one is an error that lists those of the architecture.")
@click.option(
    "--from",
    "start",
    default=RANDOM,
    show_default=True,
    help="What the training starts from: random; imagenet (the encoder of a unet); the name or folder of a model, which also says "
    "architecture and size; or a checkpoint of transformers, a folder or a name on a hub (owner/model or owner/model@revision).",
)
@training_option("--encoder-rate", click.FloatRange(0, 1, min_open=True), "Learning rate of the encoder as a share.")
@training_option("--stored-as", click.Choice(STORED_AS), "Floating point type of the weights in the bundle.")
@click.option(
    "--folds",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Parts of a cross-validation by scene, after which a model is trained on all scenes; 0 is none.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 0.9),
    default=VALIDATION_FRACTION,
    show_default=True,
    help="Share of the scenes that are held out; not used with --folds.",
)
@training_option(
    "--patience",
    click.IntRange(0),
    "Evaluations on some of the training scenes without a better IoU after which training stops; 0 trains all steps.",
)
@click.option("--description", default="", help="What the scenes are, for the manifest.")
@click.option("--licence", default="not stated", show_default=True, help="Licence of the training data.")
@click.option(
    "--models",
    "home",
    type=PATH,
    help="Folder of trained models; default $CROPLAYER_MODELS, or a folder of the user's cache.",
)
@click.option(
    "-o",
    "--out",
    type=PATH,
    help="Folder of the bundle. With a RECIPE the default is its place in --models; a RECIPE that trains two models gets the "
    "folders segmentation and coverage in it.",
)
@click.pass_context
def train(
    context: click.Context,
    /,
    recipe: str | None,
    images: Path | None,
    polygons: Path | None,
    image_column: str,
    architecture: str,
    size: str,
    start: str,
    folds: int,
    validation: float,
    patience: int,
    description: str,
    licence: str,
    home: Path | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Train the models of RECIPE, or one on --images and --polygons; continues a stopped training.

    A RECIPE says everything about its trainings, so only --models and --out go with it. Under torchrun, the processes share
    the work. A CUDA device is used where there is one.
    """
    from pipelines.engine.models import default_home, open_scenes, train_named

    if recipe is not None:
        _refuse_options(context, ("recipe", "home", "out"))
        for folder in _train_recipe(recipe, home or default_home(), out):
            click.echo(folder)
        return
    if images is None or polygons is None or out is None:
        raise ValueError("give a RECIPE, or --images, --polygons and -o for the bundle")
    architecture, size, gsd = _started(context, start, architecture, size, options.pop("gsd"))
    config = training_config(
        options | {"gsd": gsd}, architecture=architecture, size=size, start=start, patience=patience
    )
    scenes = open_scenes(images, polygons, image_column)
    folder = train_named(
        scenes, config, out, (home or default_home()) / "checkpoints", folds=folds, validation_fraction=validation,
        description=description or f"{len(scenes)} scenes of {images.name}", licence=licence,
    )  # fmt: skip
    click.echo(folder)


def _started(
    context: click.Context, start: str, architecture: str, size: str, gsd: tuple[float, float]
) -> tuple[str, str, tuple[float, float]]:
    """Architecture, size and range of pixels: those of the model that a training starts from, unless others are given."""
    from croplayer.models.networks.architectures import sizes
    from croplayer.models.training.start import start_manifest

    manifest = start_manifest(start)
    if manifest is None:
        return architecture, size, gsd
    if manifest.kind != "segmentation":
        raise ValueError(
            f"'{start}' does not segment, so a segmentation cannot start from it; name a segmentation model"
        )

    def chosen(name: str, of_options: Any, of_model: Any) -> Any:
        return of_options if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE else of_model

    # An imported model does not say its size; whether the weights fit is seen when they are taken over.
    own_size = manifest.size if manifest.size in sizes(manifest.architecture) else size
    wanted = chosen("architecture", architecture, manifest.architecture), chosen("size", size, own_size)
    if wanted != (manifest.architecture, own_size):
        raise ValueError(
            f"'{start}' is a {manifest.architecture} {manifest.size}, not a {' '.join(wanted)}; leave out --architecture and "
            "--size, which are those of the model that the training starts from"
        )
    return *wanted, chosen("gsd", gsd, manifest.ground_sample_distance_m)


def _refuse_options(context: click.Context, allowed: Collection[str]) -> None:
    """Raise for an option on the command line that a RECIPE leaves without effect."""
    given = click.core.ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in allowed and context.get_parameter_source(name) is given:
            raise ValueError(
                f"give either a RECIPE or {parameter.opts[0]}, not both: a RECIPE says how its models are trained, so change "
                "it there"
            )


def _train_recipe(recipe: str, home: Path, out: Path | None) -> list[Path]:
    """Train the models of a recipe that are missing, or into the folder ``out``; returns the folders of all that it trains."""
    from pipelines.engine.models import Models
    from pipelines.recipe_files import find_recipe, load_recipe

    path = find_recipe(recipe)
    run = Path("runs") / path.stem
    loaded, trained = load_recipe(path, run), Models(home, run)
    kinds = trained.trained_kinds(loaded)
    if not kinds:
        named = [part.model for part in (loaded.segmentation, loaded.coverage) if part is not None]
        raise ValueError(
            f"recipe '{recipe}' trains no model: it names {', '.join(named) or 'none'}; give a recipe with a "
            "[segmentation.training] or [coverage.training]"
        )
    if out is None:
        trained.train_missing(loaded)
        folders = trained.folders(loaded)
        return [folders[kind] for kind in kinds]
    places = [out if len(kinds) == 1 else out / kind for kind in kinds]
    for kind, place in zip(kinds, places, strict=True):
        trained.train(loaded, kind, place)
    return places


@models.command("import")
@click.argument("pretrained")
@click.option(
    "--gsd", type=(float, float), required=True, help="Lowest and highest metres per pixel it was trained at."
)
@click.option("--description", required=True, help="What it was trained on, for the manifest.")
@click.option("--licence", required=True, help="Licence of the weights and of the data behind them.")
@click.option(
    "--cropland",
    multiple=True,
    help="Name or number of a class that is cropland; repeatable. Needed where the names of the classes do not say it.",
)
@click.option("-o", "--out", type=PATH, required=True, help="Folder of the bundle.")
def import_pretrained(
    pretrained: str, gsd: tuple[float, float], description: str, licence: str, cropland: tuple[str, ...], out: Path
) -> None:
    """Make a bundle of PRETRAINED: weights of transformers in a local folder, or their name on a hub.

    A name is owner/model or owner/model@revision; the bundle says which revision it was.

    The weights must be safetensors. Which class is cropland and how pixels are normalised is read from config.json and
    preprocessor_config.json; a model that needs anything else is refused.
    """
    from croplayer.models.bundles.pretrained import bundle_from_pretrained

    click.echo(
        bundle_from_pretrained(
            pretrained, out, gsd_m=gsd, training_data=description, licence=licence, cropland=cropland
        )
    )


@models.command("evaluate")
@click.argument("model")
@scene_options(required=True)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Probability from which on a pixel is cropland.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(model: str, images: Path, polygons: Path, image_column: str, threshold: float, as_json: bool) -> None:
    """Evaluate MODEL (a name or a folder) on labelled scenes that it was not trained on."""
    from croplayer.models import load_segmenter
    from croplayer.models.training.evaluation import evaluate_scenes
    from pipelines.engine.models import open_scenes

    network = load_segmenter(model)
    scenes = open_scenes(images, polygons, image_column)
    seen = network.manifest.seen_scenes.intersection(scenes.names) if network.manifest else frozenset()
    if seen:
        raise ValueError(
            f"'{model}' was trained on {len(seen)} of the scenes, such as '{min(seen)}', so their figures would be "
            "meaningless; `croplayer models show` has the figures of scenes that it never saw"
        )
    figures = evaluate_scenes(network, scenes, threshold)
    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False))
        return
    columns = ("iou", "boundary_iou", "f1")
    click.echo(f"{'':<28}" + "".join(f"{c:>14}" for c in columns))
    rows = [("all scenes", figures["pooled"]), ("answer: all field", figures["all_field"])]
    rows += figures["by_scene"].items()
    for name, row in rows:
        click.echo(f"{name:<28}" + "".join(f"{'-' if row[c] is None else f'{row[c]:.4f}':>14}" for c in columns))


@models.command("describe")
@click.argument("model", type=PATH)
@scene_options(required=True)
@click.option("--water", type=PATH, help="Folder of rasters with near infrared whose open water it learned as well.")
def describe(model: Path, images: Path, polygons: Path, image_column: str, water: Path | None) -> None:
    """Write into MODEL (a folder) what the scenes look like that it learned from; the digest of the bundle changes."""
    from croplayer.models.training.described import add_familiarity
    from croplayer.models.training.open_water import water_scenes
    from pipelines.engine.models import open_scenes

    scenes = open_scenes(images, polygons, image_column)
    absent = add_familiarity(model, scenes if water is None else scenes.joined(water_scenes(water, "west")))
    if absent:
        click.echo(f"left out: {len(absent)} training scenes that are not there, such as '{absent[0]}'", err=True)
    click.echo(model)


@models.command("list")
@click.option(
    "--models",
    "home",
    type=PATH,
    help="Folder of trained models; default $CROPLAYER_MODELS, or a folder of the user's cache.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(home: Path | None, as_json: bool) -> None:
    """List the included models and those trained here.

    The figure is the IoU or accuracy of these weights on samples that they never saw; "-" where there is none, as after a
    cross-validation, whose figures belong to other weights (`croplayer models show`).
    """
    from croplayer.models.bundles.catalogue import shipped_folder, shipped_names
    from croplayer.models.bundles.whole_folders import repair_all
    from croplayer.models.networks.manifest import MANIFEST_NAME, read_manifest
    from pipelines.engine.models import default_home

    place = home or default_home()
    repair_all(place, MANIFEST_NAME)
    here = sorted(p.parent for p in place.glob(f"*/{MANIFEST_NAME}") if not p.parent.name.startswith("."))
    found = [*((name, shipped_folder(name)) for name in shipped_names()), *((str(p), p) for p in here)]
    facts = []
    for name, folder in found:
        try:
            m = read_manifest(folder)
        except (ValueError, OSError) as error:
            click.echo(f"left out: {error}", err=True)
            continue
        facts.append({"name": name, "kind": m.kind, "architecture": m.architecture, "size": m.size, "figure": m.figure})
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    for fact in facts:
        figure = "-" if fact["figure"] is None else f"{fact['figure']:.3f}"
        click.echo(f"{fact['kind']:<14}{fact['architecture']:<12}{fact['size']:<8}{figure:>7}  {fact['name']}")


@models.command("show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
def show(model: str, as_json: bool) -> None:
    """Show the model card of MODEL (a name or a folder): classes, data, licence, figures; checks its bytes first."""
    from croplayer.models.bundles.bundle import read_checked
    from croplayer.models.bundles.card import CARD_NAME
    from croplayer.models.bundles.catalogue import find_bundle

    manifest, contents = read_checked(find_bundle(model))
    if not as_json and CARD_NAME not in contents:
        raise ValueError(f"model bundle {model} has no {CARD_NAME}; --json shows its manifest")
    click.echo(manifest.to_json().decode() if as_json else contents[CARD_NAME].decode(errors="replace"), nl=False)


@models.command("export")
@click.argument("model")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["torch", "openvino"]),
    default="torch",
    show_default=True,
    help="What runs the graph.",
)
@click.option(
    "--side-px", type=click.IntRange(32), default=576, show_default=True, help="Edge of the input, a multiple of 32 px."
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Images per pass.")
@click.option("-o", "--out", type=PATH, required=True, help="Folder to write.")
def export(model: str, kind: str, side_px: int, batch: int, out: Path) -> None:
    """Write MODEL as a graph that runs without croplayer: torch.export (model.pt2), or OpenVINO (model.xml)."""
    from croplayer.models import load_segmenter
    from croplayer.models.bundles.export import export_network

    for path in export_network(load_segmenter(model), out, kind, (batch, side_px, side_px)):
        click.echo(path)
