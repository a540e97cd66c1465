"""A preview in words."""

from dataclasses import replace
from datetime import date

from components.aws.price_list import PRICES
from tools.cost import Bill, Line
from tools.foreseen import Change, Finding, Foreseen, Step
from tools.summary import StackReport, Summary, as_document, as_markdown, as_text

VPC = "aws:ec2/vpc:Vpc"


def step(name: str, change: Change, *keys: str) -> Step:
    return Step(f"urn::{name}", VPC, name, change, "network", keys)


FORESEEN = Foreseen(
    (
        step("a", Change.CREATE),
        step("b", Change.REPLACE, "cidrBlock"),
        step("c", Change.DELETE),
        step("d", Change.SAME),
    ),
    (
        Finding("ML015", "critical", True, True, "eks", "the endpoint is public."),
        Finding("ML038", "medium", False, True, "vpc", "a tag is missing."),
        Finding("ML027", "critical", False, False, "shipway-prod", "acl is not known before `pulumi up`"),
    ),
    (),
    ("it is late",),
)
BILL = Bill(
    (Line("eks", "EKS control plane", 73.0, 73.0), Line("gpu", "nodes, p9", None, None, "no price of p9")),
    replace(PRICES, as_of=date(2026, 1, 2)),
)
SUMMARY = Summary("prod", "main (0123456)", (StackReport("prod", FORESEEN, None, failed=True),), BILL, 50, True)


def test_a_person_reads_first_what_goes_away() -> None:
    """Deletions and replacements are counted first and listed with what forces them; creations are only counted."""
    text = as_text(SUMMARY)
    assert "prod: 1 to delete, 1 to replace, 1 to create, 1 unchanged; the deployment would fail" in text
    assert "replace: b, aws:ec2/vpc:Vpc of network (cidrBlock)" in text
    assert "delete: c, aws:ec2/vpc:Vpc of network" in text
    assert "create: a" not in text


def test_violations_are_apart_from_advice_and_from_what_is_not_decidable() -> None:
    """Three things that must not be taken for one another have three lines."""
    text = as_text(SUMMARY)
    assert "policies: 1 critical; 1 advisory" in text
    assert "ML015 critical: eks: the endpoint is public." in text
    assert "ML038 medium, advice: vpc: a tag is missing." in text
    assert "ML027 is not decidable before `up`: acl is not known" in text


def test_a_pack_that_was_not_asked_is_no_pass() -> None:
    """Without policies the summary does not say that nothing was violated."""
    text = as_text(Summary("prod", "main", SUMMARY.stacks, None, None, policies=False))
    assert "policies: not asked" in text
    assert "no violation" not in text


def test_a_stack_that_was_not_looked_at_is_named() -> None:
    """Where the platform fails, the models on it are not previewed, which must not read as nothing to change."""
    found = replace(SUMMARY, left_out=("prod-models",))
    assert "prod-models: not previewed, because what it is built on fails" in as_text(found)
    assert "`prod-models` is not previewed" in as_markdown(found)


def test_the_bill_names_its_prices_and_what_it_lacks() -> None:
    """Region and day of the prices, the budget, and every resource without a price are said."""
    text = as_text(SUMMARY)
    assert "cost: 73 to 73 USD a month, above the budget of 50 USD with the fewest nodes already" in text
    assert "us-east-1, 2026-01; without what is paid by use" in text
    assert "EKS control plane: 73.00 (eks)" in text
    assert "not known: gpu: nodes, p9: no price of p9" in text


def test_what_a_rehearsal_finds_counts_like_what_the_preview_found() -> None:
    """A violation that only known values show is a violation; what the rehearsal could not decide is not told twice."""
    later = Finding("ML019", "medium", True, True, "eks", "1.20 is out of support.")
    rehearsal = Foreseen((), (later, FORESEEN.findings[2]), ("eks: refused",), ())
    report = StackReport("prod", FORESEEN, rehearsal, failed=True)
    assert report.findings == (*FORESEEN.findings, later)
    assert report.errors == ("eks: refused",)


def test_what_was_cut_short_is_neither_a_pass_nor_a_price() -> None:
    """After a refusal nothing more is foreseen: no violation, no cost and no change would all be made up."""
    refused = StackReport("prod", Foreseen((), (), ("gpu_type: got 'l5', expected l4",), ()), None, failed=True)
    found = replace(SUMMARY, stacks=(refused,))
    text = as_text(found)
    assert "prod: refused before anything was foreseen\n  error: gpu_type: got 'l5', expected l4" in text
    assert "policies: not everything was judged" in text
    assert text.endswith("cost: not known, because not everything was foreseen")
    assert "#### cost: not known" in as_markdown(found)
    assert as_document(found)["cost"] is None


def test_a_comment_begins_with_what_the_next_one_finds_it_by() -> None:
    """One environment, one comment: its first line is a mark; the changes are a table by part."""
    lines = as_markdown(SUMMARY).splitlines()
    assert lines[:2] == ["<!-- shipway-preview prod -->", "### Preview of `prod`: fails"]
    assert "| part | delete | replace | update | create |" in lines
    assert "| network | 1 | 1 |  | 1 |" in lines


def test_a_program_reads_the_same() -> None:
    """The document holds the counts, the steps without those that stay the same, the findings and the bill."""
    document = as_document(SUMMARY)
    stack = document["stacks"]["prod"]  # type: ignore[index]
    assert stack["changes"] == {"create": 1, "replace": 1, "delete": 1, "same": 1}
    assert [one["change"] for one in stack["steps"]] == ["create", "replace", "delete"]
    assert [one["stops"] for one in stack["findings"]] == [True, False, False]
    assert document["cost"]["unpriced"] == [{"resource": "gpu", "what": "nodes, p9", "why": "no price of p9"}]  # type: ignore[index]
