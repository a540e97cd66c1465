"""Whose the branch of an update is."""

from shipway.scaffold.fleet.update import State
from tests.shipway.scaffold.fleet.conftest import Project
from tests.shipway.scaffold.fleet.test_update import BRANCH, next_version, update


def test_an_update_that_a_person_amended_is_theirs(project: Project) -> None:
    """The message, trailers and all, is still the verb's own; who committed it is not."""
    project.add("churn")
    next_version(project)
    update(project)
    project.git("switch", "--quiet", BRANCH)
    project.edit("services/churn/train.py", lambda text: text + "# fixed\n")
    project.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    work = project.git("rev-parse", "HEAD")
    project.git("switch", "--quiet", "main")
    for edit in ("", "# by hand\n"):
        (project.root / "services" / "churn" / "extra.py").write_text(edit)
        project.commit("edited")
        assert update(project).state is State.IN_REVIEW
        assert project.git("rev-parse", BRANCH) == work
