"""Sentences that notes below tables share."""

from pipeline.report.records import Records


def joined(*sentences: str) -> str:
    """Join sentences by spaces; empty ones are left out."""
    return " ".join(filter(None, sentences))


def intervals(records: Records) -> str:
    """Say what stands in brackets."""
    return f"In brackets: {100 * records.setting('level'):g} % intervals."


def absent(records: Records, *backbones: str) -> str:
    """Say that rows without a single number are left out."""
    count = len(records.methods) - len(records.applying(*backbones))
    if not count:
        return ""
    who = backbones[0] if len(backbones) == 1 else "any backbone"
    what = "1 method that does" if count == 1 else f"{count} methods that do"
    named = "it" if count == 1 else "them"
    return f"Without a row: {what} not apply to {who}; Notes names {named} and why."
