"""Facts come from the files that the platform writes, and from nothing else."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.contract.errors import SpecError
from shipway.contract.evidence import Gate, Judgement, Verdict
from shipway.contract.layout import LocalLayout
from shipway.delivery.ledger import Ledger
from shipway.maturity.criteria import judge
from shipway.maturity.facts import Workflow
from shipway.maturity.gathering import gather

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "a1" * 32


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "stacks").mkdir()
    shutil.copy(ROOT / "stacks" / "Pulumi.local.yaml", tmp_path / "stacks")
    service = tmp_path / "services" / "digits"
    (service / "tests").mkdir(parents=True)
    (service / "releases").mkdir()
    shutil.copy(ROOT / "services" / "digits" / "model.yaml", service)
    return tmp_path


def test_a_bare_service_has_nothing_but_its_gates(project: Path) -> None:
    """What is not there is not known: no file is made by looking."""
    before = sorted(project.rglob("*"))
    found = gather(project, project / "services" / "digits", LocalLayout(project, "local"))
    assert found.bars == ("accuracy at least 0.93, better than the base rate by 0.7",)
    assert found.triggers == ("on drift", "on a drop of accuracy")
    assert (found.bundles, found.live_since, found.promoted, found.committed) == ((), "", "", None)
    assert (found.drift_judged, found.quality_judged, found.retrainings, found.workflows) == ("", "", (), ())
    assert judge(found).level is None
    assert sorted(project.rglob("*")) == before


def test_each_fact_has_its_file(project: Path) -> None:
    """Ledger, store, verdicts, runs, tests, workflows and releases, each as the platform writes it."""
    layout, service = LocalLayout(project, "local"), project / "services" / "digits"
    bundle = layout.bundle(DIGEST)
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text(json.dumps({"model": "digits"}))
    ledger = Ledger(layout.ledger)
    common = {"model": "digits", "digests": {"live": DIGEST}, "reason": "r"}
    ledger.append(time="2026-03-01T00:00:00+00:00", actor="delivery", action="first_live", **common)
    ledger.append(time="2026-03-02T00:00:00+00:00", actor="grace", action="override", **common)
    verdict = {"window": {"end": "2026-03-04T00:00:00+00:00"}, "p_value": 0.5, "score": 0.9}
    silent = {"window": {"end": "2026-03-05T00:00:00+00:00"}, "p_value": None, "score": None}
    for path in (layout.drift / "digits" / "verdicts.jsonl", layout.labels / "digits" / "quality.jsonl"):
        path.parent.mkdir(parents=True)
        path.write_text(f'{json.dumps(verdict)}\n{json.dumps(silent)}\n{{"window"')
    runs = layout.retraining / "digits" / "runs"
    runs.mkdir(parents=True)
    (runs / "20260301T000000000000Z.json").write_text(json.dumps({"status": "proposed", "finished": "then"}))
    (runs / "20260302T000000000000Z.json").write_text(json.dumps({"status": "failed", "finished": "later"}))
    (service / "tests" / "test_service.py").touch()
    (service / "releases" / "staging.yaml").write_text(f"blue: {DIGEST}\n")
    (service / "releases" / "local.yaml").write_text(f"blue: {DIGEST}\n")
    (project / ".github" / "workflows").mkdir(parents=True)
    (project / ".github" / "workflows" / "ci.yml").write_text("run: make ci\n")
    (project / ".gitlab-ci.yml").write_text("script: make up ENV=prod\n")

    found = gather(project, service, layout)
    assert found.bundles == (DIGEST,)
    assert (found.live_since, found.promoted) == ("2026-03-01T00:00:00+00:00", "")
    assert found.drift_judged == found.quality_judged == "2026-03-04T00:00:00+00:00"
    assert found.retrainings == ("proposed at then",)
    assert found.tests == ("test_service.py",)
    assert found.releases == {"staging": (DIGEST,)}
    assert found.workflows == (
        Workflow(".github/workflows/ci.yml", tests=True, deploys=False),
        Workflow(".gitlab-ci.yml", tests=False, deploys=True),
    )


def test_a_persons_word_is_no_evidence(project: Path) -> None:
    """Only what delivery promoted by verdicts counts as delivered."""
    layout = LocalLayout(project, "local")
    ledger = Ledger(layout.ledger)
    common = {"model": "digits", "digests": {"live": DIGEST}, "reason": "r", "action": "promoted"}
    ledger.append(time="2026-03-01T00:00:00+00:00", actor="grace", **common)
    assert gather(project, project / "services" / "digits", layout).promoted == ""
    said = Verdict(gate=Gate.ERRORS, judgement=Judgement.PASS, metric="ratio", threshold=1, sentence="As good as live.")
    ledger.append(time="2026-03-02T00:00:00+00:00", actor="delivery", evidence=(said,), **common)
    assert (
        gather(project, project / "services" / "digits", layout).promoted == "a1a1a1a1a1a1 at 2026-03-02T00:00:00+00:00"
    )


def test_git_says_what_it_has(project: Path) -> None:
    """A service that was never added is not in source control."""
    service, layout = project / "services" / "digits", LocalLayout(project, "local")
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    assert gather(project, service, layout).committed is False
    subprocess.run(["git", "-C", str(project), "add", "services"], check=True)
    assert gather(project, service, layout).committed is True


def test_a_damaged_document_is_named(project: Path) -> None:
    """It is neither evidence nor passed over."""
    layout = LocalLayout(project, "local")
    layout.ledger.mkdir(parents=True)
    (layout.ledger / "00000001.json").write_text("{")
    with pytest.raises(SpecError, match=r"00000001\.json"):
        gather(project, project / "services" / "digits", layout)


def test_the_verb_shows_the_table_and_what_comes_next(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one model every criterion, of all models a line each; JSON has both."""
    monkeypatch.chdir(project)
    one = CliRunner().invoke(app, ["doctor", "--maturity", "digits"])
    assert one.exit_code == 0, one.output
    assert one.stdout.splitlines()[0].split() == ["LEVEL", "CRITERION", "STATE", "EVIDENCE"]
    assert one.stdout.splitlines()[-2:] == ["digits: level none", "next: train one: `shipway train digits`"]
    every = CliRunner().invoke(app, ["doctor", "--maturity"])
    assert every.stdout.splitlines()[1].split()[:2] == ["digits", "none"]
    (found,) = json.loads(CliRunner().invoke(app, ["doctor", "--maturity", "--json"]).stdout)
    assert (found["model"], found["level"]) == ("digits", None)
    assert found["criteria"][0]["next"] == "train one: `shipway train digits`"
    without = CliRunner().invoke(app, ["doctor", "digits"])
    assert isinstance(without.exception, SpecError)
    assert "shipway doctor: MODEL: got 'digits', expected --maturity beside it" in str(without.exception)
