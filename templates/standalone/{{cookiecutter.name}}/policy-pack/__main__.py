"""The platform's policies, under what its owners decided: settings.yaml and waivers.yaml beside this file."""

from pathlib import Path

from policies.serve import serve

serve(Path(__file__).parent)
