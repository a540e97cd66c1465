{% extends "base/service.py" %}
{% block answers %}the probability of the label 1{% endblock %}
{% block predict %}
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return self._estimator.predict_proba(matrix(columns))[:, 1]
{%- endblock %}
