"""What the retraining of one model remembers and reads on a cluster: objects below `workers/` of the object store.

What is remembered is one object, written over what was read or written last and over nothing else, so of two jobs at
once, as when a node is lost, the second one to write is refused.
"""

from collections.abc import Callable

from shipway.contract.documents import Spec, parse, parse_json
from shipway.contract.metrics import DRIFT_JOB, LABELS_JOB, RETRAINING_JOB
from shipway.contract.retraining import RetrainingSpec
from shipway.objects.kept import KeptObject
from shipway.objects.storage import ObjectStorage
from shipway.retraining.memory import Memory
from shipway.retraining.outcome import Outcome
from shipway.retraining.schedule import with_verdicts
from shipway.retraining.verdicts import read_added

__all__ = ["STATE", "StoredModel", "StoredState", "parse_state"]

# Below a model's folder: what is remembered, and what each run said.
STATE, _RUNS = "state.json", "runs"
# Where the workers write their verdicts, below a model's folder of theirs.
_DRIFT, _QUALITY = "verdicts.jsonl", "quality.jsonl"


class StoredState(Spec):
    """The object: what is remembered, and the rule by which whoever wrote it decided."""

    rule: RetrainingSpec
    memory: Memory = Memory()


def parse_state(content: bytes, where: str) -> StoredState:
    """Returns what the object at `where` says; raises SpecError when it is damaged: a guess could repeat a run."""
    return parse(StoredState, parse_json(content, where), where)


class StoredModel:
    """One model's memory, verdicts and outcomes.

    Args:
        state: the folder of every worker's, such as s3://bucket/workers.
        model: its name.
        rule: what model.yaml says now.
        say: called with one sentence for each line that is no verdict.
        endpoint_url: of a store that is not AWS's; by default what the environment's variables say.
    """

    def __init__(
        self,
        state: str,
        model: str,
        rule: RetrainingSpec,
        say: Callable[[str], None],
        endpoint_url: str | None = None,
    ) -> None:
        def folder(job: str) -> ObjectStorage:
            return ObjectStorage(f"{state}/{job}/{model}", endpoint_url=endpoint_url)

        self._own, self._rule, self._say = folder(RETRAINING_JOB), rule, say
        self._state = KeptObject(self._own, STATE)
        self._drift, self._quality = KeptObject(folder(DRIFT_JOB), _DRIFT), KeptObject(folder(LABELS_JOB), _QUALITY)

    def read(self) -> Memory:
        """Returns what is remembered with the verdicts that are new; nothing is written yet.

        Raises:
            SpecError: when what is remembered is damaged.
            OSError: when the store does not answer.
        """
        content = self._state.fetch()
        memory = parse_state(content, self._state.where).memory if content else Memory()
        drift, place = read_added(self._drift.fetch(), self._drift.where, memory.drift, accuracy=False, say=self._say)
        quality, other = read_added(
            self._quality.fetch(), self._quality.where, memory.quality, accuracy=True, say=self._say
        )
        memory = with_verdicts(self._rule, memory, [*drift, *quality])
        return memory.model_copy(update={"drift": place, "quality": other})

    def keep(self, memory: Memory) -> None:
        """Writes what is remembered.

        Raises:
            FileExistsError: when another job has written it since it was read.
            OSError: when the store does not answer.
        """
        self._state.keep(f"{StoredState(rule=self._rule, memory=memory).model_dump_json(indent=1)}\n".encode())

    def check(self) -> None:
        """Makes sure that of two jobs the store refuses the second one to write; raises Fatal when it does not."""
        self._own.check_replacing()

    def tell(self, outcome: Outcome) -> None:
        """Writes what a run said, for people."""
        self._own.write(f"{_RUNS}/{outcome.run}.json", f"{outcome.model_dump_json(indent=1)}\n".encode())
