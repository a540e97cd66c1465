"""One round after the other: reads what is new in the logs of all models, joins it, counts it and judges it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, cast

from shipway.labels import records
from shipway.labels.join import Join, Label, Prediction
from shipway.labels.measures import Reading
from shipway.labels.quality import Assessment, assess
from shipway.labels.sample import Sample
from shipway.labels.verdicts import Verdicts, document
from shipway.labels.watched import Watched
from shipway.logs.sources import Source
from shipway.logs.tail import Piece, Place, Tail

__all__ = ["ASSESS_SECONDS", "Logs", "Output", "Rounds"]

# A model with new labels is judged this often: its intervals take milliseconds for each version and segment.
ASSESS_SECONDS = 10.0


class Logs(Protocol):
    """Where the logs of all models lie."""

    @property
    def missed(self) -> str:
        """Why the models could not be listed when they were last, empty when they were."""
        ...

    def models(self) -> list[str]:
        """Returns the models that have logs."""
        ...

    def source(self, model: str, skipped: Callable[[str], None]) -> Source:
        """Returns the logs of one model; `skipped` is told of each file that cannot be read."""
        ...

    def where(self, model: str) -> str:
        """Returns what to call a model's logs in a sentence."""
        ...


class Output(Protocol):
    """Keeps what is said of each model; of two processes that keep the same, the second notices."""

    def verdicts(self, model: str) -> Verdicts:
        """Returns the verdicts that are kept, to be added to; raises OSError when they cannot be had now."""
        ...

    def keep(self, model: str, quality: str) -> None:
        """Keeps what was added, and what the labels say as of now.

        Raises:
            FileExistsError: when another process has added to the verdicts since they were read.
            OSError: when it cannot be kept now.
        """
        ...

    def where(self, model: str) -> str:
        """Returns what to call the place in a sentence."""
        ...


@dataclass
class _Judged:
    """One model: what is remembered of it, and what was said of it last."""

    model: Watched
    tail: Tail
    sample: Sample
    verdicts: Verdicts
    replays: bool = False
    changed: bool = True
    judged_at_seconds: float = -math.inf
    assessment: Assessment | None = None


