"""Score new photos by a detector that `dvc repro` has fitted, without declaring them a data set.

    python -m stages.score_images BACKBONE PLACE [PLACE ...] [--method NAME ...] [--accept 0.95]
                                  [--out scores.csv] [--device cpu]

PLACE is an image, a folder of any depth, an archive (zip, tar, Parquet), or an entry of `datasets`
in YAML: '{source: list, path: photos.txt, root: /photos}'.

Reads   data/detectors/BACKBONE, data/weights/BACKBONE, data/text/BACKBONE.zarr, data/params,
        data/features/BACKBONE, the score table of the ID test images; params.yaml
Writes  OUT           .csv or .parquet, a row for each photo: path; the class by each classifier;
                      by method the score (higher = more in-distribution), and whether it is
                      accepted; why a photo cannot be read. Without OUT, CSV on stdout
        OUT as .json  thresholds and what they come from, detector, weights, unreadable photos
        Nothing below data/ or reports/.

A photo is accepted where its score is at least the threshold that accepts 95 % of the ID test
images (fpr95's). The command ends with 0, with 3 where photos could not be read and the others were
scored, with 1 where nothing was scored.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.files import write_text
from pipeline.name_lists import first_and_more
from pipeline.parquet_files import write_parquet
from pipeline.progress import Progress
from pipeline.scoring.photos import find_photos
from pipeline.scoring.scorer import Scorer, load_scorer
from pipeline.stage import run_stage

SUFFIXES = (".csv", ".parquet")
UNREADABLE = 3  # exit status
SHOWN = 20  # unreadable photos; the table has all


def run(scorer: Scorer, places: list[str]) -> pl.DataFrame:
    """Score the photos of all places; see the module docstring."""
    sources = find_photos(places)
    for named in filter(None, (photos.left_out for photos in sources)):
        print(f"left out by their names, as no images: {named}", file=sys.stderr)
    progress = Progress("photos", sum(len(photos.paths) for photos in sources))
    tables = [
        table for photos in sources for table in scorer.tables(photos, advance=progress.advance)
    ]
    progress.close()
    return pl.concat(tables)


def summary(scorer: Scorer, table: pl.DataFrame) -> list[str]:
    """Say by method what is accepted, and which photos could not be read."""
    thresholds = scorer.thresholds
    bad = table.filter(pl.col("error").is_not_null())
    scored = len(table) - len(bad)
    lines = [
        f"{scored:,} photos by {scorer.detector.backbone}. Accepted: a score of at least the "
        "threshold",
        f"that accepts {100 * thresholds.accept:g} % of the {thresholds.images:,} images of "
        f"{thresholds.dataset} ({thresholds.table})",
    ]
    width = max(map(len, scorer.methods))
    for name in scorer.methods:
        accepted = table[f"{name}_accepted"].sum()
        value = thresholds.values[name]
        lines.append(f"{name:{width}}  threshold {value:<12.6g}  {accepted:,} accepted")
    lines += [f"warning: {warning}" for warning in scorer.warnings]
    lines += [f"no {name} class: {reason}" for name, reason in scorer.no_classifier.items()]
    if len(bad):
        lines.append(f"{len(bad):,} photos cannot be read:")
        told = [f"{path}: {reason}" for path, reason in bad.select("path", "error").rows()]
        lines.append("  " + first_and_more(told, shown=SHOWN, between="\n  "))
    return lines


def told(scorer: Scorer, table: pl.DataFrame) -> dict[str, Any]:
    """What a reader of the table must know, JSON-ready."""
    thresholds = scorer.thresholds
    unreadable = table.filter(pl.col("error").is_not_null()).select("path", "error")
    return {
        "backbone": scorer.detector.backbone,
        "detector": scorer.detector.sha256,
        "weights": scorer.weights,
        "bank": scorer.detector.facts["fitted_on"]["bank"],
        "thresholds": {name: thresholds.values[name] for name in scorer.methods},
        "thresholds_from": {
            "table": str(thresholds.table),
            "dataset": thresholds.dataset,
            "images": thresholds.images,
            "accept": thresholds.accept,
        },
        "photos": len(table),
        "accepted": {name: int(table[f"{name}_accepted"].sum()) for name in scorer.methods},
        "no_classifier": scorer.no_classifier,
        "unreadable": dict(unreadable.rows()),
        "warnings": scorer.warnings,
    }


def check_out(out: Path) -> None:
    """Refuse a file that is no table, or would stand among DVC's outputs and git's records.

    Raises:
        ValueError: If so.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out must end in {' or '.join(SUFFIXES)}, got {out}")
    for kept in ("data", "reports"):
        if out.resolve().is_relative_to(Path(kept).resolve()):
            raise ValueError(f"--out must not lie below {kept}/, which the stages fill, got {out}")


def main() -> None:
    """Parse the arguments, score, write or print, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backbone")
    parser.add_argument("places", nargs="+", metavar="PLACE")
    parser.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="NAME",
        help="as in the tables, such as knn_1; may be repeated; all; default: the headline's",
    )
    parser.add_argument(
        "--accept", type=float, default=0.95, help="share of ID test images that are accepted"
    )
    parser.add_argument("--out", type=Path, help="a .csv or .parquet file; default: stdout")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: what the bank was extracted on",
    )
    args = parser.parse_args()
    if args.out:
        check_out(args.out)
    scorer = load_scorer(args.backbone, methods=args.method, accept=args.accept, device=args.device)
    table = run(scorer, args.places)
    if args.out is None:
        sys.stdout.write(table.write_csv())
    else:
        if args.out.suffix == ".csv":
            write_text(args.out, table.write_csv())
        else:
            write_parquet(args.out, table)
        text = json.dumps(told(scorer, table), indent=1, sort_keys=True, ensure_ascii=False)
        write_text(args.out.with_suffix(".json"), text + "\n")
    print("\n".join(summary(scorer, table)), file=sys.stdout if args.out else sys.stderr)
    if table["error"].count() == len(table):
        sys.exit("error: no photo could be read")
    sys.exit(UNREADABLE if table["error"].count() else 0)


if __name__ == "__main__":
    run_stage(main)
