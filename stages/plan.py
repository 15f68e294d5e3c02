"""Print what a run of params.yaml would extract, store and cost, and what is missing for it.

    python -m stages.plan

Reads   params.yaml, conf/costs.yaml, conf/downloads.yaml, and what is on disk; writes nothing

Hours with "~" come from arithmetic, not from a measured rate, and "?" is not known: see
conf/costs.yaml.
"""

import sys
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from pipeline.downloads import Download
from pipeline.params import from_mapping, read_section
from pipeline.planning import BackbonePlan, Cost, plan_backbone, plan_table, speed_lines
from pipeline.sources import SourceError, load_spec
from stages.fetch import plan_lines, read_downloads, wanted_files

COSTS = Path("conf/costs.yaml")
MADE = ("glyphs", "craft", "features")


def image_counts(params: dict[str, Any]) -> dict[str, int | None]:
    """Images of each data set: by its index, else as the benchmark expects, else not known."""
    expected = params["benchmark"].get("expected", {})
    counts: dict[str, int | None] = {}
    for name, entry in params["datasets"].items():
        index = Path(f"data/index/{name}.parquet")
        if index.is_file():
            counts[name] = int(
                pl.scan_parquet(index).select(pl.col("row").count()).collect().item()
            )
        elif isinstance(entry, dict) and entry.get("source") == "craft":
            counts[name] = {**params["craft"]["defaults"], **entry}.get("pairs")
        else:
            counts[name] = expected.get(name)
    return counts


def unexpected_counts(params: dict[str, Any], counts: dict[str, int | None]) -> list[str]:
    """Indexed data sets that do not hold the number of images that the benchmark states."""
    return [
        f"{name} holds {counts[name]:,} images, the benchmark states {wanted:,}: look whether "
        "the copy is complete"
        for name, wanted in params["benchmark"].get("expected", {}).items()
        if counts.get(name) is not None and counts[name] != wanted
    ]


def missing_data(params: dict[str, Any], known: dict[str, Download]) -> list[str]:
    """Data sets that are neither indexed nor found, each with the cure."""
    problems = []
    for name, entry in params["datasets"].items():
        made = isinstance(entry, dict) and entry.get("source") in MADE
        if made or Path(f"data/index/{name}.parquet").is_file():
            continue
        try:
            load_spec(name)
        except (SourceError, OSError) as error:
            files = wanted_files(params["datasets"], known, [name])
            by_hand = [item.download.note for item in files if item.download.url is None]
            cure = by_hand[0] if by_hand else f"python -m stages.fetch {name}"
            problems.append(f"{name}: {error}\n    cure: {cure if files else 'give its path'}")
    return problems


def missing_weights(params: dict[str, Any]) -> list[str]:
    """Backbones whose weights no stage has recorded, with where they will come from."""
    lines = []
    for name in params["backbones"]:
        if Path(f"data/weights/{name}/weights.json").is_file():
            continue
        entry = params["models"][name]
        if entry.get("pretrain") or entry.get("finetune"):
            lines.append(f"{name}: will be trained here")
        elif entry.get("loader") == "features":
            lines.append(f"{name}: imported features, from the files of models.{name}.files")
        else:
            called = " / ".join(str(entry[k]) for k in ("name", "pretrained") if entry.get(k))
            place = entry.get("checkpoint") or f"data/checkpoints/{name}.safetensors"
            lines.append(f"{name}: {called}, from {place} or the hub (fetch_weights)")
    return lines


def run(params: dict[str, Any], costs: dict[str, Any], known: dict[str, Download]) -> list[str]:
    """Return the plan as lines; see the module docstring."""
    counts = image_counts(params)
    plans: list[BackbonePlan] = []
    table = {
        name: from_mapping(Cost, costs["costs"].get(name, {}), section=f"costs.{name}")
        for name in params["backbones"]
    }
    for backbone, cost in table.items():
        stores = {n: Path(f"data/features/{backbone}/{n}.zarr").is_dir() for n in counts}
        plans.append(
            plan_backbone(
                backbone,
                images=counts,
                cached=stores,
                cost=cost,
                dtype=params["extract"].get("dtype", "float16"),
                assumed_tflops=float(costs["assumed_tflops"]),
            )
        )
    lines = [f"benchmark {params['benchmark']['name']}, {len(counts)} data sets", ""]
    lines += plan_table(plans)
    if uncounted := sorted({name for plan in plans for name in plan.uncounted}):
        lines.append(f"not counted, since not indexed yet: {', '.join(uncounted)}")
    lines += speed_lines(plans, table, assumed_tflops=float(costs["assumed_tflops"]))
    for title, problems in (
        ("weights to come:", missing_weights(params)),
        ("data missing:", missing_data(params, known)),
        ("data that differ:", unexpected_counts(params, counts)),
    ):
        if problems:
            lines += ["", title, *(f"  {problem}" for problem in problems)]
    files = wanted_files(params["datasets"], known, [])
    if files:
        root = Path(params.get("data_root") or "data/raw")
        lines += ["", "files of the benchmark:", *(f"  {line}" for line in plan_lines(files, root))]
    return lines


def main() -> None:
    """Read the parameters and print the plan."""
    params = {
        key: read_section(key)
        for key in ("benchmark", "datasets", "backbones", "models", "extract", "craft")
    }
    try:
        params["data_root"] = read_section("data_root")
    except KeyError:
        params["data_root"] = "data/raw"
    costs = yaml.safe_load(COSTS.read_text(encoding="utf-8"))
    print("\n".join(run(params, costs, read_downloads())))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"error: {error}")
