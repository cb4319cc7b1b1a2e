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

    :param trials: all of them, in the order in which they were made.
    """

    current: Trial
    best: Trial
    trials: tuple[Trial, ...]

    @property
    def is_better(self) -> bool:
        """Return whether the best is so much better than the present setting that it counts."""
        return self.current.cost - self.best.cost >= MIN_GAIN

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

    The same recordings and settings give the same outcome. Of equals the earlier one stays, so
    that nothing is changed for nothing.

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
    return Outcome(first, best, tuple(trials.values()))


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
