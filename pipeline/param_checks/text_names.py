"""Class names, prompts and negative words are shipped lists or files that are there."""

from pipeline.language.class_names import named_list
from pipeline.language.prompts import prompt_set
from pipeline.language.text_negatives import word_list
from pipeline.param_checks.sections import Params


def check_text(params: Params) -> None:
    """Open every list that the text side will read.

    Raises:
        ValueError: If a name is neither shipped nor a file, or the file is of another form.
    """
    if isinstance(params.benchmark.class_names, str):
        named_list(params.benchmark.class_names)
    prompt_set(params.text.prompts)
    if params.text.negative_words not in (None, "clip_vocabulary"):
        word_list(str(params.text.negative_words), (), limit=None)
