"""How far the predictions of two slots differ at least: a lower bound on total variation, valid at every look.

The total variation of P (candidate) and Q (live) over the bins is the greatest P(A) - Q(A) of any set of bins A. Each
batch i of predictions is compared on a set A_i that earlier batches chose: the bins where the candidate had the greater
share. With n_c and n_l predictions in the batch, D_i the difference of the two shares in A_i, and
m_i = n_c n_l / (n_c + n_l), Hoeffding's lemma says that for every lambda

    E exp(lambda m_i (D_i - TV_i)) <= exp(lambda^2 m_i / 8) ,

so S = sum m_i D_i is sub-Gaussian with variance V = sum m_i / 4 around at most sum m_i TV_i. Mixing over lambda > 0
with a half-normal of precision rho gives the supermartingale

    M(s, v) = 2 sqrt(rho / (v + rho)) exp(s^2 / (2 (v + rho))) Phi(s / sqrt(v + rho))

(the one-sided normal mixture of Howard, Ramdas, McAuliffe & Sekhon, Annals of Statistics 2021, arXiv 1810.08240,
proposition 6). With s* where M(s*, V) = 1 / alpha, (S - s*) / sum m_i is ever greater than the mean total variation of
the batches with a probability of at most alpha. No union over the 2^20 sets is paid for, because A_i is chosen before
its batch is seen.
"""

import math
from collections.abc import Sequence
from operator import add

from shipway.contract.evidence import ShiftState
from shipway.contract.metrics import PREDICTION_BINS

__all__ = ["add_predictions", "exceeds", "shift_estimate", "shift_lower_bound"]

# A batch is closed when both slots have this many predictions: small enough to learn A early at a weight of 1 %,
# large enough that looks with one prediction each do not waste most of them.
BATCH_PREDICTIONS = 10
# Makes the bound tightest near V = 100: about 400 predictions of the candidate, when a shift twice the default shows.
_PRECISION = 10.0
_ROUNDS = 4
_NOTHING_OPEN = (0,) * PREDICTION_BINS


def add_predictions(state: ShiftState, candidate: Sequence[int], live: Sequence[int]) -> ShiftState:
    """Returns the state after predictions by bin of both slots; a batch enters when it is large enough."""
    if not any(candidate) and not any(live):
        return state
    open_candidate = _sum(state.open_candidate, candidate)
    open_live = _sum(state.open_live, live)
    candidate_total, live_total = sum(open_candidate), sum(open_live)
    if min(candidate_total, live_total) < BATCH_PREDICTIONS:
        return state.changed(open_candidate=open_candidate, open_live=open_live)
    chosen = _chosen(state.candidate, state.live)
    difference = size = 0.0
    if chosen:
        size = candidate_total * live_total / (candidate_total + live_total)
        difference = _share(open_candidate, chosen) - _share(open_live, chosen)
    return state.changed(
        candidate=_sum(state.candidate, open_candidate),
        live=_sum(state.live, open_live),
        open_candidate=_NOTHING_OPEN,
        open_live=_NOTHING_OPEN,
        weighted_difference=state.weighted_difference + size * difference,
        size=state.size + size,
    )


def _sum(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    if len(left) != len(right):
        raise ValueError(f"{len(right)} bins: expected {len(left)}, as many as before")
    return tuple(map(add, left, right))


def _chosen(candidate: Sequence[int], live: Sequence[int]) -> list[int]:
    candidate_total, live_total = sum(candidate), sum(live)
    return [
        number
        for number, (one, other) in enumerate(zip(candidate, live, strict=True))
        if one * live_total > other * candidate_total
    ]


def _share(bins: Sequence[int], chosen: list[int]) -> float:
    return sum([bins[number] for number in chosen]) / sum(bins)


def shift_lower_bound(state: ShiftState, alpha: float) -> float:
    """Returns the least total variation compatible with what was seen, 0 before there is evidence.

    >>> half = ShiftState(weighted_difference=250.0, size=500.0)
    >>> round(shift_lower_bound(half, 0.01), 4)
    0.425

    Args:
        state: what was seen.
        alpha: the probability with which the bound may ever exceed the truth.
    """
    if not state.size:
        return 0.0
    spread = state.size / 4 + _PRECISION
    needed = 0.5 * math.log(spread / _PRECISION) - math.log(alpha)
    # M(s, V) = 1 / alpha as a fixed point: Phi is nearly 1 there, so it is reached at once. Every second round lies
    # above the root, which makes the bound the lower one; the start, Phi = 1/2, is such a round.
    s = math.sqrt(2 * spread * needed)
    for _ in range(_ROUNDS):
        s = math.sqrt(2 * spread * max(0.0, needed - math.log(math.erfc(-s / math.sqrt(2 * spread)))))
    return max(0.0, (state.weighted_difference - s) / state.size)


def exceeds(state: ShiftState, alpha: float, allowed_ratio: float) -> bool:
    """Returns whether the lower bound is above `allowed_ratio`; it never is while the mean difference is not."""
    if state.weighted_difference <= allowed_ratio * state.size:
        return False
    return shift_lower_bound(state, alpha) > allowed_ratio


def shift_estimate(state: ShiftState) -> float:
    """Returns the total variation of the two observed distributions, to show; it is biased upward and decides nothing.

    >>> shift_estimate(ShiftState())
    0.0
    """
    candidate, live = _sum(state.candidate, state.open_candidate), _sum(state.live, state.open_live)
    if not (sum(candidate) and sum(live)):
        return 0.0
    pairs = zip(candidate, live, strict=True)
    return sum(abs(one / sum(candidate) - other / sum(live)) for one, other in pairs) / 2
