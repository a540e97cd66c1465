"""The part of model.yaml that decides how a version answers, and so belongs to the version."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec
from shipway.contract.model import EvaluationSpec, LabelsSpec, ModelSpec, SloSpec
from shipway.contract.serving import FeaturesSpec, ServingSpec

__all__ = ["FaultsSpec", "ServedModel", "served_model", "service_import"]

Ratio = Annotated[float, Field(ge=0, le=1)]


class FaultsSpec(Spec):
    """How a version fails on purpose, so that a rollback can be rehearsed; only tier local serves it.

    Args:
        error_ratio: share of the model's calls that raise.
        nan_ratio: share that answer NaN, which is an invalid output.
        latency_seconds: added to each call.
        crash: whether the slot's process ends while it starts.
    """

    error_ratio: Ratio = 0
    nan_ratio: Ratio = 0
    latency_seconds: Annotated[float, Field(ge=0)] = 0
    crash: bool = False

    @model_validator(mode="after")
    def _shares_of_one_whole(self) -> Self:
        if self.error_ratio + self.nan_ratio > 1:
            raise ValueError(
                f"error_ratio ({self.error_ratio}) and nan_ratio ({self.nan_ratio}) to be at most 1 together"
            )
        return self

    def shown(self) -> str:
        """Returns the faults there are, as `--set` takes them.

        >>> FaultsSpec(error_ratio=0.2, crash=True).shown()
        'fault.error_ratio=0.2, fault.crash=true'
        """
        written: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return ", ".join(f"fault.{name}={str(value).lower()}" for name, value in written.items())


class ServedModel(Spec):
    """The content of a bundle's model.json: model.yaml without owner, risk, resources and rollout.

    `faults` is in the document only where there are some, so that the digest of any other version knows nothing of it.
    """

    name: str
    slo: SloSpec
    serving: ServingSpec
    features: FeaturesSpec
    labels: LabelsSpec
    evaluation: EvaluationSpec
    faults: FaultsSpec | None = None

    def document(self) -> dict[str, Any]:
        """Returns the content of model.json."""
        return self.model_dump(mode="json", exclude=None if self.faults else {"faults"})


def served_model(spec: ModelSpec, faults: FaultsSpec | None = None) -> ServedModel:
    """Returns the covered part of `spec`, with the faults that a rehearsal adds."""
    return ServedModel(
        name=spec.name,
        slo=spec.slo,
        serving=spec.serving,
        features=spec.features,
        labels=spec.labels,
        evaluation=spec.evaluation,
        faults=faults,
    )


def service_import(package: str) -> str:
    """Returns the import string of a package's served class.

    >>> service_import("flight_delay")
    'flight_delay.service:FlightDelay'
    """
    return f"{package}.service:{''.join(part.capitalize() for part in package.split('_'))}"
