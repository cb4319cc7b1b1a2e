"""The recordings of the demonstration, and when the player plays them."""

from dataclasses import dataclass
import json
from pathlib import Path

import soundfile

GAP_S = 1.0  # pause between recordings
CHECKOUT = Path(__file__).parents[1] / 'test' / 'data' / 'heldout'
CLIPS = 'short_kokoro_am_michael_0[1-8].flac'


@dataclass(frozen=True)
class Clip:
    """A recording, what is said in it, and when it is played, in s from the start."""

    file: Path
    text: str
    start_s: float
    end_s: float


def demo_clips() -> list[Clip]:
    """
    Find the recordings, in a checkout or where the package is installed.

    :raises FileNotFoundError: if neither has them.
    """
    folder = CHECKOUT if CHECKOUT.is_dir() else _installed()
    lines = (folder / 'manifest.jsonl').read_text(encoding='utf-8').splitlines()
    texts = {entry['path']: entry['text'] for entry in map(json.loads, lines)}
    clips, start_s = [], 0.0
    for file in sorted(folder.glob(CLIPS)):
        duration_s = soundfile.info(file).duration
        clips.append(Clip(file, texts[file.name], start_s, start_s + duration_s))
        start_s += duration_s + GAP_S
    if not clips:
        raise FileNotFoundError(f'{folder} has no {CLIPS}; install the package again')
    return clips


def _installed() -> Path:
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory('parakeet_ros')) / 'demo'
