"""What the tests of training share: a project with one small model of its own."""

import sys
from pathlib import Path

import pytest

from shipway.contract.layout import LocalLayout
from shipway.contract.model import load_model
from shipway.training.pipeline import Training

MODEL = """
name: toy-train
description: Whether x is positive.
owner: {team: toys, contact: t@example.com, escalation: t@example.com, runbook_url: https://example.com}
resources: {cpu_millicores: 100, memory_mib: 100}
evaluation:
  gates:
    - {metric: auc, minimum: 0.8, beats_base_rate_by: 0.2, champion_tolerance: 0.05}
"""

SCHEMA = '''"""Schema."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

SCHEMA = Schema(
    fields=(
        FieldSpec(name="x", kind=FieldKind.NUMBER, minimum=-10, maximum=10),
        FieldSpec(name="colour", kind=FieldKind.CATEGORY, values=("red", "blue")),
    )
)
'''

TRAIN = '''"""Training."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from shipway.training.plan import Task, TrainingData, TrainingSettings
from toy_train.schema import SCHEMA

TASK = Task.BINARY
TRUSTED_TYPES = ()


class SETTINGS(TrainingSettings):
    noise: float = 0.5
    penalty: float = 1.0
    outlier: float = 0.0


def _part(rng, name, rows, noise):
    index = pd.Index([f"{name}-{number}" for number in range(rows)])
    frame = pd.DataFrame({"x": rng.uniform(-1, 1, rows), "colour": rng.choice(["red", "blue"], rows)}, index=index)
    return frame, (frame["x"] + rng.normal(scale=noise, size=rows) > 0).astype(int)


def load(settings, cache):
    rng = np.random.default_rng(settings.seed)
    train, train_labels = _part(rng, "train", 400, settings.noise)
    train.iloc[3, 0] = settings.outlier
    validation, validation_labels = _part(rng, "validation", 200, settings.noise)
    now = datetime(2020, 1, 1, tzinfo=UTC)
    return TrainingData(train, train_labels, validation, validation_labels, f"toy-{settings.seed}", now, now)


def fit(rows, labels, settings):
    return LogisticRegression(C=settings.penalty).fit(rows[["x"]].to_numpy(), labels)


def predict(estimator, rows):
    return estimator.predict_proba(rows[["x"]].to_numpy())[:, 1]
'''

SERVICE = '''"""Service."""

import bentoml

from toy_train.schema import SCHEMA


@bentoml.service(name="toy-train")
class ToyTrain:
    """Toy."""

    @bentoml.api
    def predict(self, x: float) -> float:
        return float(x > 0) + 0 * len(SCHEMA.fields)
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a project with the service `toy-train`."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy_train"]:
        del sys.modules[name]
    root = tmp_path_factory.mktemp("project")
    folder = root / "services" / "toy_train"
    (folder / "tests").mkdir(parents=True)
    (folder / "releases").mkdir()
    for name, text in (
        ("__init__.py", '"""Toy."""\n'),
        ("model.yaml", MODEL),
        ("schema.py", SCHEMA),
        ("train.py", TRAIN),
        ("service.py", SERVICE),
        ("tests/test_toy.py", ""),
        ("releases/local.yaml", "blue: ''\n"),
    ):
        (folder / name).write_text(text)
    return root


@pytest.fixture
def job(project: Path) -> Training:
    """A training of `toy-train` with its own settings."""
    folder = project / "services" / "toy_train"
    said: list[str] = []
    return Training(LocalLayout(project, "local"), folder, load_model(folder / "model.yaml"), {}, True, said.append)
