"""A rehearsed fault happens as often as it says, in the model's call, on tier local alone."""

import asyncio
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.served import FaultsSpec, ServedModel
from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import Tier
from shipway.contract.errors import ArtifactError
from shipway.contract.metrics import Outcome, Slot
from shipway.contract.model import EvaluationSpec, GateSpec, LabelsSpec, SloSpec
from shipway.contract.serving import FeaturesSpec, ServingSpec
from shipway.serving.configuration import SlotConfiguration
from shipway.serving.faults import Faults, RehearsedFault, admit
from shipway.serving.launch import asgi_application
from shipway.serving.runtime import Unanswered
from tests.shipway.serving.doubles import Harness
from tests.shipway.serving.test_runtime import asked

Make = Callable[..., Harness]
BUNDLE = Path("/store/sha256/abc")


def outcomes(spec: FaultsSpec, calls: int = 4000, seed: str = "sha256:ab") -> list[str]:
    faults, found = Faults(spec, random.Random(seed), sleep=lambda seconds: None), list[str]()
    for _ in range(calls):
        try:
            answer = faults.predict(lambda rows: np.ones(len(rows)), [{}, {}])
        except RehearsedFault:
            found.append("error")
        else:
            assert isinstance(answer, np.ndarray)
            assert answer.shape == (2,)
            found.append("nan" if np.isnan(answer).all() else "ok")
    return found


def test_each_fault_happens_as_often_as_it_says() -> None:
    """Errors and NaN exclude each other, so both shares are those of all calls."""
    found = outcomes(FaultsSpec(error_ratio=0.2, nan_ratio=0.3))
    assert found.count("error") == pytest.approx(800, abs=130)
    assert found.count("nan") == pytest.approx(1200, abs=150)
    assert set(outcomes(FaultsSpec(error_ratio=1))) == {"error"}
    assert set(outcomes(FaultsSpec(nan_ratio=1))) == {"nan"}


def test_the_same_bundle_fails_in_the_same_calls() -> None:
    """The generator is seeded from the digest."""
    spec = FaultsSpec(error_ratio=0.2)
    assert outcomes(spec) == outcomes(spec)
    assert outcomes(spec) != outcomes(spec, seed="sha256:cd")


def test_latency_is_added_to_each_call() -> None:
    """The wait comes before the model, once a call."""
    waited: list[float] = []
    faults = Faults(FaultsSpec(latency_seconds=0.25), random.Random(0), sleep=waited.append)
    assert [faults.predict(len, [{}]) for _ in range(3)] == [1, 1, 1]
    assert waited == [0.25] * 3


@pytest.mark.parametrize(
    ("spec", "outcome", "cause"),
    [
        (FaultsSpec(error_ratio=1), Outcome.ERROR, "the model raised RehearsedFault"),
        (FaultsSpec(nan_ratio=1), Outcome.INVALID_OUTPUT, "a number that is not finite"),
        (FaultsSpec(latency_seconds=0.5), Outcome.TIMEOUT, r"longer than 0\.05 s"),
    ],
)
def test_a_slot_with_faults_is_ready_and_counts_them_as_the_models(
    harness: Make, spec: FaultsSpec, outcome: Outcome, cause: str
) -> None:
    """The warm-up is spared, or a rollout would never meet the fault; the event loop goes on meanwhile."""
    one = harness(spec=ServingSpec(timeout_seconds=0.05), faults=Faults(spec, random.Random(0)))

    async def scenario() -> None:
        await one.runtime.start()
        async with asyncio.timeout(5):
            while not one.runtime.ready:
                await asyncio.sleep(0.001)
        with pytest.raises(Unanswered, match=cause) as refused:
            await one.runtime.answer(asked())
        assert refused.value.outcome is outcome

    asyncio.run(scenario())


@pytest.mark.parametrize("tier", [Tier.NONPROD, Tier.PROD])
def test_no_other_tier_serves_a_rehearsal(tier: Tier) -> None:
    """The error names the bundle, its faults and where it may run."""
    message = rf"^/store/sha256/abc: rehearses faults \(fault\.error_ratio=0\.2\), expected .* on tier {tier}: only"
    with pytest.raises(ArtifactError, match=message):
        admit(FaultsSpec(error_ratio=0.2), tier, BUNDLE)
    admit(None, tier, BUNDLE)
    admit(FaultsSpec(error_ratio=0.2), Tier.LOCAL, BUNDLE)


def rehearsal(folder: Path, faults: FaultsSpec) -> Path:
    """Returns a bundle whose code would say that it was imported."""
    files = folder / "files"
    (files / "src" / "stub_rehearsal").mkdir(parents=True)
    (files / "src" / "stub_rehearsal" / "service.py").write_text("raise RuntimeError('imported')")
    described = ServedModel(
        name="stub-rehearsal",
        slo=SloSpec(),
        serving=ServingSpec(),
        features=FeaturesSpec(),
        labels=LabelsSpec(),
        evaluation=EvaluationSpec(gates=(GateSpec(metric="auc", minimum=0.5),)),
        faults=faults,
    )
    (files / "model.json").write_bytes(canonical_json(described.document()))
    manifest = Manifest(model="stub-rehearsal", service="stub_rehearsal.service:Stub", files=covered_files(files))
    store = ArtifactStore(folder / "artifacts")
    return store.path(store.put(files, manifest))


@pytest.mark.parametrize(
    ("faults", "tier", "message"),
    [
        (FaultsSpec(crash=True), Tier.LOCAL, r"rehearses a crash \(fault\.crash\): the process ends while it starts"),
        (FaultsSpec(crash=True), Tier.PROD, r"rehearses faults \(fault\.crash=true\), expected"),
        (FaultsSpec(nan_ratio=0.1), Tier.NONPROD, r"rehearses faults \(fault\.nan_ratio=0\.1\), expected"),
    ],
)
def test_a_slot_ends_before_it_imports_what_may_not_start(
    tmp_path: Path, faults: FaultsSpec, tier: Tier, message: str
) -> None:
    """None of the bundle's code has run, and the port never opens."""
    bundle = rehearsal(tmp_path, faults)
    configuration = SlotConfiguration(bundle, Slot.BLUE, tmp_path / "predictions", tmp_path / "features", tier)
    with pytest.raises(ArtifactError, match=f"^{re.escape(str(bundle))}: {message}"):
        asgi_application(configuration, tmp_path / "state")
    assert not (tmp_path / "state").exists()
