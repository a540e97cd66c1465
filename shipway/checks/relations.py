"""Relations between answers: what must hold between the answer to a row and the answer to the same row, changed.

A service declares plain ones in model.yaml (`checks.relations`). Others it writes in a file `checks.py` of its own,
which holds one name and is no part of a bundle, so that an older version can be asked too:

    RELATIONS = (Relation("both names of a city", lambda row, rng: {**row, "city": "Koeln"}, Behaviour.SAME),)
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from shipway.contract.check import Behaviour
from shipway.contract.errors import SpecError

__all__ = ["Relation", "own_relations"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Relation:
    """One relation.

    Args:
        name: in words, for the table.
        change: row, random numbers -> the changed row; None where the relation says nothing about the row. A row holds
            the request's fields, and the features under `view:feature`.
        answer: what the answer to the changed row is, compared with the one to the row.
        tolerance: by how much it may miss that.
    """

    name: str
    change: Callable[[Row, np.random.Generator], Row | None]
    answer: Behaviour
    tolerance: float = 0.0


def own_relations(service: Path) -> Sequence[Relation]:
    """Returns what `checks.py` of the service declares; empty where there is none.

    Its imports of the service's own modules lead to the version that is checked.

    Raises:
        SpecError: when it declares something else.
    """
    path = service / "checks.py"
    if not path.is_file():
        return ()
    spec = importlib.util.spec_from_file_location(f"{service.name}__checks", path)
    if spec is None or spec.loader is None:
        raise SpecError(path, "", "a file that is not Python", "a module with RELATIONS")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    declared: object = getattr(module, "RELATIONS", None)
    if not isinstance(declared, Sequence):
        raise SpecError(path, "RELATIONS", declared, "a sequence of shipway.checks.relations.Relation")
    for one in cast(Sequence[object], declared):
        if not isinstance(one, Relation):
            raise SpecError(path, "RELATIONS", one, "a sequence of shipway.checks.relations.Relation")
    return cast(Sequence[Relation], declared)
