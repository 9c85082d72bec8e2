"""The parts of a recipe that name its models and say how missing ones are trained."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pydantic import Field, field_validator, model_validator

from croplayer.models.training.training_config import (
    ARCHITECTURES,
    PRECISIONS,
    STORED_AS,
    VALIDATION_FRACTION,
    Augmentation,
    CoverageConfig,
    CoverageSize,
    TrainingConfig,
)
from pipelines.recipe_parts import FilePath, Licensed, NameOrPath, Part, Start, TomlPair, one_of_keys
from stores.legends import NODATA_ABOVE


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ValueError(f"'{text}' is not one of {', '.join(known)}")
    return text


class Training(Part):
    """How a missing model is trained: the fields of `TrainingConfig`, and the paths of its data.

    Fields that both have mean the same; `config` passes them on by name.
    """

    images: FilePath = Field(examples=["scenes/"])
    """Folder of labelled scenes."""
    polygons: FilePath = Field(default="", examples=["fields.gpkg"])
    """Vector file of field polygons with the column ``image``; only for the segmentation."""
    image_column: str = "image"
    """Column of the polygons with the name of the scene that they were drawn in."""
    validation_fraction: float = Field(default=VALIDATION_FRACTION, ge=0, lt=1)
    """Share of the scenes that the figures are measured on, 0 for none; not used with folds."""
    folds: int = Field(default=0, ge=0, examples=[5])
    """Parts of a cross-validation by scene, after which a model of all scenes is trained; 0 for none."""
    water: FilePath | None = Field(default=None, examples=["near_infrared/"])
    """Folder of GeoTIFFs with near infrared, in which open water is found: no field in half of their ground, measured on the other."""
    synthetic_scenes: int = Field(default=0, ge=0, examples=[5])
    """Scenes of the synthetic country that are used for training only, never for validation."""
    architecture: str = Field(default=TrainingConfig.architecture, json_schema_extra={"enum": [*ARCHITECTURES]})
    """Kind of network."""
    size: str = TrainingConfig.size
    """Size of the network, one of those of the architecture; another is an error that lists them."""
    steps: int = Field(default=TrainingConfig.steps, ge=1)
    """Steps of the training; fewer only with ``patience``."""
    crop_px: int = Field(default=TrainingConfig.crop_px, ge=32, json_schema_extra={"multipleOf": 32})
    """Edge of the windows that the network learns from; a multiple of 32."""
    batch: int = Field(default=TrainingConfig.batch, ge=1)
    """Windows in a batch, over all processes together."""
    accumulation: int = Field(default=TrainingConfig.accumulation, ge=1)
    """Batches whose gradients are averaged in one step."""
    start: Start = TrainingConfig.start
    """What the training starts from: "random", "imagenet", a model's name or folder, or a checkpoint of transformers
    in a folder or on a hub (owner/model or owner/model@revision)."""
    learning_rate: float = Field(default=TrainingConfig.learning_rate, gt=0)
    """Highest learning rate; it rises at first and then falls to zero."""
    encoder_rate: float = Field(default=TrainingConfig.encoder_rate, gt=0, le=1)
    """Learning rate of the encoder as a share of ``learning_rate``; below 1 where the encoder has learned before."""
    average_decay: float = Field(default=TrainingConfig.average_decay, ge=0, lt=1)
    """Decay per step of the running average of the weights, which is what the model holds."""
    patience: int = Field(default=TrainingConfig.patience, ge=0)
    """Evaluations without a better IoU after which the training ends; 0 trains all steps."""
    gsd_m: TomlPair = TrainingConfig.gsd_m
    """Smallest and largest ground sample distance that windows are resampled to."""
    augmentation: float = Field(default=1.0, ge=0)
    """Strength of the changes of colour, haze, blur, noise and compression."""
    mixed_windows: float = Field(default=0.0, ge=0, le=1)
    """Share of windows with a rectangle of another window in them."""
    turned_windows: float = Field(default=0.0, ge=0, le=1)
    """Share of windows turned by up to 12 degrees, beside the quarter turns of all."""
    boundary_weight: float = Field(default=TrainingConfig.boundary_weight, ge=0)
    """Additional weight of pixels near a field's edge."""
    weight_decay: float = Field(default=TrainingConfig.weight_decay, ge=0)
    """Decay of the weights of the optimiser AdamW."""
    precision: str = Field(default=TrainingConfig.precision, json_schema_extra={"enum": [*PRECISIONS]})
    """Precision of the convolutions on a CPU; on CUDA it is always bfloat16."""
    stored_as: str = Field(default=TrainingConfig.stored_as, json_schema_extra={"enum": [*STORED_AS]})
    """Type of the weights in the model's file."""
    seed: int = TrainingConfig.seed
    """Seed of the weights, windows and changes."""
    threads: int = Field(default=TrainingConfig.threads, ge=1)
    """CPU threads of the training; the last bits of the weights depend on them."""
    description: str = Field(examples=["20 aerial scenes of 2020 with drawn fields"])
    """What the training data are, for the manifest and the report."""
    licence: str = Field(examples=["CC BY 4.0"])
    """Licence of the training data."""
    stated_minutes: float = Field(gt=0, examples=[30.0], json_schema_extra={"unit": "min"})
    """About how long the training takes on two cores; printed before it starts."""

    @field_validator("architecture")
    @classmethod
    def _is_architecture(cls, name: str) -> str:
        return _one_of(name, ARCHITECTURES)

    @field_validator("stored_as")
    @classmethod
    def _is_stored_type(cls, name: str) -> str:
        return _one_of(name, STORED_AS)

    @field_validator("precision")
    @classmethod
    def _is_precision(cls, name: str) -> str:
        return _one_of(name, PRECISIONS)

    def config(self) -> TrainingConfig:
        """The configuration of the training; raises ValueError for an unknown size of the architecture."""
        shared = {f.name for f in dataclasses.fields(TrainingConfig)} & set(type(self).model_fields) - {"augmentation"}
        strengths = Augmentation(*(self.augmentation * share for share in Augmentation()))
        return TrainingConfig(
            **{name: getattr(self, name) for name in shared},
            augmentation=strengths._replace(mix=self.mixed_windows, turned=self.turned_windows),
        )


