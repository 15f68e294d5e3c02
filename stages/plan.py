"""Print what a run would extract, store and cost, and what is missing for it.

    python -m stages.plan [KEY=VALUE ...]

Reads   params.yaml, or with overrides (benchmark=imagenet1k study=clip10) what conf/ composes;
        conf/costs.yaml, conf/downloads.yaml, dvc.lock, and what is on disk; writes nothing

Hours with "~" come from arithmetic, not from a measured rate, and "?" is not known: see
conf/costs.yaml. "≈" stands before what comes from an estimated number of images. What is there
counts only if it was made with these parameters.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.backbones.planned_weights import planned_weights
from pipeline.fetching.dry_run import free_bytes, plan_lines
from pipeline.fetching.entry import Download
from pipeline.fetching.wanted_files import read_downloads, root_of, wanted_files
from pipeline.param_checks.finetuned_classifiers import finetuned_classifiers_warning
from pipeline.param_checks.glyph_backbones import glyph_backbones_warning
from pipeline.params import from_mapping, read_params
from pipeline.planning.costs import BackbonePlan, Cost, plan_backbone
from pipeline.planning.counts import image_counts
from pipeline.planning.data import plan_data
from pipeline.planning.refusals import refusals
from pipeline.planning.table import plan_table, speed_lines
from pipeline.planning.training import planned_trainings
from pipeline.recorded_runs import RecordedRuns
from pipeline.stage import run_stage

COSTS = Path("conf/costs.yaml")
FEATURES = Path("data/features")


def unexpected_counts(params: dict[str, Any], images: dict[str, int | None]) -> list[str]:
    """Indexed data sets that do not hold the number of images that the benchmark states."""
    return [
        f"{name} holds {images[name]:,} images, the benchmark states {wanted:,}: look whether "
        "the copy is complete"
        for name, wanted in (params["benchmark"].get("expected") or {}).items()
        if images.get(name) is not None and images[name] != wanted
    ]


def outdated(params: dict[str, Any], runs: RecordedRuns) -> list[str]:
    """Data sets whose index is there, but of other images, classes or parameters."""
    names = [
        name
        for name in params["datasets"]
        if Path(f"data/index/{name}.parquet").is_file() and not runs.index_is_current(name)
    ]
    return [f"{', '.join(names)}: indexed for another run, so counted anew"] if names else []


def run(
    params: dict[str, Any],
    costs: dict[str, Any],
    known: dict[str, Download],
    overrides: Sequence[str] = (),
) -> list[str]:
    """Return the plan as lines; see the module docstring."""
    runs = RecordedRuns.read(params)
    root = root_of(params.get("data_root", "data/raw"))
    counts = image_counts(params, runs, known, root)
    tflops = float(costs["assumed_tflops"])
    table = {
        name: from_mapping(Cost, costs["costs"].get(name, {}), section=f"costs.{name}")
        for name in params["backbones"]
    }
    plans: list[BackbonePlan] = [
        plan_backbone(
            backbone,
            images=counts.images,
            cached={name: runs.store_is_current(backbone, name) for name in counts.images},
            cost=cost,
            dtype=params["extract"].get("dtype", "float16"),
            assumed_tflops=tflops,
            estimated=counts.estimated,
        )
        for backbone, cost in table.items()
    ]
    further = planned_trainings(
        params,
        runs,
        counts,
        table,
        passes=float(costs["passes_of_a_step"]),
        assumed_tflops=tflops,
    )
    lines = [f"benchmark {params['benchmark']['name']}, {len(counts.images)} data sets", ""]
    for warning in filter(
        None, (glyph_backbones_warning(params), finetuned_classifiers_warning(params))
    ):
        lines += [f"warning: {warning}", ""]
    lines += plan_table(plans, further)
    lines.append(f"free where features are stored, data/: {free_bytes(FEATURES) / 1e6:,.0f} MB")
    if uncounted := sorted({name for plan in plans for name in plan.uncounted}):
        lines.append(f"not counted, since not indexed yet: {', '.join(uncounted)}")
    if about := sorted({name for plan in plans for name in plan.estimated}):
        told = ", ".join(f"{name} about {counts.images[name]:,}" for name in about)
        lines.append(f"≈ images estimated before they are indexed, by their classes: {told}")
    if further:
        lines.append(
            "pretrain, craft: pairs by steps, fine-tune: images by epochs; each goes forward and "
            f"back, about {costs['passes_of_a_step']} forward passes"
        )
    lines += speed_lines(plans, table, assumed_tflops=tflops)
    at_hand, missing = planned_weights(params, runs)
    data = plan_data(params, runs, known, root, overrides)
    for title, problems in (
        ("what stops the run:", refusals(params, counts)),
        ("weights that need no download:", at_hand),
        ("weights missing here:", missing),
        ("data missing:", data.missing),
        ("data of another run:", outdated(params, runs)),
        ("data that differ:", [*data.other, *unexpected_counts(params, counts.images)]),
    ):
        if problems:
            lines += ["", title, *(f"  {problem}" for problem in problems)]
    if files := wanted_files(params["datasets"], known, []):
        lines += ["", "files of the benchmark:", *(f"  {line}" for line in plan_lines(files, root))]
    return lines


def parameters(overrides: list[str]) -> dict[str, Any]:
    """Return params.yaml, or with overrides what conf/ composes, which stays in memory.

    Raises:
        ValueError: If conf/ does not compose with them.
    """
    if not overrides:
        return read_params()
    from pipeline.composition import composed  # seconds that a plan of params.yaml is spared

    return composed(overrides)


def main() -> None:
    """Read the parameters and print the plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_args()

    costs = yaml.safe_load(COSTS.read_text(encoding="utf-8"))
    params = parameters(args.overrides)
    print("\n".join(run(params, costs, read_downloads(), args.overrides)))


if __name__ == "__main__":
    run_stage(main)
