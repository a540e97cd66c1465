{% include "base/tests/test_service.py" -%}
