"""Over which means claims a to c are judged: the paper's own, where the study names them."""

from pipeline.findings.overall_mean import OVERALL, Sets
from pipeline.findings.study_records import StudyParams, StudyRecords


def judged_means(records: StudyRecords, params: StudyParams) -> dict[str, Sets]:
    """Return the means that a claim is judged over, by their names in tables; all if none is named.

    A published number is a mean over certain sets: beside it stands the mean over the same ones.

    Raises:
        ValueError: If the study names a mean that the benchmark does not have.
    """
    groups = records.scope.groups
    keys = {name: "mean" if name == OVERALL else f"mean_{name}" for name in params.means}
    for name, key in keys.items():
        if key not in groups:
            known = [OVERALL, *(group.removeprefix("mean_") for group in groups if group != "mean")]
            raise ValueError(
                f"study.means must name means of benchmark.means, got '{name}'; known: "
                f"{', '.join(known)}; or set study.means=[] to judge claims over every mean"
            )
    return {key: groups[key] for key in keys.values()} or groups
