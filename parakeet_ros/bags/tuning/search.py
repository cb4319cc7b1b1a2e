"""The search for better settings: one parameter after the other, from the present ones on."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from parakeet_ros.audio import SegmenterConfig
from parakeet_ros.bags.tuning.score import Score, Weights

# What is tried of each parameter. Those not here are limits of memory (max_utterance_s), of the
# transport (max_gap_s), or of microphones that no bag of one microphone tells of (floor_min_db).
# onset_db and offset_db belong together: of each onset several offsets are tried.
TRIED: dict[str, tuple[float, ...]] = {
    'onset_db': (4.0, 5.0, 6.0, 7.0, 8.5, 10.0, 12.0, 15.0),
    'offset_db': (1.5, 2.5, 4.0, 5.5, 7.0, 9.0),
    'hangover_s': (0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    'min_speech_s': (0.05, 0.08, 0.12, 0.18, 0.25),
    'pre_roll_s': (0.1, 0.23, 0.35, 0.5),
    'post_roll_s': (0.1, 0.18, 0.25, 0.4),
    'floor_window_s': (1.0, 2.0, 4.0),
}
MAX_ROUNDS = 2
MIN_GAIN = 0.5  # of the cost: what is less is chance
THRESHOLDS = ('onset_db', 'offset_db')  # one change: either means little without the other


@dataclass(frozen=True)
class Trial:
    """A setting and what it came to."""

    config: SegmenterConfig
    score: Score
    cost: float


@dataclass(frozen=True)
class Outcome:
    """
    What the search has found.

    :param best: of those whose every change is worth `MIN_GAIN`; chance may have favoured others.
    :param trials: all of them, in the order in which they were made.
    """

    current: Trial
    best: Trial
    trials: tuple[Trial, ...]

    @property
    def is_better(self) -> bool:
        """Return whether the best is so much better than the present setting that it counts."""
        return self.current.cost - self.best.cost >= MIN_GAIN

    @property
    def lowest_cost(self) -> float:
        """Return the lowest cost of all trials, whatever they change."""
        return min(trial.cost for trial in self.trials)

    def pareto(self) -> list[Trial]:
        """Return what no other trial beats in everything, fewest word errors first."""
        kept: dict[tuple[float, ...], Trial] = {}
        for trial in self.trials:
            if not any(other.score.dominates(trial.score) for other in self.trials):
                kept.setdefault(trial.score.figures, trial)
        return sorted(kept.values(), key=lambda trial: (trial.score.errors.percent, trial.cost))


def search(
    current: SegmenterConfig,
    evaluate: Callable[[SegmenterConfig], Score],
    weights: Weights,
    tried: Callable[[Trial], None] = lambda trial: None,
) -> Outcome:
    """
    Change one parameter at a time, and keep what lowers the cost; again until nothing does.

    Then what is worth less than `MIN_GAIN` is put back, so that no change that is chance rides
    along with another's gain. The same recordings and settings give the same outcome. Of equals
    the earlier one stays, so that nothing is changed for nothing.

    :param evaluate: called once for each setting.
    :param tried: told of each trial.
    """
    trials: dict[SegmenterConfig, Trial] = {}

    def trial_of(config: SegmenterConfig) -> Trial:
        if config not in trials:
            score = evaluate(config)
            trials[config] = Trial(config, score, weights.cost(score))
            tried(trials[config])
        return trials[config]

    best = first = trial_of(current)
    for _ in range(MAX_ROUNDS):
        before = best
        for name in TRIED:
            for config in neighbours(best.config, name):
                trial = trial_of(config)
                if trial.cost < best.cost:
                    best = trial
        if best is before:
            break
    return Outcome(first, _without_chance(best, first, trial_of), tuple(trials.values()))


def _without_chance(best: Trial, first: Trial,
                    trial_of: Callable[[SegmenterConfig], Trial]) -> Trial:
    """Put back one change after the other, that of least worth first, while it is chance."""
    while fewer := [trial_of(config) for config in put_back(best.config, first.config)]:
        cheapest = min(fewer, key=lambda trial: trial.cost)
        if cheapest.cost - best.cost >= MIN_GAIN:
            break
        best = cheapest
    return best


def put_back(config: SegmenterConfig, present: SegmenterConfig) -> list[SegmenterConfig]:
    """Return the settings in which one change to the present ones is undone."""
    names = dict.fromkeys(THRESHOLDS if name in THRESHOLDS else (name,)
                          for name in changed(present, config))
    found = []
    for together in names:
        changes = {name: getattr(present, name) for name in together}
        if 'hangover_s' in changes:
            changes['post_roll_s'] = min(config.post_roll_s, present.hangover_s)
        try:
            found.append(replace(config, **changes))
        except ValueError:  # another change needs this one
            continue
    return found


def neighbours(config: SegmenterConfig, name: str) -> list[SegmenterConfig]:
    """Return the settings that differ in one parameter, and in those that it drags along."""
    found = []
    for value in TRIED[name]:
        changes = {name: value}
        if name == 'onset_db':  # the offset keeps its distance from the floor as a share
            share = config.offset_db / config.onset_db
            changes['offset_db'] = max(1.0, round(2 * value * share) / 2)
        if name == 'hangover_s':
            changes['post_roll_s'] = min(config.post_roll_s, value)
        try:
            other = replace(config, **changes)
        except ValueError:  # contradicts another parameter
            continue
        if other != config:
            found.append(other)
    return found


def changed(old: SegmenterConfig, new: SegmenterConfig) -> Sequence[str]:
    """Return the names of the parameters in which two settings differ."""
    return [each.name for each in fields(old)
            if getattr(old, each.name) != getattr(new, each.name)]
