"""Misspelt names of models stop before images are read, at no cost for names that exist."""

import subprocess
import sys

import pytest

from pipeline.param_checks.model_names import check_model_names


@pytest.mark.parametrize(
    "entry",
    [
        {"loader": "open_clip", "name": "ViT-B-16"},
        {"loader": "open_clip", "name": "ViT-B/16"},
        {"loader": "open_clip", "name": "hf-hub:somebody/some-clip"},
        {"loader": "open_clip", "model_cfg": {"embed_dim": 8}},
        {"loader": "timm", "name": "vit_base_patch14_dinov2.lvd142m"},
        {"loader": "timm", "name": "vit_huge_patch14_224_in21k"},  # its name of earlier versions
        {"loader": "features", "files": {}},
    ],
)
def test_known_models_pass(entry):
    check_model_names({"mine": entry})


@pytest.mark.parametrize(
    ("loader", "name"), [("open_clip", "ViT-B-17"), ("timm", "mobilenetv9_100.ra_in1k")]
)
def test_a_misspelt_model_is_refused(loader, name):
    message = rf"models\.mine\.name must be a model of {loader}, which has none '{name}'"
    with pytest.raises(ValueError, match=message):
        check_model_names({"mine": {"loader": loader, "name": name}})


def test_a_known_name_imports_neither_library():
    code = (
        "import sys; from pipeline.param_checks.model_names import check_model_names; "
        "check_model_names({'a': {'loader': 'timm', 'name': 'resnet50.a1_in1k'}, "
        "'b': {'loader': 'open_clip', 'name': 'ViT-B-16'}}); "
        "sys.exit('timm' in sys.modules or 'open_clip' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
