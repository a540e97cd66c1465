{% extends "base/service.py" %}
{% block answers %}the number{% endblock %}
