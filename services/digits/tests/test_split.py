"""Where the pictures are divided: between two written forms, and never within one."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from shipway.bundle.source import import_from

SERVICE = Path(__file__).resolve().parents[1]

# Each form begins with the digits in order, three times; the few that do not begin so are a form's length apart.
_BEGINNING = np.tile(np.arange(10), 3)


def test_the_same_hand_is_not_in_training_and_in_validation() -> None:
    """The first validation picture is the first of a form; its neighbours would have its writer."""
    digits: Any = load_digits(return_X_y=True)[1]
    starts = [
        place
        for place in range(len(digits) - len(_BEGINNING))
        if np.array_equal(digits[place : place + len(_BEGINNING)], _BEGINNING)
    ]
    assert all(120 <= after - before <= 260 for before, after in pairwise(starts))
    assert import_from(SERVICE.parent, SERVICE.name, "train").SETTINGS().train_rows in starts
