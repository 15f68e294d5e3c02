import pytest

from pipeline.report.tables import Table, markdown, plain

FRUIT = Table("Fruit", ("kind", "weight", "price"), (("apple", "1", "20"), ("fig", "n/a", "3")))


def test_markdown_by_hand():
    assert markdown(FRUIT) == (
        "## Fruit\n\n"
        "| kind | weight | price |\n|:--|--:|--:|\n| apple | 1 | 20 |\n| fig | n/a | 3 |\n"
    )


def test_a_bar_in_a_cell_does_not_open_a_column():
    table = Table("t", ("a",), (("x|y",),))

    assert "| x\\|y |" in markdown(table, level=0)


def test_terminal_text_is_aligned():
    assert plain(FRUIT) == (
        "Fruit\n\nkind   weight  price\napple       1     20\nfig       n/a      3\n"
    )


@pytest.mark.parametrize("width", [20, 40, 100])
def test_terminal_text_keeps_every_cell_within_the_width(width):
    """Columns that do not fit go on in a further block under the same row names."""
    header = ("method", *(f"set_{i}" for i in range(12)))
    table = Table("t", header, (("knn_1", *(str(100 + i) for i in range(12))),), note="word " * 40)

    text = plain(table, width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    for cell in (*header[1:], *table.rows[0][1:]):
        assert text.split().count(cell) == 1


def test_a_line_may_be_as_long_as_the_width():
    assert plain(FRUIT, width=20) == plain(FRUIT)
    assert plain(FRUIT, width=19).count("apple") == 2


def test_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match="must have 2 cells, got 1"):
        Table("t", ("a", "b"), (("x",),))


@pytest.mark.parametrize(
    ("cells", "side"),
    [
        (("99.2 (98.0–100.0)", "+1.5", "n/a"), "--:"),
        (("1,040", "−3", "≥ 99", "2.1e-05", ""), "--:"),
        (("0f9381e2fd4e", "9e681e6aeebd", "319367b7690b"), ":--"),
        (("12", "none"), ":--"),
    ],
)
def test_numbers_stand_to_the_right_and_hashes_that_begin_with_one_to_the_left(cells, side):
    table = Table("t", ("name", "value"), tuple((str(n), cell) for n, cell in enumerate(cells)))

    assert markdown(table).splitlines()[3] == f"|:--|{side}|"
