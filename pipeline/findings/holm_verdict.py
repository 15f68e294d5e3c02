"""On how many OOD sets a method is better than another, counting only what may not be chance."""

import polars as pl


def verdict(tests: pl.DataFrame, sets: tuple[str, ...], *, alpha: float) -> str:
    """Say in words where the first method is better, and by name where it is worse or undecided.

    Args:
        tests: Rows of one backbone and pair of methods in `comparisons_table`.
        sets: The OOD sets to speak of; their order is kept.
        alpha: A difference counts if its p-value, corrected by Holm over the whole family, is at
            most this.

    Returns:
        As ``better on 2 of 4 (Holm ≤ 0.05); worse: greek; open: digits``, or nothing where no
        set was tested.
    """
    alpha = round(alpha, 12)  # 1 - 0.95 is a little more than 0.05
    found = {
        row["dataset"]: _side(row["difference"]) if row["p_holm"] <= alpha else "open"
        for row in tests.filter(pl.col("p_holm").is_not_null()).iter_rows(named=True)
    }
    tested = [name for name in sets if name in found]
    if not tested:
        return ""
    better = sum(found[name] == "better" for name in tested)
    parts = [f"better on {better} of {len(tested)} (Holm ≤ {alpha:g})"]
    for side in ("worse", "open"):
        if names := [name for name in tested if found[name] == side]:
            parts.append(f"{side}: {', '.join(names)}")
    return "; ".join(parts)


def _side(difference: float) -> str:
    return "better" if difference > 0 else "worse"
