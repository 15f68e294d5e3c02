"""Draw two variants of an attack side by side: images, amplified changes, cosines, scores.

    python -m stages.contact_sheet LEFT RIGHT OOD_INDEX BANK_INDEX LEFT_INDEX RIGHT_INDEX
                                   CLEAN_SCORES LEFT_SCORES RIGHT_SCORES OUT

Reads   LEFT, RIGHT             names of two crafted datasets of the same OOD set
        the indexes             which source and target each image has, and where they lie
        the score tables        on the surrogate; 1-NN before and after
Writes  OUT                     a PNG; rows are spread evenly over the pairs, none is picked
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from pipeline.contact_sheet import Crafted, Row, contact_sheet
from pipeline.datasets.images import ImageParams, decode_image
from pipeline.datasets.index import read_index
from pipeline.files import written_whole
from pipeline.params import load_params, read_section
from pipeline.sources import Source, load_spec, open_source
from pipeline.stage import run_stage
from pipeline.tables import read_scores

METHOD = "knn_1"


@dataclass(frozen=True)
class Picture:
    """One indexed data set that can be looked at, and its scores where it has any."""

    name: str
    index: pl.DataFrame
    source: Source
    limits: ImageParams
    scores: np.ndarray | None = None

    def image(self, row: int) -> Image.Image:
        """The picture of one row."""
        path = self.index["path"][row]
        limits = {"max_pixels": self.limits.max_pixels, "exif": self.limits.exif}
        return decode_image(self.source.read(path), path=path, **limits)


def run(ood: Picture, bank: Picture, variants: list[Picture], *, rows: int) -> Image.Image:
    """Draw the sheet; see the module docstring.

    Raises:
        ValueError: If the variants were not crafted from the same pairs.
    """
    pairs = [v.index.select("source_row", "target_row") for v in variants]
    if any(not pairs[0].equals(other) for other in pairs[1:]):
        raise ValueError(
            f"{' and '.join(v.name for v in variants)} must share their pairs to stand side by "
            "side: give them the same ood, pairs, seed and target"
        )
    shown = np.unique(np.linspace(0, len(pairs[0]) - 1, rows).round().astype(int)).tolist()
    first = variants[0].index.row(0, named=True)
    title = [
        f"{ood.name} images pushed towards {bank.name} features of {first['surrogate']}",
        f"{first['steps']} steps; changes amplified as stated, around grey; "
        "1-NN = cosine to the nearest bank image, higher = more in-distribution",
    ]
    drawn = []
    for pair in shown:
        source, target = pairs[0].row(pair)
        drawn.append(
            Row(
                source=ood.image(source),
                source_lines=(ood.index["class_name"][source], _score(ood, source)),
                variants=tuple(
                    Crafted(v.image(pair), (_cosine(v, pair), _score(v, pair))) for v in variants
                ),
                target=None if target is None else bank.image(target),
                target_lines=("",) if target is None else (bank.index["class_name"][target],),
            )
        )
    return contact_sheet(drawn, variant_names=[v.name for v in variants], title=title)


def _cosine(variant: Picture, pair: int) -> str:
    cosine = variant.index["cosine"][pair]
    return (
        f"objective {variant.index['objective'][pair]:.3f}"
        if cosine is None
        else (f"cosine to target {cosine:.3f}")
    )


def _score(picture: Picture, row: int) -> str:
    return "" if picture.scores is None else f"1-NN {picture.scores[row]:.3f}"


def main() -> None:
    """Parse the paths, read the parameters, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("left")
    parser.add_argument("right")
    for path in ("ood_index", "bank_index", "left_index", "right_index"):
        parser.add_argument(path, type=Path)
    for path in ("clean_scores", "left_scores", "right_scores", "out"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()
    limits = load_params("images", ImageParams)

    def picture(name: str, index: Path, scores: Path | None) -> Picture:
        values = None if scores is None else read_scores(scores)[0].get(METHOD)
        return Picture(name, read_index(index), open_source(load_spec(name)), limits, values)

    sheet = run(
        picture(read_section(f"datasets.{args.left}.ood"), args.ood_index, args.clean_scores),
        picture(read_section("benchmark.id_train"), args.bank_index, None),
        [
            picture(args.left, args.left_index, args.left_scores),
            picture(args.right, args.right_index, args.right_scores),
        ],
        rows=read_section("craft.pictures.rows"),
    )
    with written_whole(args.out) as partial:
        sheet.save(partial, format="PNG", optimize=True)


if __name__ == "__main__":
    run_stage(main)
