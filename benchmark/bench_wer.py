"""
Word error rate and speed of a model on recordings with known texts.

Every recording is decoded twice. *Whole*: the file as it is, in one piece. *Segmented*: the
recordings are joined as `audio_player` joins them (1 s of faint noise after each), given to the
audio stream in messages of 20 ms as the node gets them, and cut by its segmenter with default
settings; an utterance belongs to the reference that is nearest in time, so that every word counts,
and what was said in a recording is compared with all the utterances that belong to it.

Short recordings have one reference each. Long ones, those with `commands` in the manifest, are a
set of their own: whole they are compared with their text, segmented with each of their commands.

WER: word errors (substituted, lost, inserted) in percent of the reference words of the set.
Sentences: references whose text is exactly right. RTFx: seconds of audio given to the engine per
second that it took, features to text, without reading, resampling or segmenting; higher is better.
One warm-up, then each recording alone, three times in a row, of which the median time counts.

`--silence` decodes the short ones once more with 0 to 2 s of silence before them, digital or a
noise of -70 dBFS, kept as it is and left out as `Transcriber.stream` does; steps of 10 ms up to an
encoder frame, 80 ms, show how far the WER moves by the phase of the frames alone.

Prints a table and, as its last line, one JSON object; `--output` appends that line to a file.
Needs jiwer, and ROS 2 for the player: run `scripts/setup --dev` and use its `.venv/bin/python`.
"""

import argparse
from dataclasses import dataclass, field
from datetime import datetime, timezone
import json
from pathlib import Path
import platform
from statistics import median
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.audio import AudioFormat, AudioStream, Resampler
from parakeet_ros.engine import load_model, Transcriber
from parakeet_ros.player import assemble
from parakeet_ros.recording import read_audio
from report import device_name, finish
import torch

try:
    import jiwer
    from silence import print_silence, silence_rows
except ModuleNotFoundError:
    sys.exit('bench_wer: jiwer is missing; install it with: pip install jiwer')

HELDOUT = Path(__file__).parents[1] / 'test' / 'data' / 'heldout'
GAP_S = 1.0  # between recordings, the player's default
CHUNK_S = 0.02
PASSES = 3  # so that what else runs on the machine shows less


@dataclass(frozen=True)
class Reference:
    """What was said, and when, in seconds from the start of the recording or the joined audio."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Recording:
    """A line of the manifest; `commands` is empty where the whole is one sentence."""

    file: Path
    text: str
    commands: tuple[Reference, ...]


@dataclass
class Tally:
    """What was said and what was heard instead."""

    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    audio_s: float = 0.0
    engine_s: float = 0.0

    def decode(self, engine: Transcriber, waveform: NDArray[np.float32]) -> str:
        """Return the text, and count the engine's time."""
        transcripts = [engine.transcribe(waveform) for _ in range(PASSES)]
        self.audio_s += transcripts[0].audio_s
        self.engine_s += median(t.timings.total_ms for t in transcripts) / 1e3
        return transcripts[0].text

    def summary(self) -> dict[str, float]:
        """Return the figures, as the table and the JSON line have them."""
        right = sum(said == heard for said, heard in zip(self.said, self.heard, strict=True))
        return {'references': len(self.said), 'seconds': round(self.audio_s, 1),
                'wer_percent': round(100 * jiwer.wer(self.said, self.heard), 2),
                'sentences_right': right, 'rtfx': round(self.audio_s / self.engine_s, 1)}


def read_manifest(folder: Path) -> list[Recording]:
    """
    Read `manifest.jsonl`: `path`, `text` and, in long recordings, `commands` on each line.

    :raises OSError: if there is none.
    :raises ValueError: if a line is not as described.
    """
    recordings = []
    for number, line in enumerate((folder / 'manifest.jsonl').read_text('utf-8').splitlines(), 1):
        try:
            entry = json.loads(line)
            commands = tuple(Reference(c['text'], c['start'], c['end'])
                             for c in entry.get('commands', ()))
            recordings.append(Recording(folder / entry['path'], entry['text'], commands))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f'{folder}/manifest.jsonl, line {number}: {error!r}; give path, text and, where '
                'there are commands, text, start and end of each') from None
    return recordings


def read_waveform(recording: Recording) -> NDArray[np.float32]:
    """Return the whole file, mono, 16 kHz."""
    samples, sample_rate = read_audio(recording.file)
    mono = samples.mean(axis=1, dtype=np.float32)
    return Resampler(sample_rate).process(mono, last=True)


def decode_whole(engine: Transcriber, recordings: list[Recording]) -> Tally:
    """Decode each file in one piece."""
    tally = Tally()
    for recording in recordings:
        tally.said.append(recording.text)
        tally.heard.append(tally.decode(engine, read_waveform(recording)))
    return tally


def references_of(recordings: list[Recording]) -> list[Reference]:
    """Place what was said on the time line of the joined recordings."""
    references, start_s = [], 0.0
    for recording in recordings:
        samples, sample_rate = read_audio(recording.file)
        end_s = start_s + len(samples) / sample_rate
        references += ([Reference(c.text, start_s + c.start_s, start_s + c.end_s)
                        for c in recording.commands]
                       or [Reference(recording.text, start_s, end_s)])
        start_s = end_s + GAP_S
    return references


