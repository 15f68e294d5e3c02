"""Report images that occur twice within or across ID train, ID test and OOD sets.

    python -m stages.find_duplicates REPORT SHEET --set NAME INDEX STORE [--set NAME INDEX STORE …]

Reads   INDEX   content hashes: exact copies
        STORE   features of any one backbone: near copies; '-' compares hashes only
Writes  REPORT  counts, worst pairs and warnings, JSON (in git)
        SHEET   pictures of the worst pairs, PNG
"""

import argparse
import functools
from pathlib import Path

from PIL import Image

from pipeline.datasets.images import ImageError, ImageParams, decode_image
from pipeline.datasets.index import read_excluded, read_index
from pipeline.duplicates.pair_sheet import PicturePair, pair_sheet
from pipeline.duplicates.params import DuplicateParams
from pipeline.duplicates.report import as_record
from pipeline.duplicates.search import (
    ImageSetRows,
    Overlap,
    Role,
    find_overlap,
)
from pipeline.files import written_whole
from pipeline.json_text import write_json
from pipeline.params import load_params, read_section
from pipeline.sources import RowsSet, Source, SourceError, load_spec, open_source
from pipeline.stage import run_stage
from pipeline.storage.store import iter_shards


def run(sets: list[ImageSetRows], params: DuplicateParams) -> list[Overlap]:
    """Compare each set with itself and with every set before it; the bank comes first."""
    return [
        find_overlap(
            one, other, threshold=params.threshold, largest=params.largest, shown=params.shown
        )
        for number, one in enumerate(sets)
        for other in sets[: number + 1]
    ]


def pictures(
    overlaps: list[Overlap],
    sets: dict[str, ImageSetRows],
    sources: dict[str, Source],
    *,
    count: int,
    images: ImageParams,
) -> list[PicturePair]:
    """The worst pairs: exact copies first, those in the bank first, each pair of sets in turn."""
    bank = next(iter(sets))
    worst = sorted(
        (
            (-pair.exact, overlap.name == overlap.other, overlap.other != bank, place, order)
            for order, overlap in enumerate(overlaps)
            for place, pair in enumerate(overlap.pairs)
        )
    )[:count]

    def shown(name: str, row: int) -> tuple[Image.Image | None, str]:
        path = sets[name].index["path"][row]
        try:
            image = decode_image(
                sources[name].read(path),
                path=path,
                max_pixels=images.max_pixels,
                exif=images.exif,
            )
        except (KeyError, ImageError, SourceError, OSError):
            return None, f"{name}: {path} (no picture)"
        return image, f"{name}: {path}"

    found = []
    for *_, place, order in worst:
        overlap, pair = overlaps[order], overlaps[order].pairs[place]
        left, first = shown(overlap.name, pair.row)
        right, second = shown(overlap.other, pair.other_row)
        alike = "equal files" if pair.exact else f"cosine {pair.cosine:.4f}"
        found.append(PicturePair(left, right, (alike, first, second)))
    return found


def main() -> None:
    """Parse the paths, read the parameters, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--set", action="append", nargs=3, required=True, dest="sets")
    args = parser.parse_args()

    params = load_params("duplicates", DuplicateParams)
    id_train, id_test = read_section("benchmark.id_train"), read_section("benchmark.id_test")
    roles: dict[str, Role] = {id_train: "ID train", id_test: "ID test"}
    given = sorted(args.sets, key=lambda one: list(roles).index(one[0]) if one[0] in roles else 2)
    sets = {
        name: ImageSetRows(
            name,
            roles.get(name, "OOD"),
            read_index(Path(index)),
            len(read_excluded(Path(index))),
            None if store == "-" else functools.partial(iter_shards, Path(store)),
            files=not isinstance(load_spec(name), RowsSet),
        )
        for name, index, store in given
    }
    overlaps = run(list(sets.values()), params)
    record = as_record(overlaps, sets, threshold=params.threshold)
    write_json(args.report, record)
    sources = {name: open_source(load_spec(name)) for name in sets}
    images = load_params("images", ImageParams)
    drawn = pictures(overlaps, sets, sources, count=params.pictures, images=images)
    title = f"{len(drawn)} most alike pairs" if drawn else "no duplicates found"
    with written_whole(args.sheet) as partial:
        pair_sheet(drawn, title=title).save(partial, "PNG")
    for warning in record["warnings"]:
        print(f"warning: {warning}")
    where = f", pictures in {args.sheet}" if drawn else ""
    print(f"{len(sets)} sets compared, {len(record['warnings'])} warnings{where}")


if __name__ == "__main__":
    run_stage(main)
