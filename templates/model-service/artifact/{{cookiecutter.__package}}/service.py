{% extends "base/service.py" %}
{% block answers %}what the artifact says of it{% endblock %}
{% block load %}
        self._artifact = files.artifact(COLUMNS)
{%- endblock %}
{% block predict %}
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._artifact.predict(matrix(columns))
{%- endblock %}
