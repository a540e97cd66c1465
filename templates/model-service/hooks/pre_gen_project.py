"""Refuses a name that cannot become a model, before a file is written."""

import sys
from pathlib import Path

try:
    from shipway.scaffold.naming import check_new_name
except ImportError:
    sys.exit("error: shipway is not installed here, expected the project's environment: source .shipway/env")

# The folder being rendered exists already; what counts is what lies beside it.
problem = check_new_name({{ cookiecutter.name | tojson }}, Path.cwd().parent, rendering=True)
if problem:
    sys.exit(f"error: name: expected {problem}")
