"""How the images of a run differ from those on OpenOOD v1.5's lists, whose groups it reports.

The means `near` and `far` of some benchmarks are OpenOOD's groups of OOD sets (Zhang et al.,
arXiv:2306.09301). A number is comparable with a published one as far as the images are the same, so
the report counts both.
"""

from dataclasses import dataclass

from pipeline.report.records import Records


@dataclass(frozen=True)
class Lists:
    """How many images OpenOOD lists for the ID test set and for each OOD set of a group."""

    id_test: int
    near: dict[str, int]
    far: dict[str, int]


_LARGE_NEAR = {"ssb_hard": 49_000, "ninco": 5_879}
OPENOOD = {  # lines of benchmark_imglist/<ID>/test_<set>.txt, under our names
    "cifar10": Lists(
        9_000,
        near={"cifar100": 9_000, "tiny_imagenet": 7_793},
        far={"mnist": 70_000, "svhn": 26_032, "textures": 5_640, "places365": 35_195},
    ),
    "cifar100": Lists(
        9_000,
        near={"cifar10": 9_000, "tiny_imagenet": 6_526},
        far={"mnist": 70_000, "svhn": 26_032, "textures": 5_640, "places365": 33_773},
    ),
    "imagenet1k": Lists(
        45_000,
        near=_LARGE_NEAR,
        far={"inaturalist": 10_000, "textures_openood": 5_160, "openimage_o": 15_869},
    ),
    "imagenet200": Lists(
        9_000,
        near=_LARGE_NEAR,
        far={"inaturalist": 10_000, "textures": 5_160, "openimage_o": 15_869},
    ),
}


def list_differences(records: Records) -> tuple[str, ...]:
    """Every difference in images or sets; none for a benchmark without OpenOOD's groups."""
    scope = records.scope
    lists = OPENOOD.get(scope.benchmark)
    groups = {name: scope.named[name] for name in ("near", "far") if name in scope.named}
    if lists is None or not groups:
        return ()
    first = records.evaluations[scope.backbone]
    images = max(record["n_id"] for record in first.values())
    found = [_sizes(scope.id_test, images, lists.id_test)]
    for group, members in groups.items():
        listed: dict[str, int] = getattr(lists, group)
        for dataset in members:
            found.append(
                _sizes(dataset, first[dataset]["n_ood"], listed[dataset])
                if dataset in listed
                else f"{dataset} besides in {group}"
            )
        found += [f"no {dataset} in {group}" for dataset in listed if dataset not in members]
    return tuple(filter(None, found))


def list_note(records: Records) -> str:
    """The differences as one sentence, or nothing where there are none."""
    if not (found := list_differences(records)):
        return ""
    return (
        "near and far are OpenOOD v1.5's groups of OOD sets; in what they hold, this benchmark and "
        f"its lists differ: {', '.join(found)}. Other sets have as many images as its lists."
    )


def _sizes(dataset: str, images: int, listed: int) -> str:
    return f"{dataset} {images:,} images (OpenOOD {listed:,})" if images != listed else ""
