"""Where trained models are stored, and the training of missing ones."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from tqdm import tqdm

from croplayer.models.bundles.catalogue import shipped_folder, shipped_names
from croplayer.models.bundles.whole_folders import repair
from croplayer.models.networks.layers import HAS_QUERIES, TELL_BOUNDARIES
from croplayer.models.networks.manifest import MANIFEST_NAME, RANDOM, Manifest, bundle_digest, read_manifest
from pipelines.engine.code import code_digest
from pipelines.engine.run_log import messages
from pipelines.recipe import Recipe
from pipelines.recipe_errors import RecipeError
from pipelines.recipe_files import find_recipe, load_recipe
from pipelines.recipe_models import Coverage, CoverageTraining, Segmentation, Training
from stores.durable import digest_file, digest_text
from stores.file_names import file_name
from stores.near_names import did_you_mean

if TYPE_CHECKING:
    from croplayer.models.training.scenes import LabelledScenes
    from croplayer.models.training.training_config import TrainingConfig

MODELS_VARIABLE = "CROPLAYER_MODELS"
SYNTHETIC_SEED = 3
"""Seed of the country of the synthetic scenes; not the demo's."""
SYNTHETIC_ZOOM = 16
"""Zoom of the synthetic scenes, about 2 m."""


def default_home() -> Path:
    """``$CROPLAYER_MODELS``, else a folder of the user's cache."""
    given = os.environ.get(MODELS_VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path("croplayer") / "models"


@dataclass(frozen=True)
class Models:
    """The folder of trained models. A model's folder is named after what it was trained from."""

    home: Path
    out: Path
    """Folder of the run, for recipes that name ``$OUT``."""

    def segmentation(self, part: Segmentation) -> Path:
        """Folder of a segmentation model, whether it exists or not."""
        given = _given(part)
        if given is not None:
            return given
        return self.home / file_name(f"{part.model}-{_training_key(_segmentation_training(part, self.out))}")

    def coverage(self, part: Coverage) -> Path:
        """Folder of a coverage model, whether it exists or not."""
        given = _given(part)
        if given is not None:
            return given
        return self.home / file_name(f"{part.model}-{_training_key(_coverage_training(part, self.out))}")

    def kinds(self, recipe: Recipe) -> list[str]:
        """Kinds of the models that a recipe names: segmentation, coverage."""
        named = {"segmentation": recipe.segmentation, "coverage": recipe.coverage}
        return [kind for kind, part in named.items() if part is not None]

    def train_missing(self, recipe: Recipe) -> None:
        """Train the missing models of a recipe."""
        for kind in self.kinds(recipe):
            if kind not in self.folders(recipe):
                self.train(recipe, kind)

    def trained_kinds(self, recipe: Recipe) -> list[str]:
        """Kinds of the models that a recipe trains; the others are included, or lie in a folder that it names."""
        named = {"segmentation": recipe.segmentation, "coverage": recipe.coverage}
        return [kind for kind, part in named.items() if part is not None and _given(part) is None]

    def train(self, recipe: Recipe, kind: str, place: Path | None = None) -> None:
        """Train a model of a recipe, after a message about how long it takes.

        ``place`` is the folder of its bundle; None is its place in ``home``, where runs of the recipe look for it.
        """
        if kind == "segmentation" and recipe.segmentation:
            self._train_segmentation(recipe.segmentation, place or self.segmentation(recipe.segmentation))
        elif kind == "coverage" and recipe.coverage:
            self._train_coverage(recipe.coverage, place or self.coverage(recipe.coverage))
        else:
            raise ValueError(f"recipe '{recipe.name}' has no [{kind}] model to train")

    def digests(self, recipe: Recipe) -> dict[str, str]:
        """Digest of each existing model of a recipe."""
        return {kind: bundle_digest(folder) for kind, folder in self.folders(recipe).items()}

    def folder(self, recipe: Recipe, kind: str) -> Path | None:
        """Folder of a recipe's model of a kind; None if it names none, or if it is still to be trained.

        Raises RecipeError for a model that is neither there nor can be trained, FileNotFoundError without its data.
        """
        place = None
        if kind == "segmentation" and recipe.segmentation:
            place = self.segmentation(recipe.segmentation)
        elif kind == "coverage" and recipe.coverage:
            place = self.coverage(recipe.coverage)
        if place is None:
            return None
        repair(place, MANIFEST_NAME)
        return place if (place / MANIFEST_NAME).exists() else None

    def training_of(self, part: Segmentation) -> Training:
        """How a segmentation model is trained; raises RecipeError where nothing says so."""
        return _segmentation_training(part, self.out)

    def folders(self, recipe: Recipe) -> dict[str, Path]:
        """Folders of the recipe's existing models, by kind."""
        found = {kind: self.folder(recipe, kind) for kind in self.kinds(recipe)}
        return {kind: folder for kind, folder in found.items() if folder is not None}

    def tell_boundaries(self, recipe: Recipe) -> bool:
        """Whether a recipe's segmentation model, there or still to be trained, tells the boundaries of fields."""
        told = self._segmentation(recipe)
        if isinstance(told, str):
            return told in (*TELL_BOUNDARIES, HAS_QUERIES)
        return told is not None and told.tells_boundaries

    def tell_instances(self, recipe: Recipe) -> bool:
        """Whether the queries of a recipe's segmentation model, there or still to be trained, are taught single fields."""
        told = self._segmentation(recipe)
        return told == HAS_QUERIES if isinstance(told, str) else told is not None and told.instances

    def _segmentation(self, recipe: Recipe) -> Manifest | str | None:
        """The manifest of a recipe's segmentation model, or its architecture where it is still to be trained; None without one."""
        if recipe.segmentation is None:
            return None
        folder = self.folder(recipe, "segmentation")
        return self.training_of(recipe.segmentation).architecture if folder is None else read_manifest(folder)

    def _train_segmentation(self, part: Segmentation, place: Path) -> None:
        training = _segmentation_training(part, self.out)
        config = training.config()
        _announce("segmentation", part.model, training.stated_minutes)
        with tempfile.TemporaryDirectory() as scratch:
            scenes = open_scenes(Path(training.images), Path(training.polygons), training.image_column)
            always, water = _scenes_beside(Path(scratch), training)
            train_named(
                scenes, config, place, self.home / "checkpoints", folds=training.folds,
                validation_fraction=training.validation_fraction, description=training.description,
                licence=training.licence, always=always, water=water,
            )  # fmt: skip

    def _train_coverage(self, part: Coverage, place: Path) -> None:
        from croplayer.models.training.coverage import train_coverage
        from croplayer.models.training.coverage_samples import make_coverage_samples
        from croplayer.models.training.training_config import CoverageConfig

        training = _coverage_training(part, self.out)
        config = CoverageConfig(training.size, training.start, training.steps, seed=training.seed)
        _announce("coverage type", part.model, training.stated_minutes)
        with tempfile.TemporaryDirectory() as scratch:
            samples = Path(training.samples or "")
            if training.scenes is not None:
                scenes = open_scenes(Path(training.scenes), Path(training.polygons))
                clouds = Path(training.clouds) if training.clouds else None
                samples = make_coverage_samples(scenes, clouds, Path(scratch), training.seed, training.per_class)
            with tqdm(total=config.steps, desc="learn    ", unit="step", disable=None) as bar:
                train_coverage(
                    samples, config, place, training_data=training.description,
                    licence=training.licence, on_step=lambda report: _advance(bar, report.loss),
                )  # fmt: skip


def open_scenes(images: Path, polygons: Path, image_column: str = "image") -> LabelledScenes:
    """Labelled scenes; repaired and dropped polygons and the share of fields are reported on standard error."""
    from croplayer.models.training.scenes import LabelledScenes

    scenes = LabelledScenes.open(images, polygons, image_column)
    for line in (*scenes.report.repaired, *scenes.report.dropped):
        messages.warning("labels: %s", line)
    negative = [scene.name for scene in scenes.scenes if not scene.polygons]
    without = f"; {len(negative)} scenes have no polygon: {', '.join(negative)}" if negative else ""
    messages.info(
        "labels: %.1f %% of the pixels of %d scenes lie in fields%s", 100 * scenes.field_share(), len(scenes), without
    )
    return scenes


def train_named(
    scenes: LabelledScenes,
    config: TrainingConfig,
    folder: Path,
    work: Path,
    *,
    folds: int,
    validation_fraction: float,
    description: str,
    licence: str,
    always: LabelledScenes | None = None,
    water: LabelledScenes | None = None,
) -> Path:
    """Train a segmentation model with a progress bar; its figures are measured on scenes it never saw.

    Parameters
    ----------
    scenes : split by scene: into ``folds``, after which the model of all scenes is trained, or, where
        ``folds`` is 0, into training and ``validation_fraction``
    folder : where the bundle is written
    work : folder of checkpoints
    always : scenes that are used for training only, such as synthetic ones
    water : scenes of open water that the model's figures on water are measured on
    """
    from croplayer.models.training.cross_validation import train_cross_validated
    from croplayer.models.training.training import train_segmentation

    with tqdm(total=config.steps * (folds + 1), desc="learn    ", unit="step", disable=None) as bar:
        if folds:
            return train_cross_validated(
                scenes, config, folds, folder, work=work, training_data=description, licence=licence, always=always,
                water=water, on_step=lambda name, report: _advance(bar, report.loss, name),
            )  # fmt: skip
        learn, validate = scenes.split_by_scene(validation_fraction, config.seed)
        return train_segmentation(
            learn if always is None else learn.joined(always), config, folder, work=work, training_data=description,
            licence=licence, validation=validate, water=water, on_step=lambda report: _advance(bar, report.loss),
        )  # fmt: skip


def _scenes_beside(folder: Path, training: Training) -> tuple[LabelledScenes | None, LabelledScenes | None]:
    """Scenes that are used for training only, and scenes of open water that are only measured on; None where there are none."""
    from croplayer.models.training.open_water import learned_and_judged

    always = _synthetic_scenes(folder, training) if training.synthetic_scenes else None
    if training.water is None:
        return always, None
    learned, judged = learned_and_judged(Path(training.water))
    return learned if always is None else always.joined(learned), judged


def _synthetic_scenes(folder: Path, training: Training) -> LabelledScenes:
    """Scenes of a synthetic country at the resolution of the map, for land that the real ones do not show."""
    from croplayer.landscape.country import Country
    from croplayer.landscape.make import SMALL_BOUNDS
    from croplayer.landscape.samples import write_training_scenes
    from croplayer.models.training.scenes import LabelledScenes

    country = Country(SYNTHETIC_SEED)
    write_training_scenes(country, folder, SMALL_BOUNDS, SYNTHETIC_ZOOM, training.synthetic_scenes)
    return LabelledScenes.open(folder / "images", folder / "parcels.gpkg")


def _advance(bar: tqdm, loss: float, part: str = "") -> None:
    bar.set_postfix({"part": part} if part else {}, loss=f"{loss:.3f}", refresh=False)
    bar.update()


def _announce(kind: str, name: str, minutes: float) -> None:
    messages.info(
        "learn: the %s model '%s' is missing; training it takes about %g min on two cores", kind, name, minutes
    )


def _given(part: Segmentation | Coverage) -> Path | None:
    """Folder of a model that needs no training: one in a folder, or an included one.

    A recipe that says how to train a model trains it, even where an included one has its name.
    """
    if part.training is None and part.recipe is None and part.model in shipped_names():
        return shipped_folder(part.model)
    repair(Path(part.model), MANIFEST_NAME)
    return Path(part.model) if (Path(part.model) / MANIFEST_NAME).exists() else None


def _segmentation_training(part: Segmentation, out: Path) -> Training:
    if part.training is not None:
        return part.training
    other = _other_recipe(part.model, part.recipe, out).segmentation
    if other is None or other.training is None:
        raise RecipeError(f"recipe '{part.recipe}', named by segmentation.recipe, trains no segmentation model")
    return other.training


def _coverage_training(part: Coverage, out: Path) -> CoverageTraining:
    if part.training is not None:
        return part.training
    other = _other_recipe(part.model, part.recipe, out).coverage
    if other is None or other.training is None:
        raise RecipeError(f"recipe '{part.recipe}', named by coverage.recipe, trains no coverage model")
    return other.training


def _other_recipe(model: str, recipe: str | None, out: Path) -> Recipe:
    if recipe is None:
        raise RecipeError(
            f"model '{model}' is neither a folder with a {MANIFEST_NAME} nor an included model "
            f"({', '.join(shipped_names())}), and neither training nor recipe says how to train it"
            f"{did_you_mean(model, shipped_names())}"
        )
    return load_recipe(find_recipe(recipe), out)


def _training_key(training: Training | CoverageTraining) -> str:
    """Twelve digits that change when the training, its data or its code change."""
    values = training.model_dump(mode="json", exclude={"stated_minutes"})
    places = ("images", "polygons", "water", "samples", "scenes", "clouds")
    paths = {name: str(values.pop(name)) for name in places if values.get(name)}
    data = {name: _data_digest(Path(path)) for name, path in paths.items()}
    if training.start != RANDOM:
        from croplayer.models.training.start import start_digest

        values["start"] = start_digest(training.start, training.size)
    parts = {"training": values, "data": data, "code": code_digest(_training_modules(training))}
    return digest_text(json.dumps(parts, sort_keys=True))[:12]


def _training_modules(training: Training | CoverageTraining) -> tuple[str, ...]:
    """The modules that train, and those that make synthetic scenes where the training has some."""
    if isinstance(training, CoverageTraining):
        return "croplayer.models.training.coverage", "croplayer.models.training.coverage_samples"
    makes_scenes = ("croplayer.landscape.samples",) if training.synthetic_scenes else ()
    finds_water = ("croplayer.models.training.open_water",) if training.water else ()
    return "croplayer.models.training.cross_validation", *makes_scenes, *finds_water


def _data_digest(path: Path) -> str:
    """Digest of a file, or of all files below a folder."""
    if not path.exists():
        raise FileNotFoundError(f"training data {path} do not exist")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    states = [(p, p.stat()) for p in files]
    return _files_digest(path, tuple((p, s.st_size, s.st_mtime_ns) for p, s in states))


@lru_cache(maxsize=32)
def _files_digest(path: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Digest of files at ``path``; needed for every step that names the model, and read once."""
    if path.is_file():
        return digest_file(path).sha256
    return digest_text("\n".join(f"{p.relative_to(path).as_posix()} {digest_file(p).sha256}" for p, *_ in files))
