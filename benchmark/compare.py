"""
This engine against others on the same weights: time, ratios, answers, and cold start.

Each peer runs in a process and Python environment of its own (`peer_worker.py`), on the same
number of threads. After one warm-up answer for each clip, the peers take turns, clip by clip and
round by round, so that whatever else the machine does meets them alike. Reported per clip:

- *CPU*: CPU time of all threads for one answer, median; *wall*: wall time, median.
- *of reference*: the median of the ratios to the reference peer in the same round, CPU time on a
  CPU, wall time on a GPU; below 1 is faster than the reference.
- *answer*: `same` where the token ids equal this engine's in float32 (the text, where a peer
  gives no ids), else the share of differing tokens or words (edit distance over their number).

*Cold start*: from the start of the process to its first answer, on the shortest clip, after the
model's files have been read once into the page cache; the median of some starts. This engine keeps
converted weights; its starts are told apart as *first* (one, which converts and keeps them), those
after it, and *not kept*, with that turned off. *peak*: the most resident memory of a process,
mapped files included, at the end of its start or of all rounds.

Peers' answers may differ by design. nano-parakeet follows NeMo before 2.5 (reflect padding, one
more frame, and a blank of duration 0 that it meets again); transformers knows no limit of tokens
on one frame and takes a duration's index for the duration; int8 and bf16 round. NeMo and
transformers in float32 should answer the same.

nano-parakeet and NeMo read the `.nemo` file itself; transformers and onnx-asr need it converted
(`convert_transformers.py`, `export_onnx.py`): name those folders with `--model-of`.

Prints tables and, as its last line, one JSON object; `--output` appends that line to a file.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
import statistics
import sys
import tempfile
from typing import Any

import numpy as np
from peer_worker import PEERS
from peers import OWN, Peer, Worker
from report import finish, machine, print_table
from speech import clip, read_speech, SPEECH
import torch

COLUMNS = {'peer': 'peer', 'clip_s': 'clip s', 'cpu_s': 'CPU s', 'wall_s': 'wall s',
           'ratio': 'of reference', 'answer': 'answer', 'tokens': 'tokens'}
START_COLUMNS = {'peer': 'peer', 'start_wall_s': 'cold start wall s',
                 'start_cpu_s': 'cold start CPU s', 'start_ratio': 'of reference',
                 'start_peak_mb': 'its peak MB', 'peak_mb': 'peak MB', 'version': 'version'}
# suffix of the label -> gigabytes of converted weights that this engine may keep
OWN_STARTS = {'': '8', ', not kept': '0'}


def time_rounds(workers: dict[str, Worker], clips: dict[float, Path],
                rounds: int, warm_up: int) -> dict[tuple[str, float], list[dict[str, Any]]]:
    """Let the peers take turns; the answers of each peer and clip, in order, after warm-up."""
    answers: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for turn in range(1 - warm_up, rounds + 1):
        for clip_s, audio in clips.items():
            for label, worker in workers.items():
                print(f'round {turn} of {rounds}: {label}, {clip_s:g} s', file=sys.stderr)
                answer = worker.ask(audio)
                if turn > 0:
                    answers.setdefault((label, clip_s), []).append(answer)
    return answers


def summarise(answers: dict[tuple[str, float], list[dict[str, Any]]], reference: str,
              clock: str) -> list[dict[str, Any]]:
    """Return one row for each peer and clip."""
    own = next(label for label, _ in answers if label.startswith(OWN))
    return [{
        'peer': label, 'clip_s': clip_s,
        'cpu_s': statistics.median(a['cpu_s'] for a in given),
        'wall_s': statistics.median(a['wall_s'] for a in given),
        'ratio': statistics.median(a[clock] / b[clock] for a, b in zip(
            given, answers[reference, clip_s], strict=True)),
        'answer': compare_answers(given[-1], answers[own, clip_s][-1]),
        'tokens': None if given[-1]['tokens'] is None else len(given[-1]['tokens']),
        'text': given[-1]['text'],
    } for (label, clip_s), given in sorted(answers.items(), key=lambda item: item[0][1])]


def compare_answers(answer: dict[str, Any], expected: dict[str, Any]) -> str:
    """Return `same`, or by how much the answer differs."""
    if answer['tokens'] is None:
        given, wanted = answer['text'].split(), expected['text'].split()
    else:
        given, wanted = answer['tokens'], expected['tokens']
    errors = edit_distance(given, wanted)
    return 'same' if not errors else f'{100 * errors / max(1, len(wanted)):.0f} % differ'


def edit_distance(given: Sequence[object], wanted: Sequence[object]) -> int:
    """Return the fewest items to insert, delete or replace to make the one the other."""
    row = list(range(len(wanted) + 1))
    for i, item in enumerate(given, start=1):
        corner, row[0] = row[0], i
        for j, other in enumerate(wanted, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (item != other))
    return row[-1]


def time_starts(peers: list[Peer], options: argparse.Namespace,
                audio: Path) -> list[dict[str, Any]]:
    """Start every peer some times, taking turns; one row for each."""
    starts: dict[str, list[dict[str, Any]]] = {}

    def start(label: str, peer: Peer, kept_gb: str) -> None:
        print(f'start {len(starts.get(label, [])) + 1}: {label}', file=sys.stderr)
        fill_page_cache(model_of(peer, options))
        with open_worker(peer, options, kept_gb) as worker:
            answer = worker.first_answer(audio)
            starts.setdefault(label, []).append({**answer, **worker.greeting})

    for peer in peers if options.starts else ():
        if peer.name == OWN:
            start(f'{peer.label}, first', peer, OWN_STARTS[''])
    for _ in range(options.starts):
        for peer in peers:
            for suffix, kept_gb in (OWN_STARTS if peer.name == OWN else {'': '0'}).items():
                start(peer.label + suffix, peer, kept_gb)
    reference = statistics.median(
        a['start_wall_s'] for a in starts.get(options.reference, [{'start_wall_s': 1.0}]))
    return [{'peer': label, 'version': given[0]['version'],
             'start_wall_s': statistics.median(a['start_wall_s'] for a in given),
             'start_cpu_s': statistics.median(a['process_cpu_s'] for a in given),
             'start_ratio': statistics.median(a['start_wall_s'] / reference for a in given),
             'start_peak_mb': max(a['peak_mb'] for a in given),
             'load_s': statistics.median(a['load_s'] for a in given)}
            for label, given in starts.items()]


def open_worker(peer: Peer, options: argparse.Namespace,
                kept_gb: str = OWN_STARTS['']) -> Worker:
    """Start a peer with the model in its own format; ours keeps converted weights apart."""
    variables = {'XDG_CACHE_HOME': options.kept, 'PARAKEET_ROS_CACHE_GB': kept_gb}
    return Worker(peer, model_of(peer, options), options.device, options.threads,
                  variables if peer.name == OWN else {})


def model_of(peer: Peer, options: argparse.Namespace) -> str:
    """Return the file or folder that a peer loads."""
    models = dict(text.split('=', 1) for text in options.model_of)
    model: str = models.get(peer.name, options.model)
    return model


def fill_page_cache(model: str) -> None:
    """Read the model's files once, so that every start finds them in memory."""
    path = Path(model)
    for file in filter(Path.is_file, [path, *path.rglob('*')]):
        with file.open('rb') as stream:
            while stream.read(1 << 24):
                pass


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='compare', description='This engine against others on the same weights.')
    parser.add_argument('model', help='a .nemo file, such as of make_checkpoint')
    parser.add_argument('--own', nargs='+', default=['float32'], metavar='DTYPE',
                        help='number formats of this engine to compare (default: float32)')
    parser.add_argument('--peer', action='append', default=[], type=Peer.parse,
                        metavar='NAME[:DTYPE]=PYTHON',
                        help=f'compare with one of {", ".join(PEERS)}, run by that Python')
    parser.add_argument('--model-of', action='append', default=[], metavar='NAME=PATH',
                        help='what this peer loads instead of the .nemo file')
    parser.add_argument('--reference', default=None, metavar='LABEL',
                        help='peer of the ratios, as NAME or NAME:DTYPE (default: the first)')
    parser.add_argument('--lengths', type=float, nargs='+', default=[3.0, 12.0], metavar='S',
                        help='clip lengths in seconds (default: 3 12)')
    parser.add_argument('--rounds', type=int, default=5,
                        help='0 for cold starts only (default: %(default)s)')
    parser.add_argument('--starts', type=int, default=3,
                        help='cold starts of each peer, 0 for none (default: %(default)s)')
    parser.add_argument('--threads', type=int, default=1, help='of each peer (default: 1)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--speech', type=Path, default=SPEECH, metavar='FILE',
                        help='recording to cut the clips from (default: one of the tests)')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args(arguments)
    if options.threads < 1 or min(options.rounds, options.starts) < 0:
        parser.error('give --threads of at least 1, --rounds and --starts of at least 0')
    if not all('=' in text for text in options.model_of):
        parser.error('--model-of: give NAME=PATH')
    return options


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """
    Time everything.

    :raises RuntimeError: a peer failed.
    :raises OSError: a file or a peer's Python is not there.
    """
    peers = [Peer(OWN, dtype, sys.executable) for dtype in options.own] + options.peer
    labels = [peer.label for peer in peers]
    options.reference = options.reference or (options.peer or peers)[0].label
    if options.reference not in labels:
        raise ValueError(f'--reference is {options.reference}; give one of {", ".join(labels)}')
    clock = 'wall_s' if options.device.startswith('cuda') else 'cpu_s'
    speech = read_speech(options.speech)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options.kept = str(folder)
        clips = {clip_s: folder / f'{clip_s:g}.npy' for clip_s in options.lengths}
        for clip_s, file in clips.items():
            np.save(file, clip(speech, clip_s))
        starts = time_starts(peers, options, clips[min(clips)])
        workers = {peer.label: stack.enter_context(open_worker(peer, options))
                   for peer in peers if options.rounds}
        # On a GPU this engine captures its graphs in the second.
        warm_up = 3 if options.device.startswith('cuda') else 1
        answers = time_rounds(workers, clips, options.rounds, warm_up)
        cases = summarise(answers, options.reference, clock) if options.rounds else []
        starts = starts or [{'peer': label, 'version': worker.greeting['version']}
                            for label, worker in workers.items()]
    for row in starts:
        if row['peer'] in workers:
            row['peak_mb'] = max(answers[row['peer'], clip_s][-1]['peak_mb'] for clip_s in clips)
    return {'benchmark': 'compare', 'model': Path(options.model).name, 'threads': options.threads,
            'rounds': options.rounds, 'reference': options.reference, 'ratio_of': clock,
            **machine(options.device if torch.cuda.is_available() else 'cpu'),
            'cases': cases, 'starts': starts}


def main(arguments: list[str] | None = None) -> int:
    """Compare, and print what came out."""
    options = parse_arguments(arguments)
    try:
        record = compare(options)
    except (ValueError, OSError, RuntimeError) as error:
        print(f'compare: {error}', file=sys.stderr)
        return 2
    print(f'{record["model"]} on {record["device"]}, {options.threads} thread(s); ratios of '
          f'{record["ratio_of"]} to {record["reference"]}\n')
    if record['cases']:
        print_table(record['cases'], COLUMNS)
        print()
    print_table(record['starts'], START_COLUMNS)
    finish(record, options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
