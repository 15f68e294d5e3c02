"""Fine-tuned checkpoints with a classifier of other classes than the ID set have no claim c."""

from collections.abc import Mapping
from typing import Any

from pipeline.training.classifier_head import declared_classes


def finetuned_classifiers_warning(params: Mapping[str, Any]) -> str | None:
    """Name backbones of claim c whose classifier has another number of classes; None for none.

    Their head `ft` will not be applicable, and claim c not run. Only where the benchmark states its
    classes, and for checkpoints that are downloaded: those fine-tuned here have the ID classes.

    Args:
        params: All of params.yaml.
    """
    benchmark = params["benchmark"]
    wanted = (benchmark.get("expected_classes") or {}).get(benchmark["id_train"])
    if wanted is None:
        return None
    other = {}
    for name in (params.get("study", {}).get("finetuned") or {}).values():
        entry = params["models"].get(name, {})
        if name not in params["backbones"] or entry.get("loader") != "timm":
            continue
        if "finetune" in entry or entry.get("random_weights"):
            continue
        found = declared_classes(str(entry["name"]), entry.get("kwargs") or {})
        if found not in (None, wanted):
            other[name] = found
    if not other:
        return None
    told = ", ".join(f"{name} ({classes:,})" for name, classes in other.items())
    return (
        f"the classifiers of {told} are of other classes than the {wanted:,} of "
        f"'{benchmark['id_train']}', so that claim c will not be run: benchmark=imagenet1k has the "
        "classes of such checkpoints, or fine-tune here, as study=cifar_finetuned does"
    )
