"""The classes of an index in label order, as every stage that trains must agree on them."""

import polars as pl


def class_folders(index: pl.DataFrame) -> list[str]:
    """Return the class names of a bank's index in label order.

    Raises:
        ValueError: If a label has no row, rows under two names, or there are fewer than two.
    """
    pairs = index.filter(pl.col("label") >= 0).select("label", "class_name").unique().sort("label")
    labels = pairs["label"].to_list()
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        names = pairs.filter(pl.col("label") == twice[0])["class_name"].sort().to_list()
        raise ValueError(f"class {twice[0]} of the bank has images under two names: {names}")
    if absent := sorted(set(range(max(labels, default=-1) + 1)) - set(labels)):
        from_one = (
            "where the labels count from 1, list the classes in label order in "
            "datasets.<name>.classes of the ID sets and set first_label: 1 there; else "
        )
        raise ValueError(
            f"ID class {absent[0]} has no training row ({len(absent)} of {labels[-1] + 1} classes "
            f"have none); {from_one if absent == [0] else ''}add images, or leave out what has "
            "none by datasets.<name>.exclude_classes of the ID sets"
        )
    if len(labels) < 2:
        raise ValueError(f"the bank must hold at least two classes, got {len(labels)}")
    return pairs["class_name"].to_list()
