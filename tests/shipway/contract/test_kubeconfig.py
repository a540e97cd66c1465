"""Which kubeconfig leads to a cluster, and what helps where none does."""

from pathlib import Path

import pytest

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.kubeconfig import find_kubeconfig

REPOSITORY = Path(__file__).resolve().parents[3]


def test_on_aws_the_error_has_the_command_that_writes_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file, or one without the context: what writes it is said, with region and name."""
    written = "`aws eks update-kubeconfig --region us-east-1 --name shipway-prod --alias shipway-prod` writes it"
    environment, path = load_environment(REPOSITORY, "prod"), tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(SpecError) as caught:
        find_kubeconfig(REPOSITORY, environment)
    assert caught.value.expected == f"a kubeconfig: there is none at {path}; {written}"
    path.write_text("contexts: [{name: kind, context: {}}]\n")
    with pytest.raises(SpecError) as caught:
        find_kubeconfig(REPOSITORY, environment)
    assert caught.value.expected == f"one of the kubeconfig's contexts: kind; {written}"
    path.write_text("contexts: [{name: shipway-prod, context: {}}]\n")
    assert find_kubeconfig(REPOSITORY, environment) == path
