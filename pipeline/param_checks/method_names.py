"""Every section that names a method names one of the table ``methods``."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.classifier_names import CLASSIFIERS
from pipeline.head_names import known_heads
from pipeline.param_checks.method_parts import check_parts
from pipeline.param_checks.sections import Params
from pipeline.scores import check_methods, method_names
from pipeline.scores.needs import FITTED


def check_method_table(params: Params) -> None:
    """Check scores, their parameters, and the heads and fitted parts that methods name.

    Raises:
        ValueError: If the table is empty, a method is unknown or misused, or it names what is
            never trained or fitted.
    """
    if not params.methods:
        raise ValueError("methods must be a table of at least one method, got an empty one")
    check_methods(params.methods)
    fitted = {part: list(getattr(params.fit, part)) for part in FITTED}
    check_parts(params.methods, fitted, seeds=params.probe.seeds)
    for name, entry in params.methods.items():
        heads = [entry.get("head"), *entry.get("heads", [])]
        if "few_shot" in heads and not params.probe.shots:
            raise ValueError(
                f"methods.{name} names the head 'few_shot', which needs probe.shots above 0, got 0"
            )
    _check_fitted_heads(params)


def _check_fitted_heads(params: Params) -> None:
    """Refuse parts of section fit that name a head which is never trained."""
    heads = known_heads(params.probe.seeds)
    wanted = [
        (f"fit.gaussians.{name}.space", spec.space, "features")
        for name, spec in params.fit.gaussians.items()
    ]
    wanted += [("fit.residuals", name, "mean") for name in params.fit.residuals]
    wanted += [("fit.head_statistics", name, "") for name in params.fit.head_statistics]
    for where, name, besides in wanted:
        known = [besides, *heads] if besides else heads
        if name not in known:
            raise ValueError(f"{where} names the unknown '{name}'; known: {', '.join(known)}")


def check_named_methods(params: Params, given: Mapping[str, Any]) -> None:
    """Refuse names of methods, in other sections, that no entry of the table makes.

    Args:
        params: The parameters.
        given: The same before defaults stand in: only what is written must be in the table, since
            a study says itself which of its usual methods were not run.

    Raises:
        ValueError: Naming the parameter and the known methods.
    """
    known = [
        column for name, entry in params.methods.items() for column in method_names(name, entry)
    ]
    for where, name in _named(params, given):
        if name not in known:
            raise ValueError(
                f"{where} names the unknown method '{name}'; known: {', '.join(known)}"
            )
    if params.study.classifier not in CLASSIFIERS:
        raise ValueError(
            f"study.classifier must be one of {', '.join(CLASSIFIERS)}, got "
            f"'{params.study.classifier}'"
        )


def _named(params: Params, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("report.headline_methods", name) for name in params.report.headline_methods)
    yield "report.roc_method", params.report.roc_method
    yield from (("evaluate.compare", name) for pair in params.evaluate.compare for name in pair)
    yield from (("evaluate.class_methods", name) for name in params.evaluate.class_methods or ())
    for key in ("nearest", "plp", "mcm", "probe", "finetuned_scores"):
        if key in given["study"]:
            value = getattr(params.study, key)
            names = (value,) if isinstance(value, str) else value
            yield from ((f"study.{key}", name) for name in names)
