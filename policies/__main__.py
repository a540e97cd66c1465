"""The pack as Pulumi starts it; it serves until Pulumi ends it, so nothing else may live here."""

from pathlib import Path

from policies.serve import serve

serve(Path(__file__).parent)
