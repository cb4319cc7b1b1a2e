"""
What hotwords gain and what they cost, by weight, on recordings with known texts.

Each condition is the short recordings of a folder as they are, or with white noise at a
signal-to-noise ratio, fixed seed.  Two kinds of lists are tried, one list at a time:

*Listed*: the rare content words of the recordings (said once or twice in all), in lists of about
ten.  Recall: of the times that a listed word is said, the share that is written.  False: times
that a listed word is written and was not said.  WER: its change, in percentage points of the
reference words, against no hotwords, mean over the lists.

*Absent*: 50 words of the model's grammar that nobody says.  WER: its change, mean over as many
lists as there are.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
Needs jiwer: run `scripts/setup --dev` and use its `.venv/bin/python`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.engine import DecodingOptions, load_model, Transcriber
from parakeet_ros.training.grammar import load_grammar
from report import finish, machine
import soundfile

try:
    import jiwer
except ModuleNotFoundError:
    sys.exit('bench_hotwords: jiwer is missing; install it with: pip install jiwer')

ROOT = Path(__file__).parents[1]
HELDOUT = ROOT / 'test' / 'data' / 'heldout'
GRAMMAR = ROOT / 'training' / 'grammars' / 'commands.yaml'
SNR_DB = (None, 10.0, 5.0)
N_LISTS = 7  # of listed words
N_ABSENT = 50
COMMON = set(  # function words and numbers: nobody lists them
    'a the is in of to on and by from my your me you can do there this that zero one two three '
    'four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen '
    'eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred'.split())


@dataclass(frozen=True)
class Condition:
    """The recordings under one noise level, and what is heard without hotwords."""

    name: str
    waveforms: list[NDArray[np.float32]]
    said: list[str]
    heard: list[str]


def read_recordings() -> tuple[list[NDArray[np.float32]], list[str]]:
    """Return the short held-out recordings and their texts."""
    lines = (HELDOUT / 'manifest.jsonl').read_text('utf-8').splitlines()
    entries = [entry for entry in map(json.loads, lines) if 'commands' not in entry]
    waveforms = [soundfile.read(HELDOUT / e['path'], dtype='float32')[0] for e in entries]
    return waveforms, [entry['text'] for entry in entries]


def conditions(engine: Transcriber) -> Iterator[Condition]:
    """Yield each noise level."""
    clean, said = read_recordings()
    rng = np.random.default_rng(0)
    for snr_db in SNR_DB:
        waveforms = clean if snr_db is None else [add_noise(w, snr_db, rng) for w in clean]
        name = 'clean' if snr_db is None else f'{snr_db:g} dB'
        yield Condition(name, waveforms, said, decode(engine, waveforms))


def add_noise(
    waveform: NDArray[np.float32], snr_db: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Add white noise to a whole recording."""
    scale = np.sqrt(np.mean(waveform ** 2)) * 10.0 ** (-snr_db / 20.0)
    return (waveform + scale * rng.normal(size=len(waveform))).astype(np.float32)


def decode(engine: Transcriber, waveforms: list[NDArray[np.float32]],
           words: Sequence[str] = (), weight: float = 1.0) -> list[str]:
    """Transcribe with some hotwords of one weight."""
    hotwords = engine.hotwords([(word, weight) for word in words]) if words else None
    options = DecodingOptions(hotwords=hotwords)
    return [transcript.text for transcript in engine.transcribe(waveforms, options=options)]


def choose_lists() -> tuple[list[list[str]], list[list[str]]]:
    """Return the lists of rare words that are said and of words that are not."""
    vocabulary = [word for word in load_grammar(GRAMMAR).vocabulary() if word not in COMMON]
    counts = Counter(word for said in read_recordings()[1] for word in said.split())
    rare = [word for word in vocabulary if 1 <= counts[word] <= 2]
    absent = [word for word in vocabulary if not counts[word]]
    return ([rare[i::N_LISTS] for i in range(N_LISTS)],
            [absent[i::len(absent) // N_ABSENT][:N_ABSENT]
             for i in range(len(absent) // N_ABSENT)])


def wer_percent(condition: Condition, heard: list[str]) -> float:
    """Return word errors in percent of the words said."""
    return float(100.0 * jiwer.wer(condition.said, heard))


def occurrences(condition: Condition, heard: list[str], words: Sequence[str]) -> Counter[str]:
    """Count how often listed words are said, written where they were said, and written falsely."""
    totals: Counter[str] = Counter()
    for said, written in zip(condition.said, heard, strict=True):
        for word in words:
            n_said, n_written = said.split().count(word), written.split().count(word)
            totals.update(said=n_said, right=min(n_said, n_written),
                          false=max(0, n_written - n_said))
    return totals


def measure(engine: Transcriber, condition: Condition, weight: float) -> dict[str, Any]:
    """Try every list at one weight; weight 0 is no hotwords."""
    rare, absent = choose_lists()
    totals: Counter[str] = Counter()
    changes: dict[str, list[float]] = {'listed': [], 'absent': []}
    baseline = wer_percent(condition, condition.heard)
    for kind, lists in (('listed', rare), ('absent', absent)):
        for words in lists:
            heard = (decode(engine, condition.waveforms, words, weight) if weight
                     else condition.heard)
            changes[kind].append(wer_percent(condition, heard) - baseline)
            if kind == 'listed':
                totals.update(occurrences(condition, heard, words))
    return {'condition': condition.name, 'weight': weight, 'baseline_wer_percent':
            round(baseline, 2), 'said': totals['said'], 'right': totals['right'],
            'false': totals['false'],
            'wer_change_listed': round(float(np.mean(changes['listed'])), 2),
            'wer_change_absent': round(float(np.mean(changes['absent'])), 2)}


def print_row(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    print(f'{row["condition"]:<10}{row["weight"]:>7g}'
          f'{row["right"]:>10} of {row["said"]}{row["false"]:>8}'
          f'{row["wer_change_listed"]:>+13.2f}{row["wer_change_absent"]:>+13.2f}', flush=True)


def main() -> int:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(prog='bench_hotwords', description=(
        'What hotwords gain and cost by weight, on the held-out recordings.'))
    parser.add_argument('--weights', type=float, nargs='+', default=[1.0, 2.0, 3.0, 4.0, 6.0],
                        metavar='W', help='to try, each above 0')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args()
    try:
        engine = load_model('builtin', device=options.device)
        print(f'{"audio":<10}{"weight":>7}{"recall":>16}{"false":>8}{"WER listed":>13}'
              f'{"WER absent":>13}')
        rows = []
        for condition in conditions(engine):
            for weight in [0.0, *options.weights]:
                rows.append(measure(engine, condition, weight))
                print_row(rows[-1])
    except (ValueError, OSError) as error:
        print(f'bench_hotwords: {error}', file=sys.stderr)
        return 2
    finish({'benchmark': 'hotwords', 'model': engine.name, **machine(engine.device), 'rows': rows},
           options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
