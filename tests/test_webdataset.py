"""Members of a WebDataset shard belong together by the name up to its first dot."""

import json
from pathlib import Path

import pytest

from pipeline.sources import Source, SourceError, open_source, read_spec
from tests.archives import write_tar


def opened(path: Path, **options: object) -> Source:
    return open_source(read_spec("mine", {"source": "tar", "path": str(path), **options}))


def shard(path: Path, *fields: str, samples: int = 3) -> Path:
    """Samples 0, 1, … of which each has all fields; its label is its number."""
    files = {}
    for sample in range(samples):
        for field in fields:
            data = str(sample) if field.lower().endswith("cls") else json.dumps({"label": sample})
            files[f"{sample}.{field}"] = data.encode()
    return write_tar(path, files)


def listed(source: Source) -> list[tuple[str, str]]:
    return [(entry.path, entry.class_key) for entry in source.entries()]


def test_a_label_is_found_by_the_last_part_of_its_extension(tmp_path):
    named = [(f"{n}.image.jpg", str(n)) for n in range(3)]

    assert listed(opened(shard(tmp_path / "a.tar", "image.jpg", "label.cls", "meta.json"))) == named
    assert listed(opened(shard(tmp_path / "b.tar", "image.jpg", "meta.json"))) == named
    plain = shard(tmp_path / "c.tar", "JPG", "CLS", "coarse.cls", "a.json", "b.json")
    assert listed(opened(plain)) == [(f"{n}.JPG", str(n)) for n in range(3)]


def test_what_else_stands_beside_an_image_is_no_image(tmp_path):
    fields = ("npy", "pyd", "emb.npz", "text", "caption.txt", "msg", "pth")

    assert listed(opened(shard(tmp_path / "a.tar", "jpg", "cls", *fields))) == [
        (f"{n}.jpg", str(n)) for n in range(3)
    ]
    alone = write_tar(tmp_path / "b.tar", {"a/0.jpg": b"", "a/1.npy": b"", "a/2.foo": b""})
    assert [path for path, _ in listed(opened(alone))] == ["a/0.jpg", "a/1.npy", "a/2.foo"]


@pytest.mark.parametrize(
    ("fields", "ignore"),
    [
        (("jpg", "seg.png", "cls"), "*.seg.png"),
        (("seg.png", "jpg"), "*.seg.png"),
        (("jpg", "png"), "*.png"),
        (("image.jpg", "mask.png", "thumb.webp", "json"), "*.mask.png"),
    ],
)
def test_several_images_under_one_key_are_refused_until_some_are_ignored(fields, ignore, tmp_path):
    path = shard(tmp_path / "a.tar", *fields)

    with pytest.raises(
        SourceError, match=r"several images under the key '0': '0\..* ignore: "
    ) as e:
        opened(path).entries()

    assert f"'{ignore}'" in str(e.value)
    kept = next(f for f in ("jpg", "image.jpg") if f in fields)
    out = opened(path, ignore=[ignore, "*.thumb.webp"])
    assert [name for name, _ in listed(out)] == [f"{n}.{kept}" for n in range(3)]


@pytest.mark.parametrize(
    "names",
    [
        [f"{kind}.{n}.jpg" for kind in ("cat", "dog") for n in range(3)],
        [f"a/{n}.{side}.png" for n in range(3) for side in ("left", "right")],
        ["a/1.jpg", "a/1.edited.jpg", "a/2.jpg", "b/3.jpg", "b/notes.txt"],
        ["a/1.jpg", "a/1.png"],
    ],
)
def test_dots_in_names_of_a_folder_tree_are_no_samples(names, tmp_path):
    """Each file counts, as in an unpacked folder."""
    path = write_tar(tmp_path / "a.tar", dict.fromkeys(names, b""))

    assert [name for name, _ in listed(opened(path))] == sorted(names)


@pytest.mark.parametrize("fields", [("jpg", "a.cls", "b.cls"), ("jpg", "a.json", "b.json")])
def test_two_labels_under_one_key_are_refused_until_one_is_ignored(fields, tmp_path):
    path = shard(tmp_path / "a.tar", *fields)

    with pytest.raises(SourceError, match=r"several labels under the key '0': .*'0\.b\.") as told:
        opened(path).entries()

    assert f"'*.{fields[2]}'" in str(told.value)
    kept = opened(path, ignore=[f"*.{fields[2]}"])
    assert listed(kept) == [(f"{n}.jpg", str(n)) for n in range(3)]


def test_of_several_records_the_one_with_a_label_tells_it(tmp_path):
    files = {"x.jpg": b"", "x.size.json": b'{"width": 3}', "x.meta.json": b'{"label": 7}'}

    assert listed(opened(write_tar(tmp_path / "a.tar", files))) == [("x.jpg", "7")]
