"""The checks that ship with a model: each a function from facts to findings, run in a fixed order by `shipway check`.

What asks a bundle runs in a child process that serves it (`asking`); the service's tests, recorded samples and load
tests are looked at beside it (`running`). No evidence is never a pass.
"""

__all__ = [
    "adversarial",
    "asking",
    "cases",
    "facts",
    "fairness",
    "finding",
    "fitting",
    "intervals",
    "loaded",
    "metamorphic",
    "question",
    "registry",
    "regression",
    "relations",
    "running",
    "sampled",
    "telling",
    "unit",
]
