"""Ctrl-C: one line says which verb was interrupted and what holds now."""

import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["EXIT_CODE", "LEFT", "Verbs", "sentence"]

# 128 and the number of SIGINT, as shells say it.
EXIT_CODE = 130

_READS = "it only reads, and nothing was changed"
_WRITES = "no process, route or release was touched"
_GIT = "`git status` shows whether a release was written; nothing was started or stopped"
_ROUTE = "`shipway status` shows whether it took effect"
_IMAGE = "an image is named in the registry whole or not at all; the same command goes on"

# Verb -> what is so whenever it is interrupted.
LEFT: Mapping[str, str] = {
    "agree": "`git status` shows whether the record was written",
    "approve": _ROUTE,
    "base": _IMAGE,
    "build": _IMAGE,
    "carry": _GIT,
    "changed": _READS,
    "check": "there is no verdict; the same command checks anew",
    "dashboards": _WRITES,
    "dead-letters": _READS,
    "doctor": _READS,
    "drift": _READS,
    "explain": _WRITES,
    "fleet": "nothing that is checked out was touched, and services that were done have their branches",
    "labels": "labels that were imported stay, and the same import goes on after them",
    "ledger": _READS,
    "loadtest": "a result is kept whole or not at all",
    "new": "the service is there whole or not at all",
    "parity": _WRITES,
    "plan": _READS,
    "promote": _ROUTE,
    # Git does not have a laptop's own release file.
    "release": "the service's release file shows whether it was released; nothing was started or stopped",
    "replay": "what was sent stays in the logs",
    "retrain": "a version is registered whole or not at all; `git status` shows whether it was proposed or released",
    "rollback": _ROUTE,
    "status": _READS,
    "train": "a version is registered whole or not at all; the same command makes the same one",
}


class Verbs(TyperGroup):
    """The verbs; Ctrl-C in one of them ends with one line and exit code 130, where typer alone would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the verb."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as error:
            if ctx.invoked_subcommand is None:
                # No verb has begun, so there is nothing to say of one.
                raise
            # A question that is interrupted aborts, and so does one whose input has ended.
            if isinstance(error, typer.Abort) and not isinstance(error.__context__, KeyboardInterrupt):
                raise
            # What the terminal shows of Ctrl-C stands in a line that has begun.
            print(f"\n{sentence(ctx.invoked_subcommand)}", file=sys.stderr)
            raise typer.Exit(EXIT_CODE) from None


def sentence(verb: str) -> str:
    """Returns what a person is told who interrupted `verb`."""
    return f"interrupted: shipway {verb}; {LEFT[verb]}"
