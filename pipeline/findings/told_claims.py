"""Which claims a benchmark is told about: on images that the paper has not, the measured ones."""

import polars as pl

ABOUT = ("cifar10", "cifar100", "imagenet1k", "glyphs")  # the paper's, and the one made for them


def told_claims(claims: pl.DataFrame, benchmark: str) -> pl.DataFrame:
    """The rows to show: on images that the paper does not speak of, of measured claims only.

    Args:
        claims: As `pipeline.findings.claims.claims_table` gives them.
        benchmark: What they were measured on.
    """
    if benchmark in ABOUT:
        return claims
    measured = claims.filter(~pl.col("ours").str.starts_with("not run"))
    return claims.filter(pl.col("claim").is_in(measured["claim"].to_list()))


def not_measured(claims: pl.DataFrame, benchmark: str) -> str:
    """One line on the claims that other images than the paper's leave open, or nothing."""
    told = set(told_claims(claims, benchmark)["claim"])
    left_out = sorted(set(claims["claim"]) - told)
    if not left_out:
        return ""
    named = f"claims {', '.join(left_out)}" if len(left_out) > 1 else f"claim {left_out[0]}"
    return (
        f"Not measured on {benchmark}: {named} of the paper (Adaloglou et al., TMLR 2024). They "
        "need its data sets and backbones, as benchmark=imagenet1k study=clip10 names them."
    )
