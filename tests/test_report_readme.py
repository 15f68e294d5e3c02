from pathlib import Path

import pytest

from pipeline.report.readme import read_blocks, rebase_links, replace_blocks

DOCUMENT = "hand\n<!-- begin: table -->\nold\n<!-- end: table -->\nwritten\n"


def test_only_the_block_changes():
    filled = replace_blocks(DOCUMENT, {"table": "new\n", "other": "unused"})

    assert filled == "hand\n<!-- begin: table -->\nnew\n\n<!-- end: table -->\nwritten\n"


def test_filling_twice_changes_nothing():
    once = replace_blocks(DOCUMENT, {"table": r"a \1 backslash"})

    assert replace_blocks(once, {"table": r"a \1 backslash"}) == once
    assert read_blocks(once)["table"].strip() == r"a \1 backslash"


def test_an_unknown_block_is_refused():
    with pytest.raises(ValueError, match="nothing fills the block 'table'; known: claims"):
        replace_blocks(DOCUMENT, {"claims": ""})


def test_a_marker_without_partner_is_refused():
    with pytest.raises(ValueError, match="needs its '<!-- end"):
        read_blocks("<!-- begin: table -->\nold\n")


def test_a_block_twice_is_refused():
    with pytest.raises(ValueError, match="block 'table' must occur once"):
        read_blocks(DOCUMENT + DOCUMENT)


def test_picture_links_follow_the_document():
    text = "![roc](figures/roc.svg) ![x](https://a/b.png) [plain](other.md)"

    assert rebase_links(text, Path("reports")) == (
        "![roc](reports/figures/roc.svg) ![x](https://a/b.png) [plain](other.md)"
    )


def test_the_report_fills_every_block_of_this_project_s_readme():
    document = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")

    assert set(read_blocks(document)) == {"headline", "claims", "printed"}
