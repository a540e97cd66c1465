"""Refuses answers that cannot become a model, before a file is written."""

import json
import sys
from pathlib import Path

try:
    from shipway.scaffold.answers import check_answers
    from shipway.scaffold.naming import check_new_name
except ImportError:
    sys.exit("error: shipway is not installed here, expected the project's environment: source .shipway/env")

# As they were given, and as cookiecutter rendered them: it takes an answer on its command line for a template.
given = json.loads(r'{{ _cookiecutter | default({}) | tojson }}')
rendered = json.loads(r'{{ cookiecutter | tojson }}')
# The folder being rendered exists already; what counts is what lies beside it.
expected = check_new_name(rendered["name"], Path.cwd().parent, rendering=True)
if expected:
    sys.exit(f"error: name: expected {expected}")
for answers in (given, rendered):
    problem = check_answers({key: answer for key, answer in answers.items() if not key.startswith("_")})
    if problem:
        sys.exit(f"error: {problem}")
