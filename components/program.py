"""The program of every project: a stack holds the platform of an environment, its models, or both, as its file says."""

import gc
from pathlib import Path

import pulumi

from components.deployment import deploy
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import find_root
from shipway.contract.stack import load_stack

__all__ = ["run"]


def run(program: str) -> None:
    """Registers the resources of the stack that the engine asks for.

    Args:
        program: the file that Pulumi runs, inside the project.

    Raises:
        pulumi.RunError: for whatever must not be applied, with its sentence.
    """
    # All that a program registers lives until its end: looking for garbage in it took a third of its time.
    gc.set_threshold(200_000)
    try:
        # Resolved: a rehearsal reaches this folder by a link from a project of its own.
        root = find_root(Path(program).resolve().parent)
        deploy(root, load_stack(root, pulumi.get_stack()))
    except (ShipwayError, OSError) as error:
        # Pulumi prints the sentence of a RunError and the traceback of anything else.
        raise pulumi.RunError(str(error)) from None
