"""The whole road in a fresh copy of this checkout: make up, traffic, a new version, the next model, faults, make down.

The tests share one platform and run in this order; each leaves it working.
"""

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.local.providers.rpc import wait_until
from shipway.contract.metrics import FEATURE_AGE_SECONDS, FEATURE_MISSING_TOTAL
from shipway.contract.release import load_release, release_path, short_digest
from tests.e2e.road.checkout import ACTOR, ENVIRONMENT, Checkout, Done, operations, own_checkout
from tests.e2e.road.traffic import Load, SlowRequest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# For a slot to load its model on a busy machine.
READY_SECONDS = 60


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    with own_checkout() as made:
        yield made


@pytest.fixture(scope="module")
def files_before(checkout: Checkout) -> set[str]:
    return checkout.files()


@pytest.fixture(scope="module", autouse=True)
def first_up(checkout: Checkout, files_before: set[str]) -> Done:
    return checkout.make("up")


@pytest.fixture(scope="module")
def another_digest(checkout: Checkout) -> str:
    """A version of digits that differs from the released one in its seed alone."""
    return checkout.train("digits", "--set", "seed=2")


def unchanged(output: str) -> bool:
    """Returns whether the engine counts nothing but unchanged resources."""
    return re.search(r"^Resources:\n    \d+ unchanged\n(?! )", output, re.MULTILINE) is not None


def live(checkout: Checkout, model: str) -> tuple[str, str]:
    """Returns the slot that takes a model's traffic, and the digest in it."""
    status = checkout.status(model)
    return status["live"], status["slots"][status["live"]]["digest"]


