"""Reads a model card: Markdown for people under a front matter that the Hugging Face Hub and other catalogues read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field

from shipway.contract.documents import Spec, load_yaml, parse
from shipway.contract.errors import SpecError

__all__ = ["ModelCard", "card_problems", "load_card"]

# A number on the card is rounded for people.
_TOLERANCE_RATIO = 0.01

Text = Annotated[str, Field(min_length=1)]


class _Named(Spec):
    """A task or a data set: what kind it is, and its name; the Hub knows more keys."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Text
    name: Text


class _Metric(Spec):
    """One number: the Hub's name of the metric, ours, and what was measured."""

    type: Text
    name: Text
    value: float


class _Result(Spec):
    """What was measured on one data set."""

    task: _Named
    dataset: _Named
    metrics: tuple[_Metric, ...]


class _Indexed(Spec):
    """One model of the card's index."""

    name: Text
    results: tuple[_Result, ...]


class ModelCard(Spec):
    """The front matter; keys and meanings are those of https://huggingface.co/docs/hub/model-cards.

    Args:
        language, license, library_name, pipeline_tag, tags, metrics: as the Hub knows them.
        index: the models, each with what was measured; `results: []` claims nothing.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    language: Text | tuple[Text, ...]
    license: Text
    library_name: Text
    pipeline_tag: Text
    tags: Annotated[tuple[Text, ...], Field(min_length=1)]
    metrics: Annotated[tuple[Text, ...], Field(min_length=1)]
    index: Annotated[tuple[_Indexed, ...], Field(min_length=1, alias="model-index")]


def load_card(path: Path) -> ModelCard:
    """Returns the front matter of a model card.

    Raises:
        SpecError: when there is none, or it is not as the Hub reads it.
    """
    text = path.read_text(encoding="utf-8")
    opening, _, rest = text.partition("---\n")
    matter, closing, _ = rest.partition("\n---\n")
    if opening or not closing:
        raise SpecError(path, "", text[:40], "a front matter of YAML between two lines `---` at the top")
    try:
        return parse(ModelCard, load_yaml(matter), path)
    except yaml.YAMLError as error:
        raise SpecError(path, "", str(error), "a front matter of YAML") from error


def card_problems(path: Path, model: str, measured: Mapping[str, float]) -> Sequence[str]:
    """Returns what the card in `path` says otherwise than it is, one sentence each; none where it is true.

    Args:
        path: of the card.
        model: its name.
        measured: metric -> what training measures on the validation rows.

    Raises:
        SpecError: when the card cannot be read.
    """
    return tuple(_problems(load_card(path), path, model, measured))


def _problems(card: ModelCard, path: Path, model: str, measured: Mapping[str, Any]) -> Iterator[str]:
    for one in card.index:
        if one.name != model:
            yield f"{path}: model-index: got {one.name!r}, expected {model!r}"
        for metric in (metric for result in one.results for metric in result.metrics):
            value = measured.get(metric.name)
            if value is None:
                known = ", ".join(sorted(measured))
                yield f"{path}: {metric.name}: training measures no such metric, expected one of {known}"
            elif abs(metric.value - value) > _TOLERANCE_RATIO * abs(value):
                yield f"{path}: {metric.name}: got {metric.value}, expected {value:.4g}, which training measures now"
