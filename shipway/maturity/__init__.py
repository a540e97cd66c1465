"""How far a model's path is automated, by the levels 0 to 2 that are usual: facts from files, judged one by one."""

__all__ = ["criteria", "facts", "gathering"]
