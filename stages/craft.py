"""Push OOD images towards ID features of a surrogate, and write them as real image files.

    python -m stages.craft DATASET SURROGATE WEIGHTS OOD_INDEX BANK_INDEX IMAGES INDEX STEPS
                           [--text TEXT] [--heads HEADS] [--bank-store STORE]

Reads   OOD_INDEX    index of the clean OOD images, datasets.<datasets.DATASET.ood>
        BANK_INDEX   index of the ID training images, the targets
        WEIGHTS      weights of the surrogate, models.SURROGATE
        TEXT         class embeddings, for target: class_text
        HEADS        trained heads, for target: probe (the PLP head)
        STORE        the surrogate's features of the bank, for target: class_mean; saves encoding
                     the bank for target: nearest
Writes  IMAGES       8-bit PNG files at the surrogate's input size
        INDEX        their index, with source row, target row, cosines, PSNR, SSIM, L2, L∞
        STEPS        safetensors: the surrogate's features, objective and sizes on the way

A killed run is resumed: finished images wait outside the outputs until the set is whole.
"""

import argparse
from pathlib import Path

from pipeline.attacks.craft_set import craft_set
from pipeline.attacks.indexed_images import IndexedImages
from pipeline.attacks.repeatable import repeatable
from pipeline.attacks.spec import craft_spec
from pipeline.attacks.target_files import read_target_inputs
from pipeline.backbones.backbone import pick_device
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.weights import read_entry
from pipeline.cache_folder import cache_root
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.params import load_params, read_section
from pipeline.sources import load_spec, open_source
from pipeline.stage import run_stage


def main() -> None:
    """Read the parameters and the inputs, craft, and say what was reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("surrogate")
    for path in ("weights", "ood_index", "bank_index", "images", "index", "steps"):
        parser.add_argument(path, type=Path)
    for option in ("--text", "--heads", "--bank-store"):
        parser.add_argument(option, type=Path)
    args = parser.parse_args()

    spec = craft_spec(
        read_section(f"datasets.{args.dataset}"),
        defaults=read_section("craft.defaults"),
        name=args.dataset,
    )
    if spec.surrogate not in (None, args.surrogate):
        raise ValueError(
            f"datasets.{args.dataset} names the surrogate '{spec.surrogate}', but this run attacks "
            f"'{args.surrogate}'; give the first one's weights, text, heads and features"
        )
    with repeatable(args.surrogate):
        backbone = load_backbone(
            args.surrogate, read_entry(args.weights), args.weights, pick_device()
        )
        limits = load_params("images", ImageParams)

        def indexed(dataset: str, path: Path) -> IndexedImages:
            source = open_source(load_spec(dataset))
            return IndexedImages(read_index(path), source, backbone.pixels_transform, limits)

        table = craft_set(
            spec,
            backbone=backbone,
            ood=indexed(spec.ood, args.ood_index),
            bank=indexed(read_section("benchmark.id_train"), args.bank_index),
            inputs=read_target_inputs(
                spec.target, text=args.text, heads=args.heads, store=args.bank_store
            ),
            images=args.images,
            index=args.index,
            steps=args.steps,
            root=cache_root(),
        )
    means = {name: table[name].mean() for name in ("cosine_float", "cosine", "psnr", "ssim")}
    said = ", ".join(f"{name} {value:.3f}" for name, value in means.items() if value is not None)
    print(f"{args.dataset}: {len(table)} images in {args.images}; means: {said}")


if __name__ == "__main__":
    run_stage(main, kept="finished images are kept, run the same command again to continue")
