"""What the job that retrains a model on a cluster is told, as Pulumi writes it into its ConfigMap."""

from pathlib import Path

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.model import ModelSpec
from shipway.contract.retraining import RetrainingSpec

__all__ = ["RetrainerSettings", "is_retrained", "read_retrainer_settings"]


class RetrainerSettings(Spec):
    """The file that tells the job what it needs before it has the repository.

    Args:
        environment: its name.
        model: whose.
        rule: what the model's model.yaml says about retraining.
        state: the folder of the object store in which every worker keeps what it says, below its own name.
        repository_url: of the project.
        models_namespace: where the routes are.
        context: what the kubeconfig's context is called that the project looks for.
        kubeconfig: where the project looks for it, relative to its folder; None for anywhere.
    """

    environment: str
    model: str
    rule: RetrainingSpec
    state: str
    repository_url: str
    models_namespace: str
    context: str
    kubeconfig: str | None = None


def read_retrainer_settings(path: Path) -> RetrainerSettings:
    """Returns the settings in a file; raises SpecError naming the key that is wrong."""
    return parse(RetrainerSettings, read_json(path), path)


def is_retrained(spec: ModelSpec) -> bool:
    """Returns whether anything starts a retraining of the model: its schedule, or a verdict that somebody gives."""
    rule = spec.retraining
    return rule.every_seconds is not None or rule.on_accuracy or (rule.on_drift and spec.drift.enabled)
