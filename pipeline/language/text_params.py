"""Section `text` of params.yaml: what the text tower reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextParams:
    """How ID classes, and words that are none, are put into sentences.

    Attributes:
        prompts: ``plp5``, ``openai80``, ``single``, or a file with one sentence a line.
        underscores_to_spaces: Whether folder names lose their underscores.
        negative_words: Source of negative labels for neglabel: ``clip_vocabulary`` (the whole
            words of CLIP's tokenizer), a file with one word a line, or null for none. Imported
            features have no text tower: their entry names a file of ``negative_embeddings``.
        negative_candidates: Words of the vocabulary to encode, drawn evenly; null encodes all.
        negative_share: Share of the candidates, the farthest from the ID names, that is kept.
        negative_prompt: The sentence of a negative label.
    """

    prompts: str = "plp5"
    underscores_to_spaces: bool = True
    negative_words: str | None = None
    negative_candidates: int | None = None
    negative_share: float = 0.15
    negative_prompt: str = "a photo of a {c}."

    def __post_init__(self) -> None:
        """Refuse values whose negative labels would mean nothing."""
        if "{c}" not in self.negative_prompt:
            raise ValueError(
                "text.negative_prompt must hold {c} where the word goes, or all negative labels "
                f"are one sentence; got {self.negative_prompt!r}"
            )
        if not 0 < self.negative_share <= 1:
            raise ValueError(f"text.negative_share must be in (0, 1], got {self.negative_share}")
        if self.negative_candidates is not None and self.negative_candidates < 1:
            raise ValueError(
                "text.negative_candidates must be at least 1, or null for all words, got "
                f"{self.negative_candidates}"
            )
