"""Sections ``benchmark`` and ``matrix`` of params.yaml: which data sets play which role."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BenchmarkParams:
    """Section ``benchmark``.

    Attributes:
        name: Of the file in conf/benchmark/.
        id_train: The bank.
        id_test: ID test images.
        class_names: A shipped list, a file, the names themselves, or null for the folders' names.
        attacked: OOD set that is crafted into adversarial images.
        means: Named groups of OOD sets that a mean is taken over; null for none. The group
            ``overall`` is what the mean without a name counts, in place of every OOD set.
        classes: Classes that entries of ``datasets`` refer to.
        expected: Images that a complete copy of a set holds.
        expected_classes: Classes of it.
    """

    name: str
    id_train: str
    id_test: str
    class_names: str | list[str] | dict[str, str] | None = None
    attacked: str | None = None
    means: dict[str, list[str]] | None = field(default_factory=dict)
    classes: list[str] | None = None
    expected: dict[str, int] | None = None
    expected_classes: dict[str, int] | None = None


@dataclass(frozen=True)
class AttackParams:
    """How a set is crafted.

    Attributes:
        backbone: The surrogate.
        option: What `craft` is told of text, heads or features, if its target is made of them.
        needs: The file or folder that the option names; the bank's index where there is none.
    """

    backbone: str
    option: str
    needs: str


@dataclass(frozen=True)
class MatrixParams:
    """Section ``matrix``, derived by conf/config.yaml: the names behind each matrix of dvc.yaml.

    Attributes:
        rendered: Data sets of the embedded benchmark.
        indexed: Data sets that exist on disk.
        in_place: One item if there is any of them: they are looked at together.
        crafted: Adversarial sets.
        surrogates: The backbone of each crafted set, and what its target needs.
        extracted: All data sets.
        scored: All but the bank.
        ood: OOD sets without the crafted ones.
        compared: Sets that are searched for duplicates.
        reference: Backbone whose features find near duplicates.
        pictured: Attacked sets with a contact sheet.
        pretrained: Backbones trained here.
        finetuned: Backbones fine-tuned here, each with the one it starts from.
        fetched: Backbones that are downloaded.
        recorded: Backbones whose weights are local files.
        lists: Files of class names, negative words and prompts; params.yaml for those shipped.
    """

    rendered: list[str]
    indexed: list[str]
    in_place: list[str]
    crafted: list[str]
    surrogates: dict[str, AttackParams]
    extracted: list[str]
    scored: list[str]
    ood: list[str]
    compared: list[str]
    reference: str
    pictured: list[str]
    pretrained: list[str]
    finetuned: dict[str, str]
    fetched: list[str]
    recorded: list[str]
    lists: dict[str, str]
