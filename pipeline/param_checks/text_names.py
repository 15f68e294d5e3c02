"""Class names, prompts and negative words are shipped lists or files that are there."""

from pathlib import Path

from pipeline.language.class_names import LISTS, named_list
from pipeline.language.prompts import NAMED, prompt_set
from pipeline.language.text_negatives import word_list
from pipeline.param_checks.roles import CURE
from pipeline.param_checks.sections import Params
from pipeline.scores import SCORES
from pipeline.scores.parameters import defaults


def check_text(params: Params) -> None:
    """Open every list that the text side will read.

    Raises:
        ValueError: If a name is neither shipped nor a file, the file is of another form, or DVC
            would not notice a change of it.
    """
    if isinstance(params.benchmark.class_names, str):
        named_list(params.benchmark.class_names)
    prompt_set(params.text.prompts)
    if params.text.negative_words not in (None, "clip_vocabulary"):
        word_list(str(params.text.negative_words), (), limit=None)
    if params.text.negative_words == "clip_vocabulary":
        _check_negative_words(params)
    for name, path in own_lists(params).items():
        if (told := params.matrix.lists.get(name)) != str(path):
            raise ValueError(
                f"matrix.lists.{name} must be '{path}', the file whose changes are noticed, got "
                f"'{told}'; {CURE}"
            )


def own_lists(params: Params) -> dict[str, Path]:
    """Return the lists that are files of the user's own, by what they list."""
    named = {
        "class_names": (params.benchmark.class_names, LISTS),
        "negative_words": (params.text.negative_words, ("clip_vocabulary",)),
        "prompts": (params.text.prompts, NAMED),
    }
    return {
        name: Path(told)
        for name, (told, shipped) in named.items()
        if isinstance(told, str) and told not in shipped
    }


def _check_negative_words(params: Params) -> None:
    """Refuse more groups of negative words than words that mining keeps of the vocabulary."""
    candidates, share = params.text.negative_candidates, params.text.negative_share
    if candidates is None or all(m.get("loader") == "features" for m in params.models.values()):
        return  # imported features bring negative embeddings of their own
    kept = max(1, round(share * candidates))
    usual = defaults(SCORES["neglabel"])["groups"]
    for name, entry in params.methods.items():
        if entry["score"] == "neglabel" and (groups := entry.get("groups", usual)) > kept:
            raise ValueError(
                f"methods.{name}.groups must be at most the {kept} words that "
                f"text.negative_candidates = {candidates} and text.negative_share = {share} keep, "
                f"got {groups}; set fewer groups, or one of these higher"
            )