def decode_segmented(engine: Transcriber, recordings: list[Recording]) -> Tally:
    """Join the recordings, cut them as the node does, and decode the utterances."""
    joined, sample_rate = assemble([recording.file for recording in recordings], GAP_S)
    references = references_of(recordings)
    heard: list[list[str]] = [[] for _ in references]
    tally = Tally(said=[reference.text for reference in references])
    for middle_s, waveform in utterances(joined, sample_rate):
        away_s = [max(r.start_s - middle_s, middle_s - r.end_s) for r in references]
        heard[int(np.argmin(away_s))].append(tally.decode(engine, waveform))
    tally.heard = [' '.join(filter(None, texts)) for texts in heard]
    return tally


def utterances(joined: NDArray[np.float32],
               sample_rate: int) -> list[tuple[float, NDArray[np.float32]]]:
    """Return the middle of the speech, in seconds, and the waveform of each utterance."""
    stream = AudioStream(AudioFormat(sample_rate, joined.shape[1], 'S16LE'))
    samples = np.round(np.clip(joined, -1, 1) * 32_767).astype('<i2')
    chunk, found = round(CHUNK_S * sample_rate), []
    for start in range(0, len(samples), chunk):
        stamp_ns = start * 1_000_000_000 // sample_rate
        found += stream.push(samples[start:start + chunk].tobytes(), stamp_ns)
    return [((u.speech_start_ns + u.speech_end_ns) / 2e9, u.waveform)
            for u in found + stream.flush()]


def environment(engine: Transcriber) -> dict[str, Any]:
    """Name what the figures depend on."""
    return {'model': engine.name, 'device': device_name(engine.device),
            'dtype': str(engine.dtype).removeprefix('torch.'),
            'threads': torch.get_num_threads(), 'torch': torch.__version__,
            'numpy': np.__version__, 'python': platform.python_version(),
            'date': datetime.now(timezone.utc).strftime('%Y-%m-%d')}


def print_table(record: dict[str, Any]) -> None:
    """Print the figures for people."""
    print(f'{record["model"]} on {record["device"]}, {record["dtype"]}, '
          f'{record["threads"]} thread(s), torch {record["torch"]}, numpy {record["numpy"]}, '
          f'Python {record["python"]}\n')
    print(f'{"recordings":<12}{"decoded":<11}{"clips":>6}{"audio s":>9}{"WER %":>8}'
          f'{"sentences right":>17}{"RTFx":>8}')
    for kind, clips in record['clips'].items():
        for way in ('whole', 'segmented'):
            f = record[f'{kind}_{way}']
            right = f'{f["sentences_right"]} of {f["references"]}'
            print(f'{kind:<12}{way:<11}{clips:>6}{f["seconds"]:>9.1f}{f["wer_percent"]:>8.2f}'
                  f'{right:>17}{f["rtfx"]:>8.1f}')
    print()


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='bench_wer', description='Word error rate and speed on recordings with known texts.')
    parser.add_argument('folder', nargs='?', type=Path, default=HELDOUT,
                        help='holds manifest.jsonl and the recordings; the held-out clips without')
    parser.add_argument('--model', default='builtin', help='a .nemo file, or builtin')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--dtype', default='auto', help='auto, float32, float16 or bfloat16')
    parser.add_argument('--threads', type=int, metavar='N',
                        help="of the CPU; torch's default without")
    parser.add_argument('--silence', action='store_true',
                        help='also with 0 to 2 s of silence before the short recordings')
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    options = parser.parse_args()
    if options.threads is not None and not 1 <= options.threads <= 1024:
        parser.error(f'--threads is {options.threads}; give 1 to 1024')
    return options


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """
    Decode everything both ways.

    :raises ValueError: for a model, device or recording that cannot be used, naming it.
    :raises OSError: for a file that is not there.
    """
    recordings = read_manifest(options.folder)
    if options.threads:
        torch.set_num_threads(options.threads)
    engine = load_model(options.model, device=options.device, dtype=options.dtype)
    engine.warm_up()
    record: dict[str, Any] = {'benchmark': 'wer', **environment(engine),
                              'threads_set': bool(options.threads), 'clips': {}}
    for kind in ('short', 'long'):
        chosen = [r for r in recordings if bool(r.commands) == (kind == 'long')]
        if chosen:
            record['clips'][kind] = len(chosen)
            record[f'{kind}_whole'] = decode_whole(engine, chosen).summary()
            record[f'{kind}_segmented'] = decode_segmented(engine, chosen).summary()
        if chosen and kind == 'short' and options.silence:
            record['silence'] = silence_rows(engine, [read_waveform(r) for r in chosen],
                                             [r.text for r in chosen])
    return record


def main() -> int:
    """Measure, and print what came out."""
    options = parse_arguments()
    try:
        record = measure(options)
    except (ValueError, OSError) as error:
        print(f'bench_wer: {error}', file=sys.stderr)
        return 2
    print_table(record)
    if 'silence' in record:
        print_silence(record['silence'])
    finish(record, options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