def test_make_up_ends_with_a_request_that_can_be_repeated(checkout: Checkout, first_up: Done) -> None:
    """Both models were trained and are live; the printed curl got a probability, and gets it when it is repeated."""
    *_, command, printed = first_up.stdout.strip().splitlines()
    assert command.startswith("$ curl -s http")
    _curl, _silent, url, *pairs = shlex.split(command.removeprefix("$ "))
    options = list(zip(pairs[::2], pairs[1::2], strict=True))
    assert url == f"http://127.0.0.1:{checkout.base}/flight-delay/predict"
    assert {option for option, _ in options} == {"-H", "-d"}
    [body] = [value.removeprefix("@") for option, value in options if option == "-d"]
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    answer = httpx.post(url, content=(checkout.root / body).read_bytes(), headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert json.loads(printed)["predictions"] == answer.json()["predictions"]
    [probability] = answer.json()["predictions"]
    assert 0 < probability < 1
    for model in ("digits", "flight-delay"):
        status = checkout.status(model)
        assert status["phase"] in ("guarding", "settled")
        assert status["slots"][status["live"]]["weight_percent"] == 100


def test_a_second_make_up_changes_nothing(checkout: Checkout) -> None:
    """Every resource is unchanged, every process runs on, and nothing is trained or released again."""
    before = checkout.world()
    assert unchanged(checkout.make("up").stderr)
    assert checkout.world() == before


def test_a_plain_pulumi_has_nothing_to_do(checkout: Checkout) -> None:
    """In a shell that sourced .shipway/env, `pulumi up` and `pulumi preview` on the stack say unchanged."""
    assert unchanged(checkout.pulumi("up").stdout)
    assert unchanged(checkout.pulumi("preview").stdout)
    assert set(checkout.preview().values()) == {"same"}


def test_replay_sends_flights_features_and_labels(checkout: Checkout) -> None:
    """Every request is answered with weather and carrier that the replay had published, and labels come back."""
    before = feature_reads(checkout)
    asked = ("--requests", "120", "--rate", "40", "--json")
    result = checkout.shell("shipway", "replay", "flight-delay", *asked).result
    wanted = {"sent", "ok", "failed", "by_slot", "by_version", "p50_ms", "p95_ms", "p99_ms", "labels_sent"}
    assert wanted <= result.keys()
    assert (result["sent"], result["ok"], result["failed"]) == (120, 120, 0)
    slot, digest = live(checkout, "flight-delay")
    assert result["by_slot"] == {slot: 120}
    assert result["by_version"] == {short_digest(digest): 120}
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
    assert result["labels_sent"] > 0
    after = feature_reads(checkout)
    for feature, (fresh, missing) in after.items():
        fresh, missing = fresh - before[feature][0], missing - before[feature][1]
        assert fresh + missing == 120, feature
        # An aircraft may be unknown, or have landed nowhere in two days; weather and carriers are always known, and a
        # read that a busy machine makes wait too long gets its default, counted.
        assert fresh > (110 if feature.startswith(("origin_weather", "carrier_origin")) else 60), feature


def feature_reads(checkout: Checkout) -> dict[str, tuple[float, float]]:
    """Returns feature -> how many reads found a fresh value, and how many did not, in the slot of flight-delay."""
    status = checkout.status("flight-delay")
    port = status["slots"][status["live"]]["port"]
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    counts = {
        (sample.name, sample.labels["feature"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in (f"{FEATURE_AGE_SECONDS}_count", FEATURE_MISSING_TOTAL)
    }
    return {
        feature: (counts.get((f"{FEATURE_AGE_SECONDS}_count", feature), 0), missing)
        for (name, feature), missing in counts.items()
        if name == FEATURE_MISSING_TOTAL
    }


def test_a_version_moves_forward_and_back_under_load(checkout: Checkout, another_digest: str) -> None:
    """Released, started, promoted, rolled back: no request fails, and one under way ends where it began."""
    old, old_digest = live(checkout, "digits")
    new = "green" if old == "blue" else "blue"
    assert another_digest != old_digest
    released = ("release", "digits", another_digest, "--env", ENVIRONMENT, "--reason", "another seed")
    assert checkout.shell("shipway", *released, "--json").result["slot"] == new

    content = checkout.request("digits")
    with Load(checkout.base, "digits", content) as load:
        changes = {name: op for name, op in checkout.preview().items() if op != "same"}
        assert changes.pop(f"digits-{new}") == "create"
        assert changes == dict.fromkeys(("digits", "digits-route", "digits-targets"), "update")
        before = checkout.pids()
        checkout.pulumi("up")
        assert {name: pid for name, pid in checkout.pids().items() if name != f"digits-{new}"} == before

        slow = SlowRequest(checkout.base, "digits", content)
        checkout.shell("shipway", "promote", "digits", "--reason", "looked at it")
        assert live(checkout, "digits") == (new, another_digest)
        assert wait_until(lambda: load.settled_on(new), READY_SECONDS), load.failures[-3:]
        assert slow.finish() == (200, old)

        slow, begun = SlowRequest(checkout.base, "digits", content), time.monotonic()
        checkout.shell("shipway", "rollback", "digits", "--reason", "errors since noon")
        assert live(checkout, "digits") == (old, old_digest)
        assert wait_until(lambda: load.settled_on(old), READY_SECONDS), load.failures[-3:]
        # The claim is about requests of five seconds.
        time.sleep(max(0.0, begun + 5 - time.monotonic()))
        assert slow.finish() == (200, new)
    assert load.failures == []
    assert min(load.by_slot[old], load.by_slot[new]) > 0

    status = checkout.status("digits")
    assert status["phase"] == "rolled_back"
    assert {slot: at["weight_percent"] for slot, at in status["slots"].items()} == {old: 100, new: 0}
    assert {at["process"] for at in status["slots"].values()} <= {"RUNNING", "STARTING"}
    entries = checkout.shell("shipway", "ledger", "digits", "--json").result
    told = [(entry["action"], entry["reason"]) for entry in entries if entry["actor"] == ACTOR]
    assert told[-3:] == [
        ("released", "another seed"),
        ("override", "looked at it"),
        ("rolled_back", "errors since noon"),
    ]


@pytest.fixture(scope="module")
def quick_rollout(checkout: Checkout) -> None:
    """A rollout of digits that a laptop's traffic decides within seconds; it belongs to no bundle."""
    path = checkout.service("digits") / "model.yaml"
    rollout = {"steps_percent": [5, 25, 50, 100], "harm_budget_ratio": 0.05, "min_step_seconds": 1, "guard_seconds": 5}
    path.write_text(f"{path.read_text(encoding='utf-8')}\nrollout: {json.dumps(rollout)}\n", encoding="utf-8")
    checkout.pulumi("up")


@pytest.mark.usefixtures("quick_rollout")
def test_a_good_version_is_promoted_by_evidence(checkout: Checkout) -> None:
    """Nobody promotes it: it earns 5, 25, 50 and 100 % under traffic, no request fails, and no unit goes back."""
    old, _ = live(checkout, "digits")
    digest = checkout.train("digits", "--set", "seed=3")
    checkout.shell("shipway", "release", "digits", digest, "--supersede", "--reason", "a third seed")
    with Load(checkout.base, "digits", checkout.request("digits")) as load:
        checkout.pulumi("up")
        assert wait_until(lambda: checkout.status("digits")["phase"] == "settled", 2 * READY_SECONDS), load.failures
    new = "green" if old == "blue" else "blue"
    assert live(checkout, "digits") == (new, digest)
    assert load.failures == []
    assert load.went_back == []
    entries = checkout.shell("shipway", "ledger", "digits", "--json").result
    told = [(one["action"], one["weight_percent"]) for one in entries if one["actor"] == "delivery"]
    steps = [("stepping", 5), ("advanced", 25), ("advanced", 50), ("promoted", 100), ("settled", 100)]
    assert told[-5:] == steps
    explained = checkout.shell("shipway", "explain", short_digest(digest)).stdout
    assert "harm_budget: worst excess" in explained


@pytest.mark.usefixtures("quick_rollout")
def test_a_bad_version_is_rolled_back_by_evidence(checkout: Checkout) -> None:
    """A fifth of its requests fail: it is taken back, and the same state applied again changes nothing."""
    before = live(checkout, "digits")
    digest = checkout.train("digits", "--set", "fault.error_ratio=0.2")
    checkout.shell("shipway", "release", "digits", digest, "--reason", "a bad one")
    with Load(checkout.base, "digits", checkout.request("digits")) as load:
        checkout.pulumi("up")
        assert wait_until(lambda: checkout.status("digits")["phase"] == "rolled_back", 2 * READY_SECONDS)
        assert len(load.failures) < 60
        load.failures.clear()
        assert unchanged(checkout.pulumi("up").stdout)
        asked = load.total
        assert wait_until(lambda: load.total > asked + 200, READY_SECONDS)
    assert load.failures == []
    assert live(checkout, "digits") == before
    status = checkout.status("digits")
    assert (status["phase"], {at["weight_percent"] for at in status["slots"].values()}) == ("rolled_back", {0, 100})
    refused = checkout.shell("shipway", "release", "digits", digest, "--reason", "again", code=1)
    assert "--retry" in refused.stderr


def test_the_live_slot_cannot_be_changed_by_hand(checkout: Checkout, another_digest: str) -> None:
    """Another digest in its line is refused by `up` and `preview`, naming model, slot and both; nothing is touched."""
    slot, digest = live(checkout, "digits")
    path = release_path(checkout.service("digits"), ENVIRONMENT)
    text, before = path.read_text(encoding="utf-8"), checkout.world()
    path.write_text(text.replace(f"{slot}: {digest}", f"{slot}: {another_digest}"), encoding="utf-8")
    try:
        for verb in ("up", "preview"):
            refused = checkout.pulumi(verb, code=None).stdout
            was, wanted = short_digest(digest), short_digest(another_digest)
            assert f"error: digits: slot {slot} is live with {was}, expected it unchanged, got {wanted}" in refused
            assert checkout.world() == before
    finally:
        path.write_text(text, encoding="utf-8")
    assert set(checkout.preview().values()) == {"same"}


def test_the_next_model_adds_its_own_resources_alone(checkout: Checkout) -> None:
    """From the template to a prediction through the gateway, and no resource or process of anything else is touched."""
    before = checkout.pids()
    checkout.shell("shipway", "new", "--no-input", "--name", "next-model")
    steps = operations(checkout.make("preview", "JSON=1").stdout)
    own = {"next-model", *(f"next-model-{part}" for part in ("ports", "route", "rules", "targets"))}
    assert {name for name, op in steps.items() if op == "create"} == own
    assert {op for name, op in steps.items() if name not in own} == {"same"}

    digest = checkout.train("next-model")
    checkout.shell("shipway", "release", "next-model", digest, "--env", ENVIRONMENT, "--reason", "first version")
    done = checkout.pulumi("up").stdout
    assert re.search(r"^Resources:\n    \+ 6 created\n    \d+ unchanged\n", done, re.MULTILINE), done
    assert wait_until(lambda: checkout.answers("next-model"), READY_SECONDS)
    assert {name: pid for name, pid in checkout.pids().items() if name != "next-model-blue"} == before
    assert live(checkout, "next-model") == ("blue", digest)


def test_drift_is_seen_and_repaired_and_a_respawn_is_none(checkout: Checkout) -> None:
    """A stopped slot and a removed file are shown and put back; a slot that was killed is back by itself."""
    slot, _ = live(checkout, "digits")
    process, rules = f"digits-{slot}", checkout.layout.prometheus / "rules" / "digits.yml"
    text = rules.read_bytes()
    drift = ("refresh", "--preview-only", "--expect-no-changes")
    checkout.pulumi(*drift)

    supervisorctl(checkout, "stop", process)
    rules.unlink()
    seen = checkout.pulumi(*drift, code=None)
    assert "no changes were expected" in seen.stderr
    assert set(re.findall(r"(\S+) update ", seen.stdout)) == {process, "digits-rules"}
    checkout.pulumi("refresh")
    checkout.pulumi("up")
    checkout.pulumi(*drift)
    assert rules.read_bytes() == text
    assert wait_until(lambda: checkout.answers("digits"), READY_SECONDS)

    killed = checkout.pids()[process]
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: checkout.pids()[process] not in (0, killed), READY_SECONDS)
    checkout.pulumi(*drift)
    assert wait_until(lambda: checkout.answers("digits"), READY_SECONDS)


def supervisorctl(checkout: Checkout, *words: str, code: int | None = 0) -> Done:
    """Runs a command of supervisord's own client."""
    return checkout.shell(
        "supervisorctl", "-c", str(checkout.layout.supervisor / "supervisord.conf"), *words, code=code
    )


def test_a_bundle_with_one_wrong_bit_does_not_start(checkout: Checkout) -> None:
    """The slot refuses it, naming the file and both hashes, and starts again when the file is what it was."""
    slot, digest = live(checkout, "digits")
    process = f"digits-{slot}"
    [artifact] = (checkout.layout.bundle(digest) / "files" / "model").iterdir()
    log = checkout.layout.logs / f"{process}.log"
    content, logged = artifact.read_bytes(), log.stat().st_size
    middle = len(content) // 2
    artifact.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    try:
        supervisorctl(checkout, "restart", process, code=None)
        said = log.read_bytes()[logged:].decode()
        assert re.search(
            rf"^error: {artifact}: found sha256 [0-9a-f]{{64}} .*, expected sha256 [0-9a-f]{{64}}", said, re.M
        )
        assert process in checkout.shell("shipway", "status", "digits", "--json", code=1).result["down"]
    finally:
        artifact.write_bytes(content)
    checkout.pulumi("refresh")
    checkout.pulumi("up")
    assert wait_until(lambda: checkout.answers("digits"), READY_SECONDS)


def test_a_digest_that_does_not_exist_is_not_released(checkout: Checkout) -> None:
    """The refusal names it, and the release file stays as it is."""
    path = release_path(checkout.service("digits"), ENVIRONMENT)
    before, digest = load_release(path), f"sha256:{'0' * 64}"
    refused = checkout.shell("shipway", "release", "digits", digest, "--reason", "a slip", code=1)
    assert re.fullmatch(
        rf"error: .*: no bundle {digest} in this store, expected one of \d+ digests; .*\n", refused.stderr
    )
    assert load_release(path) == before


@pytest.mark.parametrize(
    ("runbook", "said"),
    [
        ('""', "services/digits/model.yaml: owner.runbook_url: got '', expected"),
        ("TBD", "ML041  (shipway:components:ModelService: digits)"),
    ],
    ids=["blank", "placeholder"],
)
def test_a_model_without_a_runbook_is_not_deployed(checkout: Checkout, runbook: str, said: str) -> None:
    """The pack passes what is deployed; a blank runbook is one error of the document, a placeholder one of the pack."""
    words = ("preview", "--policy-pack", "policies")
    assert unchanged(checkout.pulumi(*words).stdout)
    path = checkout.service("digits") / "model.yaml"
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(r"(runbook_url: ).*", rf"\g<1>{runbook}", text)
    assert count == 1
    path.write_text(changed, encoding="utf-8")
    try:
        refused = checkout.pulumi(*words, code=1).stdout
    finally:
        path.write_text(text, encoding="utf-8")
    assert said in refused
    assert refused.count("    error: ") == 1


def test_make_down_leaves_nothing(checkout: Checkout, files_before: set[str]) -> None:
    """No process, port, socket, temporary file or file outside .shipway is left, and a second one has nothing to do."""
    for _ in range(2):
        done = checkout.make("down")
        assert "stack local is gone; bundles and the registry stay in" in done.stderr
        assert checkout.left_over() == []
        changed = checkout.files() ^ files_before
        assert {name for name in changed if not name.startswith("services/next_model/")} == set()
        assert not release_path(checkout.service("next-model"), ENVIRONMENT).exists()
