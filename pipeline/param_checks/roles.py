"""Backbones and data sets that sections name are those of the tables, and there is one to test."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from pipeline.findings.overall_mean import OVERALL, check_means
from pipeline.param_checks.sections import Params

CURE = "change conf/ and run `make params`, which derives what follows from a name"
MEANS = ("mean", "all", OVERALL)  # rows of the tables beside those of the OOD sets


def check_backbones(params: Params) -> None:
    """Refuse a headline, a surrogate or a study of backbones that are not computed.

    Raises:
        ValueError: Naming the parameter, the value and the known backbones.
    """
    names = params.backbones
    _check_characters("backbone", names)
    if params.backbone not in names:
        raise ValueError(
            f"backbone '{params.backbone}' is not among backbones: {', '.join(names) or 'none'}; "
            f"{CURE}"
        )
    _check_known("backbones", names, params.models)
    study = params.study
    _check_known("study.family", study.family, names)
    _check_known("study.clip", study.clip, names)
    _check_known("study.finetuned", [*study.finetuned, *study.finetuned.values()], names)
    _check_known("matrix.reference", [params.matrix.reference], names)
    attacked = [attack.backbone for attack in params.matrix.surrogates.values()]
    _check_known("matrix.surrogates", attacked, names)
    matrix = params.matrix
    sources = [*matrix.pretrained, *matrix.finetuned, *matrix.fetched, *matrix.recorded]
    _check_same("weights of matrix", sources, "backbones", names)
    if matrix.crafted:
        _check_known("craft.surrogate", [params.craft.surrogate], names)


def check_set_names(datasets: Collection[Any]) -> None:
    """Refuse names of data sets that the tables or the paths of DVC would take for another thing.

    Raises:
        ValueError: Naming the rule and the name.
    """
    _check_characters("data set", datasets)
    if taken := [name for name in datasets if name in MEANS or name.startswith("mean_")]:
        raise ValueError(
            f"a data set's name must not be {', '.join(MEANS)} or begin with mean_, which stand "
            f"for means over OOD sets in the tables, got '{taken[0]}'; choose another, as "
            f"set_{taken[0]}"
        )


def check_roles(params: Params) -> None:
    """Refuse roles of data sets that are not in the table, and a benchmark without OOD sets.

    Raises:
        ValueError: Naming the parameter, the value and the known data sets.
    """
    matrix, benchmark, datasets = params.matrix, params.benchmark, params.datasets
    _check_known("benchmark.id_train", [benchmark.id_train], datasets)
    _check_known("benchmark.id_test", [benchmark.id_test], datasets)
    _check_same("matrix.extracted", matrix.extracted, "datasets", datasets)
    sources = [*matrix.rendered, *matrix.indexed, *matrix.crafted]
    _check_same("sources of matrix", sources, "datasets", datasets)
    if bool(matrix.in_place) != bool(matrix.indexed):
        raise ValueError(
            f"matrix.in_place must have an item if matrix.indexed has, got {matrix.in_place} and "
            f"{matrix.indexed}; {CURE}"
        )
    if params.fixed_sets != "all":
        _check_known("fixed_sets", params.fixed_sets, matrix.indexed)
    scored = [*matrix.scored, benchmark.id_train]
    _check_same("matrix.scored with the bank", scored, "datasets", datasets)
    if not matrix.ood:
        raise ValueError(
            f"benchmark '{benchmark.name}' has no OOD set to tell from ID; name at least one, "
            "as -S '+datasets={name: /path}'"
        )
    _check_known("matrix.ood", matrix.ood, datasets)
    check_means(benchmark.means or {}, matrix.ood)
    _check_known("study.means", params.study.means, {OVERALL: (), **(benchmark.means or {})})
    if matrix.crafted:
        _check_known("benchmark.attacked", [str(benchmark.attacked)], matrix.ood)
    if matrix.pictured:
        pictures = params.craft.pictures
        _check_known("craft.pictures", [pictures.left, pictures.right], matrix.crafted)
    _check_known("report.duplicates", params.report.duplicates, matrix.compared)
    sheets = [f"reports/adversarial/{name}.png" for name in matrix.pictured]
    _check_known("report.contact_sheets", params.report.contact_sheets, sheets)


def _check_characters(what: str, names: Iterable[Any]) -> None:
    """Refuse names that no path of DVC or of a file can hold."""
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name):
            raise ValueError(
                f"a {what}'s name must be a text of letters, digits, _ and -, without a dot, since "
                f"it is part of parameter paths and file names, got {name!r}; choose another, as "
                f"{re.sub(r'[^0-9A-Za-z_]+', '_', f'set_{name}')}"
            )


def _check_known(where: str, names: Iterable[str], known: Collection[str]) -> None:
    if wrong := [name for name in names if name not in known]:
        raise ValueError(
            f"{where} names the unknown '{wrong[0]}'; known: {', '.join(known) or 'none'}"
        )


def _check_same(where: str, names: Collection[str], table: str, known: Collection[str]) -> None:
    """Refuse a derived list that is not its table: a hand edit changed one of the two."""
    if wrong := sorted(set(names) ^ set(known)):
        raise ValueError(f"{where} and {table} differ in '{wrong[0]}'; {CURE}")
