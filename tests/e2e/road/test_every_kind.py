"""Services of the other kinds behind one gateway: each earns its second version's traffic, a broken one goes back."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from components.local.providers.rpc import wait_until
from shipway.bundle.source import import_from
from shipway.scaffold.rendering import kinds, template_folder
from tests.e2e.road.checkout import ROOT, Checkout, own_checkout
from tests.e2e.road.traffic import Load

pytestmark = [pytest.mark.kinds, pytest.mark.timeout(600)]

# The first kind is that of the project's own services, whose rollouts the road sees. A kind that is added is rolled out
# without a word here.
MODELS = {kind.name: f"some-{kind.name}" for kind in kinds(template_folder(ROOT))[1:]}
ARTIFACT, REGRESSION = MODELS["artifact"], MODELS["tabular-regression"]
# What makes another version, a hair's breadth from the first: a greater shift of its predictions would ask a person.
SETTINGS = {"tabular-regression": "penalty=2.0", "text": "inverse_penalty=10.5", "image": "penalty=12.0"}
# Evidence that the little traffic of a test can gather; all models share two cores, so that no answer is quick.
ROLLOUT = {"steps_percent": [10, 50, 100], "harm_budget_ratio": 0.1, "min_step_seconds": 1, "guard_seconds": 5}
LATENCY_SECONDS = 1.0
CALLERS = 2
# Longer than slots that start side by side and their rollouts take on a busy machine.
DECIDED_SECONDS = 120
# The artifact's own names of the sample's columns, and up to which radius the broken one answers.
MEASURED = ["radius", "texture", "smoothness", "concavity", "symmetry"]
BROKEN_BEYOND = 15.0


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    """A platform on which every kind's first version is live, as it was rendered but for what a team would tune."""
    with own_checkout() as made:
        shutil.rmtree(made.root / "services")
        (made.root / "services").mkdir()
        for kind, model in MODELS.items():
            made.shell("shipway", "new", "--no-input", "--kind", kind, "--name", model)
            path = made.service(model) / "model.yaml"
            text = path.read_text(encoding="utf-8").replace("fallback: []", "fallback: [previous]")
            text, count = re.subn(r"latency_seconds: .*", f"latency_seconds: {LATENCY_SECONDS}", text)
            assert count == 1
            path.write_text(f"{text}\nrollout: {json.dumps(ROLLOUT)}\n", encoding="utf-8")
        release(made, {model: made.train(model) for model in MODELS.values()}, "a first version")
        made.make("up")
        yield made


@pytest.fixture(scope="module")
def requests(checkout: Checkout) -> Mapping[str, list[bytes]]:
    """Model -> requests with the rows that its sample validates on."""
    found: dict[str, list[bytes]] = {}
    for model in MODELS.values():
        folder = checkout.service(model)
        plan: Any = import_from(folder.parent, folder.name, "train")
        rows = plan.load(plan.SETTINGS(), checkout.temporary).validation
        found[model] = [json.dumps({"rows": [row]}).encode() for row in rows.to_dict("records")]
    return found


def phases(checkout: Checkout) -> dict[str, str]:
    """Returns model -> the phase of its rollout."""
    return {one["model"]: one["phase"] for one in checkout.shell("shipway", "status", "--json").result["models"]}


def live(checkout: Checkout) -> dict[str, str]:
    """Returns model -> the digest that takes its traffic."""
    models = checkout.shell("shipway", "status", "--json").result["models"]
    return {one["model"]: one["slots"][one["live"]]["digest"] for one in models}


def told(checkout: Checkout, model: str) -> list[tuple[str, int]]:
    """Returns what delivery did with a model, and the share of traffic that it gave."""
    entries = checkout.shell("shipway", "ledger", model, "--json").result
    return [(one["action"], one["weight_percent"]) for one in entries if one["actor"] == "delivery"]


def release(checkout: Checkout, digests: Mapping[str, str], reason: str) -> None:
    for model, digest in digests.items():
        checkout.shell("shipway", "release", model, digest, "--reason", reason)


def roll_out(checkout: Checkout, loads: Mapping[str, Load], phase: str) -> None:
    """Starts what was released while callers ask, and waits until each rollout has come to `phase`."""
    with ExitStack() as stack:
        for load in loads.values():
            stack.enter_context(load)
        checkout.pulumi("up")
        decided = wait_until(lambda: {phases(checkout)[one] for one in loads} == {phase}, DECIDED_SECONDS, 1.0)
    explained = [checkout.shell("shipway", "explain", model).stdout for model in loads if not decided]
    assert decided, "\n".join([str(phases(checkout)), *explained])


def weights() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns weights and bias of the template's artifact fitted anew, for the probability of label 1 by a sigmoid."""
    data = load_breast_cancer(as_frame=True)
    rows, labels = data.frame[[f"mean {name}" for name in MEASURED]].to_numpy()[:400], 1 - data.target[:400]
    scale = StandardScaler().fit(rows)
    fitted = LogisticRegression().fit(scale.transform(rows), labels)
    weight = fitted.coef_ / scale.scale_
    return weight, fitted.intercept_ - weight @ scale.mean_


