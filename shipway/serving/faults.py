"""Rehearsed faults: a bundle that was made to fail does so, on a laptop only."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shipway.bundle.served import FaultsSpec
from shipway.contract.environment import Tier
from shipway.contract.errors import ArtifactError

__all__ = ["Faults", "RehearsedFault", "admit"]

_Rows = Sequence[Mapping[str, Any]]


class RehearsedFault(Exception):
    """The error that `fault.error_ratio` asks for."""


class Faults:
    """Puts a bundle's faults around its model's calls; used by several threads at once.

    Args:
        spec: which faults, and how often.
        generator: decides which call fails.
        sleep: waits in the model's thread, where other requests are not held up.
    """

    def __init__(
        self, spec: FaultsSpec, generator: random.Random, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._spec, self._generator, self._sleep = spec, generator, sleep

    def predict(self, model: Callable[[_Rows], object], rows: _Rows) -> object:
        """Returns what `model` answers for `rows`, late, or numbers that are none.

        Raises:
            RehearsedFault: for the share of calls that the bundle wants to fail.
        """
        if self._spec.latency_seconds:
            self._sleep(self._spec.latency_seconds)
        drawn = self._generator.random()
        if drawn < self._spec.error_ratio:
            raise RehearsedFault(f"fault.error_ratio is {self._spec.error_ratio}")
        if drawn < self._spec.error_ratio + self._spec.nan_ratio:
            return np.full(len(rows), np.nan)
        return model(rows)


def admit(faults: FaultsSpec | None, tier: Tier, bundle: Path) -> None:
    """Returns when the bundle may start on `tier`.

    Raises:
        ArtifactError: for a bundle with faults on any tier but local, and for one that rehearses a crash.
    """
    if faults is None:
        return
    if tier is not Tier.LOCAL:
        raise ArtifactError(
            f"{bundle}: rehearses faults ({faults.shown()}), expected a bundle without any on tier {tier}: "
            "only tier local may serve it"
        )
    if faults.crash:
        raise ArtifactError(f"{bundle}: rehearses a crash (fault.crash): the process ends while it starts")
