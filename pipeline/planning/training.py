"""What pretraining, fine-tuning and crafting cost, counted in images that go forward and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.glyph_world.pretraining_params import TrainParams
from pipeline.planning.costs import Cost
from pipeline.planning.counts import ImageCounts
from pipeline.recorded_runs import RecordedRuns


@dataclass(frozen=True)
class TrainingPlan:
    """One training or attack still to do; None stands for not known.

    Attributes:
        what: As the table calls it.
        images: That go forward and back: pairs by steps, or images by epochs.
        hours: By arithmetic, from the speed of a forward pass.
        estimated: Whether the number of images is no count.
    """

    what: str
    images: int | None
    hours: float | None
    estimated: bool = False


def plan_training(
    what: str,
    *,
    images: int | None,
    cost: Cost,
    passes: float,
    assumed_tflops: float,
    estimated: bool = False,
) -> TrainingPlan:
    """Estimate a training or an attack from the speed of a forward pass.

    Args:
        what: Its name in the table.
        images: That go forward and back; None where nobody counted them.
        cost: Of a forward pass of the backbone.
        passes: Forward passes that an image forward and back takes as long as.
        assumed_tflops: Sustained speed to assume where no rate was measured.
        estimated: Whether the number of images is no count.
    """
    rate = cost.images_per_second(assumed_tflops=assumed_tflops)
    if images is None or rate is None:
        return TrainingPlan(what, images, None, estimated)
    return TrainingPlan(what, images, images * passes / rate / 3600, estimated)


def planned_trainings(
    params: Mapping[str, Any],
    runs: RecordedRuns,
    counts: ImageCounts,
    costs: Mapping[str, Cost],
    *,
    passes: float,
    assumed_tflops: float,
) -> list[TrainingPlan]:
    """Return the pretrainings, fine-tunings and attacks that are still to do.

    Args:
        params: What params.yaml holds, or would hold.
        runs: What DVC recorded.
        counts: Images by data set, some of them estimated.
        costs: Costs by backbone.
        passes: Forward passes that an image forward and back takes as long as.
        assumed_tflops: Sustained speed to assume where no rate was measured.
    """
    wanted: list[tuple[str, int | None, str, bool]] = []
    bank = params["benchmark"]["id_train"]
    for name in params["backbones"]:
        first, recipe = (params["models"][name].get(kind) for kind in ("pretrain", "finetune"))
        if first and not runs.weights_are_current(name):
            wanted.append((f"pretrain {name}", pretrained_images(first), name, False))
        if recipe and not runs.weights_are_current(name):
            total = fine_tuned_images(counts.images[bank], {**params["finetune"], **recipe})
            wanted.append((f"fine-tune {name}", total, name, bank in counts.estimated))
    for name, entry in params["datasets"].items():
        crafted = isinstance(entry, dict) and entry.get("source") == "craft"
        if crafted and not runs.index_is_current(name):
            spec = {**params["craft"]["defaults"], **entry}
            surrogate = spec.get("surrogate") or params["craft"]["surrogate"]
            wanted.append((f"craft {name} on {surrogate}", crafted_images(spec), surrogate, False))
    return [
        plan_training(
            what,
            images=images,
            cost=costs[backbone],
            passes=passes,
            assumed_tflops=assumed_tflops,
            estimated=estimated,
        )
        for what, images, backbone, estimated in wanted
    ]


def pretrained_images(recipe: Mapping[str, Any]) -> int:
    """Return the images of all batches; the captions beside them are not counted."""
    return int(recipe["steps"]) * int(recipe.get("batch_size", TrainParams.batch_size))


def fine_tuned_images(images: int | None, recipe: Mapping[str, Any]) -> int | None:
    """Return the images of all whole batches of all epochs."""
    if images is None:
        return None
    batch = int(recipe["batch_size"])
    return int(recipe["epochs"]) * (images // batch * batch)


def crafted_images(spec: Mapping[str, Any]) -> int:
    """Return pairs by steps by restarts."""
    return int(spec["pairs"] * spec["steps"] * spec.get("restarts", 1))
