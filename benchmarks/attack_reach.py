"""How near the attacks of the embedded benchmark come to what 1,000 steps reach.

    python -m benchmarks.attack_reach [--steps 1000]      after `make repro`

Crafts each set of params.yaml once more, by the stage itself, from the same pairs and noise with
more steps, into a temporary folder; prints the mean cosine of the 8-bit images to their targets
beside that of the released set. Goal: 0.95 of it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import yaml

ROOT = Path(__file__).parents[1]


def craft(name: str, params: dict, folder: Path) -> pl.DataFrame:
    """Run the stage in a folder that sees the data of this one; return its index."""
    (folder / "data").symlink_to(Path("data").resolve())
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    backbone = params["matrix"]["surrogates"][name]
    bank = params["benchmark"]["id_train"]
    attacked = params["benchmark"]["attacked"]
    command = [sys.executable, "-m", "stages.craft", name, backbone, f"data/weights/{backbone}"]
    command += [f"data/index/{attacked}.parquet", f"data/index/{bank}.parquet"]
    command += ["images", "index.parquet", "steps.safetensors"]
    command += ["--text", f"data/text/{backbone}.zarr", "--heads", f"data/heads/{backbone}"]
    command += ["--bank-store", f"data/features/{backbone}/{bank}.zarr"]
    places = {"PYTHONPATH": str(ROOT), "OOD_CACHE_DIR": str(folder / "cache")}
    subprocess.run(command, cwd=folder, env=os.environ | places, check=True)
    return pl.read_parquet(folder / "index.parquet")


def main() -> None:
    """Craft with more steps and print the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    usual = params["craft"]["defaults"]["steps"]
    params["craft"]["defaults"]["steps"] = args.steps
    for name in params["matrix"]["crafted"]:
        released = pl.read_parquet(f"data/index/{name}.parquet")
        with tempfile.TemporaryDirectory() as folder:
            longer = craft(name, params, Path(folder))
        if not longer["target_row"].equals(released["target_row"]):
            raise SystemExit(f"{name}: other pairs than the released set; run `dvc repro` first")
        near, far = released["cosine"].mean(), longer["cosine"].mean()
        print(
            f"{name}: {len(released)} images, mean cosine {near:.4f} after {usual} steps, "
            f"{far:.4f} after {args.steps}: {near / far:.3f}"
        )


if __name__ == "__main__":
    main()
