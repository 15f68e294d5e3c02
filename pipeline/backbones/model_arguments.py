"""A model's constructor refuses an argument: the error says where in params.yaml it stands."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def model_arguments(section: str, model: str) -> Iterator[None]:
    """Turn the constructor's TypeError into one that names the section and the model.

    Args:
        section: Where the arguments stand, such as ``models.my_net.kwargs``.
        model: Whose constructor it is, in words.

    Raises:
        ValueError: If the model is built with an argument that it does not take.
    """
    try:
        yield
    except TypeError as error:
        raise ValueError(
            f"{section} must hold arguments that {model} takes, but it answers: {error}; mend "
            "the name or the value"
        ) from error
