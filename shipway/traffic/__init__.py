"""Real requests, their feature values and their labels, sent again in the order of their time.

A service brings its own in traffic.py, a module with two names:

    START           the event time of the first request where the caller names none, as ISO text
    events(start)   -> Iterable[Ask | Publish | Label], ordered by `at`, from the time `start` on

Feature values that were known before `start` come first, stamped with their own times. A service without a
traffic.py is sent its validation examples in order, `sampled.sampled_events`.
"""

__all__ = ["events", "publisher", "replay", "sampled", "summary", "thinning"]
