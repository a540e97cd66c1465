"""The artifact that the template brings along is what its model card says."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from shipway.artifacts.opening import find_artifact, open_artifact

FOLDER = Path(__file__).resolve().parents[2] / "templates/model-service/artifact/{{cookiecutter.__package}}/artifact"
NAMES = ["radius", "texture", "smoothness", "concavity", "symmetry"]


def test_the_artifact_is_a_logistic_regression_on_the_first_rows() -> None:
    """Fitted anew on the same 400 rows, scikit-learn gives the same probabilities for the sample's 169."""
    data = load_breast_cancer(as_frame=True)
    rows, labels = data.frame[[f"mean {name}" for name in NAMES]].to_numpy(), 1 - data.target.to_numpy()
    fitted = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())]).fit(rows[:400], labels[:400])
    sample = pd.read_csv(FOLDER / "sample.csv")
    np.testing.assert_array_equal(sample["label"], labels[400:])
    np.testing.assert_allclose(sample[NAMES], rows[400:])
    found = open_artifact(find_artifact(FOLDER), NAMES).predict(sample[NAMES].to_numpy())
    np.testing.assert_allclose(found, fitted.predict_proba(rows[400:])[:, 1], atol=1e-5)
