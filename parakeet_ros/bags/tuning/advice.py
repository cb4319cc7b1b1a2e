"""The outcome of a search as a parameter file: the table as comments, then the settings."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from parakeet_ros.audio import SegmenterConfig
from parakeet_ros.bags.tuning.score import Weights
from parakeet_ros.bags.tuning.search import changed, MIN_GAIN, Outcome, Trial

MAX_LINES = 12  # of the table
FEW_WORDS = 200  # in the references; with fewer, chance decides


def as_yaml(outcome: Outcome, weights: Weights, has_times: bool) -> str:
    """
    Return a file that `params_file:=` takes: all settings of the detector, with what they gain.

    :param has_times: whether all references had times, which decides what a false start is.
    """
    chosen = outcome.best if outcome.is_better else outcome.current
    lines = [f'# {line}' if line else '#' for line in _comment(outcome, weights, has_times)]
    lines += ['# Put vad: into your own parameter file: this one holds no other settings.',
              '/**:', '  ros__parameters:', '    vad:']
    different = changed(outcome.current.config, chosen.config)
    for each in fields(SegmenterConfig):
        value = getattr(chosen.config, each.name)
        before = getattr(outcome.current.config, each.name)
        note = f'  # was {before}' if each.name in different else ''
        lines.append(f'      {each.name}: {float(value)}{note}')
    return '\n'.join(lines) + '\n'


def verdict(outcome: Outcome) -> str:
    """Say in one sentence what came of the search."""
    if not outcome.is_better:
        return ('Nothing is better than the present settings by more than chance: they cost '
                f'{outcome.current.cost:.1f}, the cheapest of {len(outcome.trials)} settings '
                f'{outcome.lowest_cost:.1f}.')
    return (f'The best of {len(outcome.trials)} settings lowers the cost from '
            f'{outcome.current.cost:.1f} to {outcome.best.cost:.1f}.')


def _comment(outcome: Outcome, weights: Weights, has_times: bool) -> Iterator[str]:
    words = outcome.current.score.errors.words
    yield verdict(outcome)
    yield f'A change that lowers it by less than {MIN_GAIN:g} is not made: that may be chance.'
    yield ''
    yield (f'cost = {weights.word:g} x word errors in percent + {weights.split:g} x splits in '
           'percent of the sentences')
    yield (f'     + {weights.false_start:g} x false starts a minute + {weights.wait:g} x mean '
           'wait in seconds, from the end of speech')
    yield '       to that of the utterance; the time of the engine comes on top of it, with every'
    yield '       setting.'
    if has_times:
        yield 'A false start is an utterance in which nobody spoke.'
        yield 'A split is an utterance more than one for what the references give as one.'
    else:
        yield 'Where references have no times, a false start is an utterance without words, and'
        yield 'splits are not seen: a pause within a sentence may end the utterance unnoticed.'
    if words < FEW_WORDS:
        yield f'Only {words} words were said: record more before you rely on this.'
    yield ''
    yield ('   cost  errors %   lost  wrong  invented  split  false/min  wait s  '
           'settings that differ from the present ones')
    shown = [outcome.current, *(trial for trial in outcome.pareto()
                                if trial is not outcome.current)]
    if outcome.best not in shown[:MAX_LINES]:
        shown = [shown[0], outcome.best, *(t for t in shown[1:] if t is not outcome.best)]
    for trial in shown[:MAX_LINES]:
        yield _line(trial, outcome)
    yield ''


def _line(trial: Trial, outcome: Outcome) -> str:
    score, errors = trial.score, trial.score.errors
    different = ', '.join(f'{name} {getattr(trial.config, name):g}'
                          for name in changed(outcome.current.config, trial.config))
    if trial is outcome.current:
        different = '(present)'
    if trial is outcome.best and outcome.is_better:
        different = f'<- {different}'
    split = score.splits if score.sentences else '-'
    return (f'{trial.cost:7.2f}  {errors.percent:8.2f}  {errors.lost:5}  {errors.wrong:5}  '
            f'{errors.invented:8}  {split:>5}  {score.false_per_minute:9.2f}  '
            f'{score.wait_s:6.3f}  {different}')