class CoverageTraining(Part):
    """How the coverage classifier is trained."""

    model_config = one_of_keys("samples", "scenes")

    samples: FilePath | None = Field(default=None, examples=["samples/"])
    """Folder with images/ and labels.csv (image, coverage_type, origin); give either samples or scenes."""
    scenes: FilePath | None = Field(default=None, examples=["scenes/"])
    """Folder of labelled scenes from which samples are drawn instead."""
    polygons: FilePath = Field(default="", examples=["fields.gpkg"])
    """Vector file of field polygons of the scenes, with the column ``image``."""
    clouds: FilePath | None = Field(default=None, examples=["clouds/"])
    """Folder of labelled cloud scenes that are composited onto the samples."""
    size: CoverageSize = CoverageConfig.size
    """Size of the network."""
    start: Start = CoverageConfig.start
    """What the training starts from: "random", or a ResNet: a bundle's name or folder, or a checkpoint of transformers."""
    per_class: int = Field(default=60, ge=10)
    """Samples of each coverage type that are drawn from the scenes."""
    steps: int = Field(default=CoverageConfig.steps, ge=1)
    """Steps of the training."""
    seed: int = CoverageConfig.seed
    """Seed of the samples, the weights and their order."""
    description: str = Field(examples=["samples of 20 aerial scenes of 2020"])
    """What the training data are, for the manifest and the report."""
    licence: str = Field(examples=["CC BY 4.0"])
    """Licence of the training data."""
    stated_minutes: float = Field(gt=0, examples=[2.0], json_schema_extra={"unit": "min"})
    """About how long the training takes on two cores; printed before it starts."""

    @model_validator(mode="after")
    def _one(self) -> CoverageTraining:
        if (self.samples is None) == (self.scenes is None):
            raise ValueError("give either samples or scenes")
        return self


class Segmentation(Licensed):
    """The network that maps cropland."""

    model: NameOrPath = Field(examples=["default"])
    """Name of an included or a trained model, or the path of a folder that holds one."""
    recipe: NameOrPath | None = Field(default=None, examples=["naip_fields"])
    """Recipe that trains the model when it is missing."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability from which on a pixel is cropland."""
    batch_cells: int | None = Field(default=None, ge=1, examples=[36])
    """Cells per pass of the network; left out, 1 on a CPU and 36 on CUDA. The last bits of a map depend on it."""
    mirrors: bool = Field(default=False, examples=[True])
    """Whether each cell is looked at four times, mirrored, and the mean is the score, for four times the time."""
    runtime: Literal["torch", "torch-bf16", "openvino", "openvino-bf16"] = "torch"
    """What runs the network: torch in float32, on CUDA also in bfloat16; OpenVINO runs on CPUs and needs an extra."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Kind of torch device, the same on every worker because the last bits of a map depend on it. ``auto`` is the kind that the
    map was begun on, and for a new map CUDA where the machine that starts the run has it."""
    training: Training | None = None
    """How the model is trained where it is missing."""

    @model_validator(mode="after")
    def _computes(self) -> Segmentation:
        if self.runtime == "torch-bf16" and self.device == "cpu":
            raise ValueError("runtime 'torch-bf16' runs on CUDA devices only; leave out device, or use runtime 'torch'")
        if self.runtime.startswith("openvino") and self.device == "cuda":
            raise ValueError(f"runtime '{self.runtime}' runs on CPUs only; leave out device, or use runtime 'torch'")
        return self


class ReportPart(Part):
    """What the report shows that the run does not make, and the formats of its figures."""

    comparison: FilePath | None = Field(default=None, examples=["comparison/"])
    """Networks that were trained on the same scenes: comparison.json of ``croplayer models compare``, or its folder."""
    pdf: bool = Field(default=False, examples=[True])
    """Whether the figures are written as PDF, too, which takes as long again as drawing them."""


class Coverage(Licensed):
    """The classifier of coverage types."""

    model: NameOrPath = Field(examples=["default_coverage"])
    """Name of an included or a trained model, or the path of a folder that holds one."""
    recipe: NameOrPath | None = Field(default=None, examples=["naip_fields"])
    """Recipe that trains the model when it is missing."""
    nodata_above: float = Field(default=NODATA_ABOVE, ge=0, le=1)
    """Share of gaps above which a block is Nodata (paper: 10 %). A gap is ground of the region without imagery that has
    imagery on both sides; ground beyond the edge of the imagery does not count."""
    training: CoverageTraining | None = None
    """How the model is trained where it is missing."""
