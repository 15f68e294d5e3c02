"""The benchmark of the whole pipeline: what it reads out of DVC's lines and files."""

from benchmarks.pipeline_figures import Run, read_run, recorded_reports, table

LINES = [
    (0.5, "Running stage 'render@greek':\n"),
    (0.5, "> python -m stages.render greek\n"),
    (2.0, "Updating lock file 'dvc.lock'\n"),
    (2.5, "Running stage 'render@digits':\n"),
    (4.0, "Stage 'index@greek' didn't change, skipping\n"),
    (4.2, "Stage 'index@digits' is cached - skipping run, checking out outputs\n"),
    (4.4, "Running stage 'study':\n"),
    (4.6, "Stage 'x' is a word of the study\n"),
]


def test_seconds_of_a_stage_end_where_dvc_turns_to_the_next():
    """Rendering has 0.5 to 2.5 and 2.5 to 4.0, the study 4.4 to the end at 10."""
    run = read_run(LINES, seconds=10.0)

    assert {name: round(value, 6) for name, value in run.computed.items()} == {
        "render": 3.5,
        "study": 5.6,
    }
    assert run.items == {"render": 2, "study": 1}
    assert run.spared == 2
    assert run.seconds == 10.0


def test_a_run_with_nothing_to_do_computes_nothing():
    run = read_run([(1.0, "Stage 'a' didn't change, skipping\n")], seconds=1.5)

    assert (run.computed, run.items, run.spared) == ({}, {}, 1)


def test_only_records_in_git_are_removed_for_a_run_from_scratch():
    lock = (
        "schema: '2.0'\nstages:\n"
        "  a:\n    cmd: x\n    outs:\n    - path: data/scores/a.parquet\n"
        "    - path: reports/study\n"
        "  b@c:\n    cmd: x\n    outs:\n    - path: reports/accuracy/c.json\n"
        "  d:\n    cmd: x\n"
    )

    assert recorded_reports(lock) == ["reports/accuracy/c.json", "reports/study"]


def test_the_table_says_what_was_reached_and_what_was_missed():
    first = read_run([(0.0, "Running stage 'pretrain@a':\n")], seconds=301.0)
    runs = {"first run": first, "nothing to do": Run(5.0), "switch": Run(20.04, processor=30)}

    text = table(runs, peak_gib=1.5, lock="a\nb\n")

    assert "| first run | 301.0 s | 0 s | ≤ 600 s | met |" in text
    assert "| pretrain | 301.0 s |  | ≤ 300 s | missed |" in text
    assert "| nothing to do | 5.0 s | 0 s | ≤ 6 s | met |" in text
    assert "| switch | 20.0 s | 30 s | ≤ 20 s | missed |" in text
    assert "| largest process | 1.50 GiB |  | ≤ 3 GiB | met |" in text
    assert "| lines of dvc.lock | 2 |" in text
    assert "first run: 1 run, 0 spared; nothing to do: 0 run" in text
    assert "| pretrain | 1 | 301.0 |" in text
