"""The drawing is one document that holds everything it shows."""

import xml.etree.ElementTree as ElementTree

import pytest

from shipway.contract.evidence import Gate
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.explain import story
from shipway.delivery.plot import draw
from tests.shipway.delivery.told import entries, looks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    history = looks(bad_every=12)
    root = ElementTree.fromstring(draw(story("digits", 7, history, entries(history)), history))
    return [one.text or "" for one in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("gate", [*Rules.gates, Gate.SAMPLE_RATIO, Gate.PREDICTION_SHIFT, Gate.HARM_BUDGET])
def test_every_gate_has_its_row(texts: list[str], gate: Gate) -> None:
    """Each gate that judged is named beside its strip of verdicts."""
    assert str(gate) in texts


def test_axes_have_units_and_transitions_are_marked(texts: list[str]) -> None:
    """What is drawn is named with its unit, and each move of the weight is."""
    assert {
        "weight of the candidate, %",
        "e-value of each guardrail (log scale)",
        "worst excess, % (log scale)",
        "seconds since the first look",
        "budget for the next step",
        "roll_back",
    } <= set(texts)
    assert texts[0].startswith("digits, rollout 7: bbbbbbbbbbbb against aaaaaaaaaaaa (rolled_back; first look 2026-")


def test_one_look_is_enough_and_none_is_refused() -> None:
    """A rollout that has just begun can be drawn; one without history cannot."""
    history = looks(most=1)
    ElementTree.fromstring(draw(story("digits", 7, history, []), history))
    with pytest.raises(ValueError, match="looks of digits rollout 7: expected at least one, got none"):
        draw(story("digits", 7, [], []), [])
