"""The backbone table: one entry says where a model's weights come from and what it is.

Six forms, told apart by their keys (conf/models/*.yaml holds many examples):

- open_clip name + tag:              ``{loader: open_clip, name: ViT-H-14, pretrained: laion2b_…}``
- open_clip configuration + file:    ``{loader: open_clip, config: my.json, checkpoint: my.pt}``
- pretrained here (`pretrain`):      ``{loader: open_clip, model_cfg: {…}, pretrain: {…}}``
- timm name + tag:                   ``{loader: timm, name: vit_base_patch14_dinov2.lvd142m}``
- timm name + file:                  ``{loader: timm, name: mobilenetv2_100, checkpoint: m.pt}``
- features computed elsewhere:       ``{loader: features, files: {…}, norm: raw, space: features}``
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.backbones.entry_keys import refuse_unread
from pipeline.backbones.transform_spec import transform_values
from pipeline.params import from_mapping


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the backbone table, ``models.<backbone>``.

    Attributes:
        loader: The library that builds the model, or ``features`` for imported rows.
        name: The loader's model name.
        pretrained: open_clip's tag; timm names carry theirs after the dot.
        config: An open_clip model configuration (JSON file).
        checkpoint: A local weights file; wins over any download.
        random_weights: Accept untrained weights, drawn from `seed`.
        seed: Seed of random weights.
        space: ``joint`` keeps the image tower's output after its projection although it could be
            separated; the default separates where the tower allows it.
        kwargs: Further arguments of the model's constructor.
        transform: Overrides of the evaluation transform, by the loader's own keys
            (`pipeline.backbones.transform_spec`).
        model_cfg: An open_clip model configuration written in the table itself, for `pretrain`.
        pretrain: How `pretrain` trains it here.
        finetune: How `finetune` trains it here.
        files: Features by data set, for ``loader: features``.
        norm: Whether imported rows are ``raw`` or ``unit`` length.
        class_embeddings: File with text vectors [c e] for imported features.
        projection: File with the projection [d e] for imported features.
        negative_embeddings: File with text vectors [w e] of words that are no ID class, for
            neglabel on imported features; ``text.negative_share`` says how many are kept.
        logit_scale: CLIP's learned multiplier for imported features.
        normalise: Bring imported rows to unit length.
        columns: Column names of imported Parquet files or keys of archives.
    """

    loader: Literal["open_clip", "timm", "features"]
    name: str | None = None
    pretrained: str | None = None
    config: str | None = None
    checkpoint: str | None = None
    random_weights: bool = False
    seed: int = 0
    space: Literal["features", "joint"] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    transform: dict[str, Any] = field(default_factory=dict)
    model_cfg: dict[str, Any] | None = None
    pretrain: dict[str, Any] | None = None
    finetune: dict[str, Any] | None = None
    files: dict[str, Any] = field(default_factory=dict)
    norm: Literal["raw", "unit"] | None = None
    class_embeddings: Any = None
    projection: Any = None
    negative_embeddings: Any = None
    logit_scale: float | None = None
    normalise: bool = False
    columns: dict[str, Any] = field(default_factory=dict)


def model_spec(name: str, entry: dict[str, Any]) -> ModelSpec:
    """Check one entry of the backbone table.

    Raises:
        ValueError: If keys are unknown, not read by the entry's loader, or do not fit together;
            or if a value of `transform` is not usable.
    """
    spec = from_mapping(ModelSpec, entry, section=f"models.{name}")
    fresh = ModelSpec(spec.loader)
    fields = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    given = {key: value for key, value in fields.items() if value != getattr(fresh, key)}
    refuse_unread(name, spec.loader, given)
    made_here = spec.pretrain is not None or spec.finetune is not None
    if spec.loader == "features":
        if not spec.files:
            raise ValueError(
                f"models.{name} must list `files`: one features file for each data set"
            )
        return spec
    if not (spec.name or spec.config or made_here):
        raise ValueError(
            f"models.{name} must name its model: set `name`, or `config` with `checkpoint`"
        )
    if spec.config and not (spec.checkpoint or spec.random_weights):
        raise ValueError(
            f"models.{name} has a configuration but no weights: set `checkpoint` to a local file"
        )
    if (
        spec.loader == "open_clip"
        and spec.name
        and not (spec.pretrained or spec.checkpoint or spec.random_weights)
    ):
        raise ValueError(
            f"models.{name} has no weights: set `pretrained` (open_clip's tag), `checkpoint` (a "
            "file) or, knowing that features of an untrained model mean little, "
            "`random_weights: true`"
        )
    transform = transform_values(spec.loader, spec.transform, section=f"models.{name}.transform")
    return dataclasses.replace(spec, transform=transform)
