"""Every entry of ``datasets`` has the keys of its kind, and names what there is."""

from collections.abc import Collection, Mapping
from typing import Any

from pipeline.attacks.spec import craft_spec
from pipeline.glyph_world.render_params import RenderParams
from pipeline.params import from_mapping
from pipeline.sources.read_spec import entry_spec


def check_datasets(
    datasets: Mapping[str, Any], *, defaults: dict[str, Any], backbones: Collection[str]
) -> None:
    """Check the entries; whether their paths exist is for `index` to say, which reads them.

    Args:
        datasets: The table.
        defaults: ``craft.defaults``.
        backbones: Names that a crafted set may be crafted on.

    Raises:
        ValueError: If a key is unknown or a value wrong, or a crafted set names an unknown data
            set or backbone; the message names the entry.
    """
    for name, entry in datasets.items():
        section = f"datasets.{name}"
        source = entry.get("source") if isinstance(entry, dict) else None
        try:
            if source == "glyphs":
                from_mapping(RenderParams, entry, section=section)
            elif source == "craft":
                spec = craft_spec(entry, defaults=defaults, name=name)
                _check_name(f"{section}.ood", spec.ood, datasets)
                if spec.surrogate is not None:
                    _check_name(f"{section}.surrogate", spec.surrogate, backbones)
            else:
                entry_spec(name, entry)
        except ValueError as error:
            if section in str(error):
                raise
            raise ValueError(f"{section}: {error}") from error


def _check_name(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"{where} names the unknown '{name}'; known: {', '.join(known)}")
