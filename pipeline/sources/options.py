"""Options of a data set that its kind, or another option, leaves without effect are refused."""

from pipeline.sources.spec import ImageSet, ListSet, RowsSet, SourceError, TreeSet


def check_options(spec: ImageSet, *, section: str) -> None:
    """Refuse what would be accepted and then ignored, or would leave nothing.

    Args:
        spec: The entry, before its paths are looked for.
        section: Its place in params.yaml, for errors.

    Raises:
        SourceError: Names the option and what to set instead.
    """
    if spec.classes is False and spec.class_names is not None:
        raise SourceError(
            f"'{section}.class_names' names classes that '{section}.classes: false' drops; remove "
            "one of the two"
        )
    if spec.first_label and isinstance(spec.classes, bool):
        raise SourceError(
            f"'{section}.first_label' is the number of the first class of a list, and "
            f"'{section}.classes' is none; give the classes in label order there"
        )
    if spec.max_per_class is not None and spec.max_per_class < 1:
        raise SourceError(
            f"'{section}.max_per_class' must be at least 1, got {spec.max_per_class}; leave it out "
            "to keep all images"
        )
    if isinstance(spec, TreeSet) and spec.class_depth < 1:
        raise SourceError(
            f"'{section}.class_depth' must be at least 1, got {spec.class_depth}; for images "
            f"without classes set '{section}.classes: false'"
        )
    if isinstance(spec, TreeSet) and spec.labels is not None and spec.class_depth != 1:
        raise SourceError(
            f"'{section}.class_depth' counts directories, but the classes are told by "
            f"'{section}.labels'; remove one of the two"
        )
    if isinstance(spec, RowsSet) and (
        unknown := sorted(set(spec.columns) - {"features", "labels"})
    ):
        raise SourceError(
            f"'{section}.columns' names features and labels only, got '{unknown[0]}'; the "
            "columns of class embeddings and projections stand in the backbone's own entry"
        )
    if isinstance(spec, ListSet) and spec.strip < 0:
        raise SourceError(f"'{section}.strip' must be at least 0, got {spec.strip}")
