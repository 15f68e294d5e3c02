"""Render one part of the embedded benchmark `glyphs` as PNG files, and list them.

    python -m stages.render DATASET IMAGES INDEX

Reads   datasets.DATASET of params.yaml, and the fonts and samples of installed packages
Writes  IMAGES   <class>/<nnnn>.png, 32 by 32 RGB
        INDEX    one row an image, in the sorted order of paths
"""

import argparse
import hashlib
import io
from pathlib import Path

import polars as pl
from PIL import Image

from pipeline.datasets.index import write_index
from pipeline.folders import folder_written_whole
from pipeline.glyph_world.glyph_sets import PARTS, directory, draw_class, group_classes, stream
from pipeline.glyph_world.render_params import RenderParams
from pipeline.params import load_params
from pipeline.stage import run_stage


def run(params: RenderParams, images: Path) -> pl.DataFrame:
    """Write the PNG files of one part; return their index."""
    group = PARTS[params.part]
    rows = []
    with folder_written_whole(images) as partial:
        for label, name in enumerate(group_classes(group)):
            folder = partial / directory(name)
            folder.mkdir(parents=True)
            rng = stream(params.seed, params.part, name)
            drawn, _ = draw_class(group, name, params.per_class, rng, distortion=params.distortion)
            for number, pixels in enumerate(drawn):
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, format="PNG", compress_level=6)
                path = f"{directory(name)}/{number:04d}.png"
                (partial / path).write_bytes(file.getvalue())
                rows.append((path, label, name, hashlib.sha256(file.getvalue()).hexdigest(), None))
    return pl.DataFrame(
        rows,
        schema={
            "path": pl.String,
            "label": pl.Int32,
            "class_name": pl.String,
            "sha256": pl.String,
            "error": pl.String,
        },
        orient="row",
    )


def main() -> None:
    """Parse the paths, read the parameters, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("images", type=Path)
    parser.add_argument("index", type=Path)
    args = parser.parse_args()

    index = run(load_params(f"datasets.{args.dataset}", RenderParams), args.images)
    write_index(args.index, index)
    print(f"{args.dataset}: {len(index):,} images, {index['label'].n_unique()} classes")


if __name__ == "__main__":
    run_stage(main)
