"""Over which means claims a to c are judged: the paper's own, where the study names them."""

from pipeline.findings.overall_mean import OVERALL, Sets
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import StudyRecords
from pipeline.findings.study_scope import MEAN, mean_key


def judged_means(records: StudyRecords, params: StudyParams) -> dict[str, Sets]:
    """Return the means that a claim is judged over, by their names in tables; all if none is named.

    A published number is a mean over certain sets: beside it stands the mean over the same ones.

    Raises:
        ValueError: If the study names a mean that the benchmark does not have.
    """
    groups = records.scope.groups
    keys = {name: MEAN if name == OVERALL else mean_key(name) for name in params.means}
    for name, key in keys.items():
        if key not in groups:
            known = [OVERALL, *records.scope.named]
            raise ValueError(
                f"study.means must name means of benchmark.means, got '{name}'; known: "
                f"{', '.join(known)}; or set study.means=[] to judge claims over every mean"
            )
    return {key: groups[key] for key in keys.values()} or groups
