{% include "base/__init__.py" -%}
