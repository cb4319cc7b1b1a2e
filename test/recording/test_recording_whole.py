"""Audio files are read whole or refused in words."""
import numpy as np
from parakeet_ros.recording import read_audio, RecordingError
import pytest
import soundfile


@pytest.mark.parametrize('suffix, tolerance', [('wav', 1e-4), ('flac', 1e-4), ('ogg', 0.05)])
def test_a_file_gives_its_samples_and_rate(tmp_path, suffix, tolerance):
    times = np.arange(4_000) / 22_050
    samples = np.stack([0.5 * np.sin(2 * np.pi * f * times) for f in (300, 500)], axis=1)
    soundfile.write(tmp_path / f'tone.{suffix}', samples, 22_050)
    found, rate = read_audio(tmp_path / f'tone.{suffix}')
    assert (found.shape, found.dtype, rate) == ((4_000, 2), np.float32, 22_050)
    np.testing.assert_allclose(found, samples, atol=tolerance)


def test_a_file_that_is_not_audio_is_refused_with_the_remedy(tmp_path):
    (tmp_path / 'talk.wav').write_bytes(b'no audio here')
    with pytest.raises(RecordingError, match=r'talk\.wav is not audio .* ffmpeg'):
        read_audio(tmp_path / 'talk.wav')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.wav'):
        read_audio(str(tmp_path / 'gone.wav'))
