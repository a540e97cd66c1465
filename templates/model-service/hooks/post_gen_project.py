"""Records beside the service which template and which answers it was rendered from."""

import json
from pathlib import Path

from shipway.scaffold.origin import write_origin

write_origin(Path.cwd(), json.loads(r'{{ cookiecutter | tojson }}'))
