"""
What less exact number formats change: encoder error and differing tokens against float32.

The packaged model hears its 54 short held-out clips, each random-weight checkpoint of the NeMo
oracle nine inputs. Random weights make near-ties that training would not leave, and a decoder that
runs on from a flipped one: their shares are an upper bound, the packaged model's are what counts.

Error: norm of the difference of the encoder output over the norm of the output, the median of all
inputs, in parts per thousand. Texts, tokens: inputs whose text or whose token ids differ. Token
edits: tokens to change, insert or delete, in percent of the float32 tokens.

Runs on the CPU, whose kernels round as its instructions do. bfloat16 and int8 are for large layers
only, of which these small models have few or none: `--all-layers` rounds all, so that their effect
on a trained model can be seen. Prints a table and, as its last line, one JSON object; `--output`
appends that line to a file.
"""

import argparse
from collections.abc import Iterator
from datetime import datetime, timezone
from difflib import SequenceMatcher
import json
from pathlib import Path
import platform
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from parakeet_ros.engine import linear, load_model, Transcriber, Transcript
import soundfile
import torch

DATA = Path(__file__).parents[1] / 'test' / 'data'
DTYPES = ('float16', 'bfloat16', 'int8')
# Name -> source and head.
MODELS = {
    'builtin': ('builtin', 'auto'),
    **{name: (str(DATA / 'oracle' / f'{name}.nemo'), 'auto')
       for name in ('tiny', 'tinyb', 'deep', 'hybrid', 'rnnt', 'ctc')},
    'hybrid (ctc)': (str(DATA / 'oracle' / 'hybrid.nemo'), 'ctc'),
}


def main() -> None:
    """Compare every model in every number format."""
    parser = argparse.ArgumentParser(description='What less exact number formats change')
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--output', type=Path, metavar='FILE', help='append the JSON line to it')
    parser.add_argument('--all-layers', action='store_true', help='round small layers, too')
    options = parser.parse_args()
    if options.all_layers:
        linear.LARGE = 0
    print(f'{"model":14}{"dtype":10}{"inputs":>7}{"error ‰":>9}{"texts":>7}{"tokens":>8}'
          f'{"edits %":>9}')
    rows = []
    for name in options.models:
        for row in compare(name):
            print(f'{name:14}{row["dtype"]:10}{row["inputs"]:7}{row["error_permille"]:9.2f}'
                  f'{row["texts"]:7}{row["tokens"]:8}{row["token_edits_percent"]:9.2f}')
            rows.append(row)
    record = {'benchmark': 'precision', 'device': processor_name(), 'torch': torch.__version__,
              'date': datetime.now(timezone.utc).date().isoformat(),
              'all_layers': options.all_layers, 'rows': rows}
    line = json.dumps(record)
    if options.output:
        with options.output.open('a') as file:
            file.write(line + '\n')
    print(line)


def processor_name() -> str:
    """Return what the processor calls itself; its kernels decide how half precision rounds."""
    try:
        lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def compare(name: str) -> Iterator[dict[str, Any]]:
    """Yield the results of one model, a row a number format."""
    source, head = MODELS[name]
    pattern = 'heldout/short_*.flac' if name == 'builtin' else 'oracle/audio/*.wav'
    waveforms = [soundfile.read(path, dtype='float32')[0] for path in sorted(DATA.glob(pattern))]
    reference = load_model(source, device='cpu', dtype='float32', head=head)
    expected = [reference.transcribe(waveform) for waveform in waveforms]
    frames = [encode(reference, waveform) for waveform in waveforms]
    for dtype in DTYPES:
        model = load_model(source, device='cpu', dtype=dtype, head=head)
        found = [model.transcribe(waveform) for waveform in waveforms]
        errors = [float((encode(model, waveform) - exact).norm() / exact.norm())
                  for waveform, exact in zip(waveforms, frames, strict=True)]
        pairs = list(zip(expected, found, strict=True))
        n_tokens = sum(len(transcript.tokens) for transcript in expected)
        yield {
            'model': name, 'dtype': dtype, 'inputs': len(waveforms),
            'error_permille': round(1000.0 * median(errors), 3),
            'texts': sum(a.text != b.text for a, b in pairs),
            'tokens': sum(ids(a) != ids(b) for a, b in pairs),
            'token_edits_percent': round(
                100.0 * sum(edits(a, b) for a, b in pairs) / n_tokens, 2),
        }


@torch.inference_mode()
def encode(model: Transcriber, waveform: NDArray[np.float32]) -> torch.Tensor:
    """Return the encoder's frames in float32."""
    features, n_frames = model.model.features([torch.from_numpy(waveform)])
    encoded, _ = model.model.encoder(features, n_frames)
    return encoded.float()


def ids(transcript: Transcript) -> list[int]:
    """Return the token ids."""
    return [token.token_id for token in transcript.tokens]


def edits(a: Transcript, b: Transcript) -> int:
    """Return how many tokens differ."""
    matcher = SequenceMatcher(None, ids(a), ids(b), autojunk=False)
    return sum(max(i2 - i1, j2 - j1)
               for kind, i1, i2, j1, j2 in matcher.get_opcodes() if kind != 'equal')


if __name__ == '__main__':
    main()
