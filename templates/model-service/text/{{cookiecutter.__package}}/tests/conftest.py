{% include "base/tests/conftest.py" -%}
