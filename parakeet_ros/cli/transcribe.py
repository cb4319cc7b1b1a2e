"""``parakeet-ros transcribe``: recordings to text, JSON, subtitles or CTM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from parakeet_ros import DEFAULT_MODEL
from parakeet_ros.cli.formats import FORMATS
from parakeet_ros.cli.inputs import find_inputs, Input, InputError
from parakeet_ros.cli.progress import Progress
from parakeet_ros.hotword_syntax import parse_hotword
from parakeet_ros.recording import duration_s, existing, STDIN
from parakeet_ros.whole_file import write_whole

if TYPE_CHECKING:
    from parakeet_ros.engine import DecodingOptions, Transcriber, Transcript

_ONE_FILE_FORMATS = ('srt', 'vtt')  # several in a row are no valid file


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        'transcribe',
        help='turn recordings into text',
        description='Transcribe recordings of any length, to standard output or to files. Reads '
                    'what libsndfile reads (WAV, FLAC, OGG, MP3, ...) and, where ffmpeg is '
                    'installed, the rest. A file that cannot be read is named on standard error, '
                    'and the others go on.',
        epilog='Exit status: 0 all transcribed, 1 some failed, 2 wrong usage, 130 interrupted, '
               '143 terminated.',
    )
    parser.add_argument('files', nargs='+', metavar='FILE',
                        help='a recording, a folder (the sound files in it and below), a quoted '
                             "pattern ('talks/**/*.flac'), or - for standard input")
    parser.add_argument('-m', '--model', default=DEFAULT_MODEL,
                        help='builtin, a .nemo file, a model folder, or org/name[@revision]; '
                             'default: %(default)s')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--dtype', default='auto',
                        help='number format of the encoder: auto, float32, float16, bfloat16 or '
                             'int8 (CPU only)')
    parser.add_argument('-f', '--format', choices=list(FORMATS), default='txt',
                        help='default: %(default)s; json has everything, one object per line')
    parser.add_argument('-o', '--output', type=Path, metavar='DIR',
                        help='write a file for each recording into this folder')
    parser.add_argument('--piece-s', type=float, default=30.0, metavar='SECONDS',
                        help='longer recordings are cut at pauses; default: %(default)g')
    parser.add_argument('--keep-silence', action='store_true',
                        help='decode the silence before and after the speech too, as NeMo would')
    parser.add_argument('--hotword', action='append', default=[], metavar='PHRASE[:WEIGHT]',
                        help='a name or word to prefer to what sounds like it; may be repeated')
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Transcribe all files; 1 if any of them failed."""
    try:
        inputs = find_inputs(options.files, to_files=options.output is not None)
    except InputError as error:
        options.usage_error(str(error))
    if len(inputs) > 1 and options.format in _ONE_FILE_FORMATS and not options.output:
        options.usage_error(f'several files as {options.format} need --output DIR')
    from parakeet_ros.engine import DecodingOptions, load_model
    from parakeet_ros.engine.long_form import MAX_PIECE_S, MIN_PIECE_S

    if not MIN_PIECE_S <= options.piece_s <= MAX_PIECE_S:
        options.usage_error(f'--piece-s is {options.piece_s:g}; give {MIN_PIECE_S:g} to '
                            f'{MAX_PIECE_S:g}')
    try:
        hotwords = [parse_hotword(text) for text in options.hotword]
    except ValueError as error:
        options.usage_error(f'--hotword: {error}')
    there = _existing(inputs)
    failed = [each.path for each in inputs if each not in there]
    if not there:
        return 1
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    model = load_model(options.model, options.device, options.dtype)
    decoding = DecodingOptions(hotwords=model.hotwords(hotwords) if hotwords else None)
    lengths = [None if each.path == STDIN else duration_s(each.path) for each in there]
    with Progress(lengths) as progress:
        for each in there:
            progress.begin_file(each.path)
            transcript, problem = _transcribe(model, each.path, options, decoding, progress)
            progress.clear()
            if transcript is not None:
                problem = _write(transcript, each, options)
            if problem:
                failed.append(each.path)
                sys.stderr.write(f'parakeet-ros: error: {problem}\n')
    if failed and len(inputs) > 1:
        sys.stderr.write(f'parakeet-ros: {len(failed)} of {len(inputs)} files failed: '
                         f'{", ".join(failed)}\n')
    return 1 if failed else 0


def _existing(inputs: Sequence[Input]) -> list[Input]:
    """Return those that are there, and name the others before a model is fetched for nothing."""
    there = []
    for each in inputs:
        try:
            if each.path != STDIN:
                existing(each.path)
            there.append(each)
        except (ValueError, OSError) as error:  # their messages name the file
            sys.stderr.write(f'parakeet-ros: error: {error}\n')
    return there


def _transcribe(
    model: Transcriber, path: str, options: argparse.Namespace, decoding: DecodingOptions,
    progress: Progress,
) -> tuple[Transcript | None, str]:
    """Return the transcript, or None and what is wrong with the file."""
    from parakeet_ros.engine.joining import join

    pieces = []
    try:
        for piece in model.stream(
            path, options=decoding, piece_s=options.piece_s, keep_silence=options.keep_silence
        ):
            pieces.append(piece)
            progress.add(piece.audio_s)
    except (ValueError, OSError) as error:  # their messages name the file
        return None, str(error)
    except RuntimeError as error:  # such as a device without memory: the next may be smaller
        return None, f'{path}: {error}'
    return join(pieces), ''


def _write(transcript: Transcript, source: Input, options: argparse.Namespace) -> str:
    """Write one result to standard output or its file; return why that file cannot be written."""
    text = FORMATS[options.format](transcript, source.path)
    if not options.output:
        many = len(options.files) > 1 or source.path != options.files[0]
        sys.stdout.write(f'{source.path}: {text}' if many and options.format == 'txt' else text)
        sys.stdout.flush()
        return ''
    try:
        write_whole(options.output / f'{source.output_stem}.{options.format}', text)
    except OSError as error:  # its message names the file
        return str(error)
    return ''
