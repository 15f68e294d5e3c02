"""The report says how the images of OpenOOD's groups differ from those on its lists."""

import dataclasses

import pytest
from report_world import made_up_records

from pipeline.report.background import notes
from pipeline.report.contents import headline_table, metric_table
from pipeline.report.openood import list_differences, list_note

SETS = ("cifar100", "tiny_imagenet", "mnist", "svhn", "textures", "places365")
MEANS = {"near": SETS[:2], "far": SETS[2:]}
LISTED = dict(zip(SETS, (9_000, 7_793, 70_000, 26_032, 5_640, 35_195), strict=True))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A study of CIFAR-10 on whole sets, and its ID test set."""
    root = tmp_path_factory.mktemp("study")
    found = made_up_records(
        root,
        backbone="vit_b",
        backbones=("vit_b",),
        sets=SETS,
        benchmark="cifar10",
        id_test="cifar10_test",
        means=MEANS,
        headline_methods=("knn_1",),
    )
    return sized(found, 10_000, LISTED | {"cifar100": 10_000})


def sized(records, n_id, n_ood):
    evaluations = {
        dataset: record | {"n_id": n_id, "n_ood": n_ood[dataset]}
        for dataset, record in records.evaluations["vit_b"].items()
    }
    return dataclasses.replace(records, evaluations={"vit_b": evaluations})


def scoped(records, **changes):
    return dataclasses.replace(records, scope=dataclasses.replace(records.scope, **changes))


def test_whole_sets_are_more_than_openood_lists(records):
    assert list_note(records) == (
        "near and far are OpenOOD v1.5's groups of OOD sets; in what they hold, this benchmark "
        "and its lists differ: cifar10_test 10,000 images (OpenOOD 9,000), cifar100 10,000 images "
        "(OpenOOD 9,000). Other sets have as many images as its lists."
    )
    assert notes(records)[0] == list_note(records)
    for table in (headline_table(records), metric_table(records, "fpr95")):
        assert "near and far: OpenOOD v1.5's groups, see Notes." in table.note


def test_openoods_own_images_need_no_note(records):
    exact = sized(records, 9_000, LISTED)

    assert list_differences(exact) == ()
    assert not any("OpenOOD" in note for note in notes(exact))
    assert "OpenOOD" not in headline_table(exact).note


def test_another_choice_of_sets_is_named(records):
    """As with a set left out, or one of the user's own in a group."""
    exact = sized(records, 9_000, LISTED)
    chosen = scoped(exact, means={"near": ("cifar100", "svhn"), "far": SETS[2:]})

    assert list_differences(chosen) == ("svhn besides in near", "no tiny_imagenet in near")


@pytest.mark.parametrize("changes", [{"benchmark": "glyphs"}, {"means": {"paper": ("cifar100",)}}])
def test_groups_of_others_are_not_compared(records, changes):
    other = scoped(records, **changes)

    assert list_differences(other) == ()
    assert "OpenOOD" not in headline_table(other).note
