"""Load tests of one version: arrivals that wait for nobody, requests made from its schema, a result under its digest.

`python -m shipway.loadtest` is the process that sends: Locust changes how its whole process waits, so nothing else of
the platform may live in it. Everything that decides is here and is pure.
"""

__all__ = [
    "address",
    "arrivals",
    "judging",
    "logged",
    "results",
    "running",
    "scenario",
    "search",
    "sending",
    "slot",
    "stages",
]
