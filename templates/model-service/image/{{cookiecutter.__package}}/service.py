{% extends "base/service.py" %}
{% block answers %}the class{% endblock %}
{% block predict %}
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict(matrix(columns)).astype(float)
{%- endblock %}
