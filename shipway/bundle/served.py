"""The part of model.yaml that decides how a version answers, and so belongs to the version."""

from shipway.contract.documents import Spec
from shipway.contract.model import EvaluationSpec, FeaturesSpec, LabelsSpec, ModelSpec, ServingSpec, SloSpec

__all__ = ["ServedModel", "served_model", "service_import"]


class ServedModel(Spec):
    """The content of a bundle's model.json: model.yaml without owner, risk, resources and rollout."""

    name: str
    slo: SloSpec
    serving: ServingSpec
    features: FeaturesSpec
    labels: LabelsSpec
    evaluation: EvaluationSpec


def served_model(spec: ModelSpec) -> ServedModel:
    """Returns the covered part of `spec`."""
    return ServedModel(
        name=spec.name,
        slo=spec.slo,
        serving=spec.serving,
        features=spec.features,
        labels=spec.labels,
        evaluation=spec.evaluation,
    )


def service_import(package: str) -> str:
    """Returns the import string of a package's served class.

    >>> service_import("flight_delay")
    'flight_delay.service:FlightDelay'
    """
    return f"{package}.service:{''.join(part.capitalize() for part in package.split('_'))}"