class Rounds:
    """Reads and joins, one round after the other; the first one reads all that lies there.

    Args:
        logs: where predictions and labels are.
        output: keeps what is said of each model.
        watched: returns model -> what its labels are judged by.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        logs: Logs,
        output: Output,
        watched: Callable[[], Mapping[str, Watched]],
        say: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._logs, self._output, self._watched, self._say, self._now = logs, output, watched, say, now
        self._join = Join()
        self._judged: dict[str, _Judged] = {}
        # model -> (kind, hour, segment) -> how many of its records the join has from a reader that is gone.
        self._joined: dict[str, dict[Place, int]] = {}
        self._unknown: set[str] = set()
        self._skipped_files = 0
        self._worked_seconds: float | None = None

    def round(self) -> Reading:
        """Returns what is known after reading what is new."""
        watched, models = self._watched(), sorted(self._logs.models())
        # Without what model.yaml says nothing could be judged; the records wait until there is one.
        taken = [self._take(watched[model]) for model in models if model in watched]
        for gone in self._judged.keys() - watched.keys():
            self._let_go(gone)
        unknown = set(models) - watched.keys()
        for model in sorted(unknown - self._unknown):
            self._say(f"{self._logs.where(model)}: no service has a model of this name, its labels are not counted")
        self._unknown = unknown
        # What could not be looked at may hold labels: only who has seen all of it has worked.
        if all(taken) and not self._logs.missed:
            self._worked_seconds = self._now()
        return Reading(
            worked_seconds=self._worked_seconds,
            counts=self._join.counts(),
            predictions_forgotten=self._join.predictions_forgotten,
            labels_forgotten=self._join.labels_forgotten,
            unusable=self._join.unusable,
            skipped_files=self._skipped_files,
            assessed={name: one.assessment for name, one in self._judged.items() if one.assessment},
        )

    def _take(self, model: Watched) -> bool:
        """Takes what is new of a model; returns whether all of it could be looked at."""
        judged = self._judged.get(model.name)
        if judged is None or _kept(judged.model) != _kept(model):
            try:
                verdicts = self._output.verdicts(model.name)
            except OSError as error:
                # Not known yet what was said before: the records wait.
                self._say(f"{self._output.where(model.name)}: cannot read what the labels said ({error})")
                return False
            if judged is not None:
                self._let_go(model.name)
            # What a sample keeps it takes as it is read, so that other segments or days mean reading it all again.
            source = self._logs.source(model.name, self._skip)
            tail, sample = Tail(source, records.columns(model.segments)), Sample(model.segments, model.days_kept)
            judged = self._judged[model.name] = _Judged(model, tail, sample, verdicts)
        judged.changed |= judged.model != model
        judged.model = model
        for piece in judged.tail.poll():
            judged.changed = True
            if _is_of_its_time(judged, piece):
                records.add(judged.sample, model.name, piece, model.segments)
            batch = records.batch(self._not_joined(model.name, piece))
            if batch and isinstance(batch[0], Label):
                self._join.add_labels(model.name, cast(list[Label], batch), model.wrong_beyond)
            else:
                self._join.add_predictions(model.name, cast(list[Prediction], batch), model.wrong_beyond)
        if judged.changed and self._now() - judged.judged_at_seconds >= ASSESS_SECONDS:
            self._assess(judged)
        return not judged.tail.missed

    def _assess(self, judged: _Judged) -> None:
        judged.changed, judged.judged_at_seconds = False, self._now()
        assessment = judged.assessment = assess(judged.model, judged.sample)
        now = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
        try:
            judged.verdicts.add(judged.model, assessment, now)
            self._output.keep(judged.model.name, json.dumps(shown(judged.model, assessment, now)))
        except OSError as error:
            # A full disk is no reason to stop counting: the next assessment writes what this one could not.
            judged.changed = True
            self._say(f"{self._output.where(judged.model.name)}: cannot write what the labels say ({error})")
            if isinstance(error, FileExistsError):
                # Theirs is what counts: this process begins again after it.
                self._let_go(judged.model.name)

    def _let_go(self, model: str) -> None:
        """Forgets a model, but not how far its logs are joined: the join forgets the ids of what it has counted."""
        self._joined[model] = {**self._joined.get(model, {}), **self._judged.pop(model).tail.places()}

    def _not_joined(self, model: str, piece: Piece) -> Piece:
        """Returns what of a piece the join has not taken from an earlier reader of the same logs."""
        known, place = self._joined.get(model, {}), piece.place
        joined = known.get(place, 0)
        if piece.records >= joined:
            known.pop(place, None)
        return records.after(piece, joined)

    def _skip(self, sentence: str) -> None:
        self._skipped_files += 1
        self._say(sentence)


def _is_of_its_time(judged: _Judged, piece: Piece) -> bool:
    """Returns whether quality is measured on a piece: not on predictions of the present where the past is replayed.

    A single one of them would else be the newest day, and all that is replayed too old to be kept.
    """
    if piece.kind == "predictions" and piece.replayed and not judged.replays:
        judged.replays = True
        judged.sample.begin_again()
    return piece.kind == "labels" or piece.replayed or not judged.replays


def _kept(model: Watched) -> tuple[tuple[str, ...], int]:
    """Returns what the sample of a model keeps."""
    return model.segments, model.days_kept


def shown(model: Watched, assessment: Assessment, now: str) -> Mapping[str, object]:
    """Returns the content of quality.json: what `shipway labels` shows."""
    return {
        "time": now,
        "model": model.name,
        "event_time": datetime.fromtimestamp(assessment.newest_seconds, UTC).isoformat(timespec="seconds"),
        "threshold": model.drop_ratio,
        "sampled_ratio": assessment.sampled_ratio,
        "coverage": {
            version: {"labelled": one.labelled, "due": one.due} for version, one in assessment.coverage.items()
        },
        "quality": [document(model.name, one) for one in assessment.quality],
    }
