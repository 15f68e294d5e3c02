"""What a stranger must be told: what the report is about, its words, its conventions."""

from pipeline.report.records import Records


def lead(records: Records) -> str:
    """What is measured on which images, under the title."""
    scope = records.scope
    others = ", ".join(name for name in scope.backbones if name != scope.backbone) or "no other"
    return (
        f"How well scores of frozen image features tell images of known classes (in-distribution, "
        f"ID: {scope.id_test}) from other images (out-of-distribution, OOD). Every method gives "
        "every image one score, higher = more in-distribution; AUROC is the chance that an ID "
        f"image scores above an OOD image. Headline backbone {scope.backbone}; compared with "
        f"{others}."
    )


def evidence(records: Records) -> str:
    """What the embedded benchmark is no evidence for; nothing for other benchmarks."""
    if records.scope.benchmark != "glyphs":
        return ""
    return (
        "glyphs, rendered characters scored by CLIP models that were pretrained in minutes, tests "
        "the machinery: it is no evidence for or against the paper's claims."
    )


def conventions(records: Records) -> tuple[str, ...]:
    """Words and rules behind every number, one paragraph each."""
    tpr, level = (f"{100 * records.setting(name):g} %" for name in ("tpr", "level"))
    return (
        "Scores are higher for in-distribution images. ID is the positive class.",
        "The bank is the features of ID train. knn_k is the cosine similarity to the k-th nearest "
        "image of the bank (knn_1: the paper's 1-NN), mahalanobis minus the squared distance to "
        "the nearest class Gaussian; mcm, max_cosine and neglabel are zero-shot, by the text tower "
        "alone. plp_, lp_ and ft_ stand before a score of the logits of a linear head trained on "
        "pseudo-labels (classes that the text tower gives), of one trained on true labels, and of "
        "a fine-tuned model's own classifier. README, Methods, tells of the others; the settings "
        "of all stand under Provenance.",
        f"fpr95 is the share of OOD images accepted at the highest observed threshold that accepts "
        f"at least {tpr} of the ID images. OpenOOD 1.5 reports another quantity under this name "
        "(OOD is its positive class): it stands here as fpr95_ood, in results.csv.",
        "AUROC counts ties one half. Nothing is interpolated and no tie is dropped.",
        "A mean over OOD sets is the mean of the per-set values; rows are never pooled.",
        f"Intervals, of {level}, come from a seeded, stratified bootstrap over images (of "
        "accuracies by Wilson); those of means and differences over sets from fewer of its draws, "
        "as many as the records keep (evaluate.replicates). They hold the spread of the test "
        "images, not that of another training run. DeLong's intervals of AUROC stand beside them "
        "in results.csv, as auroc_delong.",
        "Where no resample changes a metric, as with perfect separation, its interval is a bound "
        "from the number of images (for average precisions of constant scores there is none: low "
        "and high are the value). No interval of AUROC, fpr95 or average precision is surer than "
        "that of perfect scores on as many images.",
        "100.0 and 0.0 mean just that: what only rounds to them is written with more digits.",
        "n/a: the method does not apply to the backbone; the reason stands in its own table.",
    )
