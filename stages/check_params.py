"""Check parameters before anything expensive runs; write those that a matrix of stages shares.

    python -m stages.check_params EVALUATE EXTRACT METHODS TEXT

Reads   all of params.yaml, and the lists of names that are files of the user's own
Writes  EVALUATE   {"evaluate": ...}, for every stage that evaluates
        EXTRACT    {"extract": ..., "images": ...}, for every extraction
        METHODS    the table of methods, every score and parameter known, in the order of the tables
        TEXT       {"benchmark": {"class_names": ...}, "lists": ..., "text": ...}, for every text
                   tower; `lists` holds the SHA-256 of the user's own files

One small file for many items: DVC would parse params.yaml, and repeat the section in dvc.lock, for
each of them. A change of any other section rewrites the same bytes, so that nothing else runs.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pipeline.files import file_hash, write_text
from pipeline.param_checks.dataset_entries import check_datasets
from pipeline.param_checks.finetuned_classifiers import finetuned_classifiers_warning
from pipeline.param_checks.glyph_backbones import glyph_backbones_warning
from pipeline.param_checks.method_names import check_method_table, check_named_methods
from pipeline.param_checks.model_entries import check_models
from pipeline.param_checks.model_names import check_model_names
from pipeline.param_checks.roc_method import check_roc_method
from pipeline.param_checks.roles import check_backbones, check_roles, check_set_names
from pipeline.param_checks.sections import Params
from pipeline.param_checks.text_names import check_text, own_lists
from pipeline.params import from_mapping, read_params
from pipeline.stage import run_stage


def run(params: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file, of parameters that are all known and fit together.

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
    return {
        "evaluate": _text({"evaluate": params["evaluate"]}),
        "extract": _text({name: params[name] for name in ("extract", "images")}),
        "methods": _text(params["methods"]),
        "text": _text(
            {
                "benchmark": {"class_names": params["benchmark"]["class_names"]},
                "lists": {name: file_hash(path) for name, path in own_lists(checked).items()},
                "text": params["text"],
            }
        ),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Read the parameters, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("evaluate", "extract", "methods", "text"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    params = read_params()
    for name, text in run(params).items():
        write_text(getattr(args, name), text)
    for warning in filter(
        None, (glyph_backbones_warning(params), finetuned_classifiers_warning(params))
    ):
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
