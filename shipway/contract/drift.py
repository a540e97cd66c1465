"""What model.yaml says about drift: windows, alarms and how sure one must be."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["DriftSpec"]

Ratio = Annotated[float, Field(gt=0, lt=1)]


class DriftSpec(Spec):
    """How the distributions of inputs, predictions and labels are watched; the defaults suit someone who tunes nothing.

    Args:
        false_discovery_ratio: the share of false ones among the fields called drifted in a window, at most.
        persistence_windows: a verdict counts when it is found in `persistence_found` of this many windows in a row.
        persistence_found: see there.
        minimum_rows: with fewer in a window nothing is judged.
        w1_limit: the documented preset: normalised Wasserstein-1 beyond this is told in words.
    """

    false_discovery_ratio: Ratio = 0.05
    persistence_windows: Annotated[int, Field(ge=1, le=10)] = 3
    persistence_found: Annotated[int, Field(ge=1, le=10)] = 2
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    w1_limit: Annotated[float, Field(gt=0)] = 0.15