def put_artifact(checkout: Checkout, path: Path) -> None:
    """Puts the file into the place of the service's artifact."""
    folder = checkout.service(ARTIFACT) / "artifact"
    for suffix in (".onnx", ".safetensors"):
        (folder / f"model{suffix}").unlink(missing_ok=True)
    shutil.move(path, folder / path.name)


def dense(folder: Path, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Path:
    """Writes one layer with a sigmoid behind it."""
    path = folder / "model.safetensors"
    save_file({"weight": weight, "bias": bias}, path, metadata={"output": "sigmoid"})
    return path


def broken_graph(folder: Path) -> Path:
    """Writes the artifact with a root in it that is no number beyond a radius."""
    weight, bias = weights()
    only_radius = np.array([[-1.0], [0.0], [0.0], [0.0], [0.0]])
    constants = {"weight": weight.T, "bias": bias, "radius": only_radius, "most": np.array([BROKEN_BEYOND])}
    nodes = [
        helper.make_node("Gemm", ["rows", "weight", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
        helper.make_node("Gemm", ["rows", "radius", "most"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Sub", ["root", "root"], ["nothing"]),
        helper.make_node("Add", ["probability", "nothing"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "broken",
        [helper.make_tensor_value_info("rows", TensorProto.DOUBLE, [None, len(MEASURED)])],
        [helper.make_tensor_value_info("answer", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    path = folder / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def test_every_kinds_second_version_earns_its_traffic(
    checkout: Checkout, requests: Mapping[str, list[bytes]], tmp_path: Path
) -> None:
    """Side by side, by evidence of its own, the artifact in another format; no caller fails, none moves back.

    No model's answers come from anything but the model.
    """
    put_artifact(checkout, dense(tmp_path, *weights()))
    before = live(checkout)
    digests = {
        model: checkout.train(model, "--set", SETTINGS.get(kind, "seed=2"))
        if kind != "artifact"
        else checkout.train(model)
        for kind, model in MODELS.items()
    }
    assert not set(before.values()) & set(digests.values())
    release(checkout, digests, "a second version")
    loads = {model: Load(checkout.base, model, *requests[model], callers=CALLERS) for model in MODELS.values()}
    roll_out(checkout, loads, "settled")
    assert live(checkout) == digests
    for model, load in loads.items():
        assert load.failures == []
        assert load.went_back == []
        assert set(load.by_slot) == {"blue", "green"}
        assert set(load.by_source) == {"model"}
        steps = [("stepping", 10), ("advanced", 50), ("promoted", 100), ("settled", 100)]
        assert told(checkout, model)[-4:] == steps, model


def test_an_artifact_of_another_shape_is_no_version(checkout: Checkout, tmp_path: Path) -> None:
    """Training refuses it in one line that says both widths, so there is nothing to release."""
    weight, bias = weights()
    kept = checkout.service(ARTIFACT) / "artifact" / "model.safetensors"
    content = kept.read_bytes()
    put_artifact(checkout, dense(tmp_path, weight[:, :4].copy(), bias))
    refused = checkout.shell("shipway", "train", ARTIFACT, code=1)
    assert re.search(
        r"^error: \S+/artifact/model\.safetensors: found .*4.*, expected .*5", refused.stderr, re.MULTILINE
    )
    kept.write_bytes(content)


def test_a_version_that_breaks_goes_back_and_no_caller_sees_it(
    checkout: Checkout, requests: Mapping[str, list[bytes]], tmp_path: Path
) -> None:
    """A regression that raises, and an artifact that is no number where its sample never looked: a fallback answers.

    Both count against the version all the same: it goes back, and the one before answers alone.
    """
    before = live(checkout)
    sample = checkout.service(ARTIFACT) / "artifact" / "sample.csv"
    rows = pd.read_csv(sample)
    rows[rows["radius"] < BROKEN_BEYOND].to_csv(sample, index=False)
    put_artifact(checkout, broken_graph(tmp_path))
    digests = {
        ARTIFACT: checkout.train(ARTIFACT),
        REGRESSION: checkout.train(REGRESSION, "--set", "fault.error_ratio=0.5"),
    }
    release(checkout, digests, "a bad one")
    loads = {model: Load(checkout.base, model, *requests[model], callers=CALLERS) for model in digests}
    roll_out(checkout, loads, "rolled_back")
    assert live(checkout) == before
    for load in loads.values():
        assert load.failures == []
    assert loads[ARTIFACT].by_source["previous"] > 0
    assert loads[REGRESSION].by_source["constant"] > 0
    with ExitStack() as stack:
        after = [stack.enter_context(Load(checkout.base, one, *requests[one], callers=CALLERS)) for one in digests]
        assert wait_until(lambda: all(load.total > 50 for load in after), DECIDED_SECONDS)
    assert [(load.failures, set(load.by_source), len(load.by_slot)) for load in after] == [([], {"model"}, 1)] * 2


def test_make_down_leaves_nothing(checkout: Checkout) -> None:
    """No process, port or temporary file of any kind's slot is left."""
    checkout.make("down")
    assert checkout.left_over() == []
