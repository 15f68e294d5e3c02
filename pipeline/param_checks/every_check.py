"""Every check of params.yaml that needs no look at the data, in one call."""

from collections.abc import Mapping
from typing import Any

from pipeline.param_checks.dataset_entries import check_datasets
from pipeline.param_checks.method_names import check_method_table, check_named_methods
from pipeline.param_checks.model_entries import check_models
from pipeline.param_checks.model_names import check_model_names
from pipeline.param_checks.roc_method import check_roc_method
from pipeline.param_checks.roles import check_backbones, check_roles, check_set_names
from pipeline.param_checks.sections import Params
from pipeline.param_checks.text_names import check_text
from pipeline.params import from_mapping


def check_every(params: Mapping[str, Any]) -> Params:
    """Return all parameters as their dataclasses, known and fitting together.

    Raises:
        ValueError: If a section has an unknown key or a wrong value, or names what is not there.
    """
    checked = from_mapping(Params, params, section="")
    check_method_table(checked)
    check_backbones(checked)
    check_models(checked.models, finetune=checked.finetune)
    check_model_names(checked.models)
    check_set_names(checked.datasets)
    check_datasets(checked.datasets, defaults=checked.craft.defaults, backbones=checked.backbones)
    check_roles(checked)
    check_named_methods(checked, params)
    check_roc_method(checked)
    check_text(checked)
    return checked
