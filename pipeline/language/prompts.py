"""Prompt sets: sentences in which ``{c}`` stands for a class name.

The set moves AUROC by points, so its name and its sentences are stored with every result.
"""

from pathlib import Path

from pipeline.language.shipped import open_clip_metadata
from pipeline.language.text_file import read_text

PLP5 = (
    "a photo of a {c}.",
    "a blurry photo of a {c}.",
    "a photo of many {c}.",
    "a photo of the large {c}.",
    "a photo of the small {c}.",
)
SINGLE = ("a photo of a {c}",)
NAMED = ("openai80", "plp5", "single")


def prompt_set(name: str) -> list[str]:
    """Return the sentences of a prompt set.

    ``plp5`` are the five of Adaloglou et al. (TMLR 2024, arXiv:2303.05828), ``openai80`` the
    eighty that Radford et al. (ICML 2021, arXiv:2103.00020) published for ImageNet, ``single``
    the one of MCM (Ming et al., NeurIPS 2022, arXiv:2211.13445).

    Args:
        name: ``plp5``, ``openai80``, ``single``, or the path of a text file with one sentence a
            line, each holding ``{c}`` or ``{}``; blank lines and lines starting with # are left
            out.

    Raises:
        ValueError: If the name is neither known nor a file, or a sentence has no place for the
            class name or stands twice.
    """
    if name == "plp5":
        return list(PLP5)
    if name == "single":
        return list(SINGLE)
    if name == "openai80":
        return [template("{c}") for template in open_clip_metadata().OPENAI_IMAGENET_TEMPLATES]
    path = Path(name)
    if not path.is_file():
        raise ValueError(
            f"unknown prompt set '{name}'; known: {', '.join(NAMED)}, or the path of a text file "
            "with one sentence a line"
        )
    prompts: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        prompt = line.strip().replace("{}", "{c}")
        if not prompt or prompt.startswith("#"):
            continue
        if "{c}" not in prompt:
            raise ValueError(
                f"line {number} of prompt file {path} must hold {{c}} where the class name goes, "
                f"got {prompt!r}"
            )
        if prompt in prompts:
            raise ValueError(
                f"prompt file {path} has {prompt!r} in lines {prompts[prompt]} and {number}; "
                "remove one, or it would count twice in the mean of the sentences"
            )
        prompts[prompt] = number
    if not prompts:
        raise ValueError(f"prompt file {path} holds no sentence; write one a line")
    return list(prompts)


def fill(prompts: list[str], class_name: str) -> list[str]:
    """Return the sentences with the class name in place."""
    return [prompt.replace("{c}", class_name) for prompt in prompts]
