"""The root's CODEOWNERS is made of what each service says."""

from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.scaffold.codeowners import with_models, write_codeowners

ROOT = Path(__file__).resolve().parents[3]
OWN = """# who
* @example/growth
/train.py @ada  # she wrote it
docs/*.md grace@example.com
*.sql @example/data
/notes/  # nobody's
"""
MADE = """/services/churn/ @example/growth
/services/churn/train.py @ada
/services/churn/docs/*.md grace@example.com
/services/churn/**/*.sql @example/data
/services/churn/notes/
# End
"""


def test_paths_are_put_below_their_folder() -> None:
    """A path that hung on the service's folder hangs on it still, one that lay anywhere lies anywhere in it."""
    assert with_models("", {"services/churn": OWN}).partition("\n")[2] == MADE


def test_what_a_person_wrote_stays() -> None:
    """Before and after; and made again it is the same."""
    once = with_models("* @example/platform\n", {"services/churn": OWN})
    assert once.startswith("* @example/platform\n\n# Models: ")
    both = with_models(once + "/stacks/ @example/ops\n", {"services/churn": OWN})
    assert both == once + "/stacks/ @example/ops\n"
    assert with_models(both, {}) == with_models(both, {"services/churn": "# nobody\n"})


def test_a_part_without_an_end_is_refused() -> None:
    """Nothing of a person's is taken for the made part."""
    with pytest.raises(SpecError, match="expected a line `# End` after it"):
        with_models(with_models("", {}).replace("# End\n", ""), {"services/churn": OWN})


def test_every_service_of_this_repository_has_an_owner(tmp_path: Path) -> None:
    """CODEOWNERS is what `python -m shipway.scaffold.codeowners` would write."""
    committed = (ROOT / "CODEOWNERS").read_text(encoding="utf-8")
    found = {folder.parent for folder in (ROOT / "services").glob("*/model.yaml")}
    owners = {path.relative_to(ROOT).as_posix(): (path / "CODEOWNERS").read_text(encoding="utf-8") for path in found}
    assert committed == with_models(committed, owners)
    (tmp_path / "services").mkdir()
    (tmp_path / "Pulumi.yaml").touch()
    assert write_codeowners(tmp_path).read_text(encoding="utf-8") == with_models("", {})
