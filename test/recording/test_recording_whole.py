"""Audio files are read whole or refused in words."""
import subprocess

import numpy as np
from parakeet_ros.recording import duration_s, read_audio, read_blocks, RecordingError
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


def test_a_file_that_is_not_audio_is_refused_with_the_remedy(tmp_path, no_ffmpeg):
    (tmp_path / 'talk.wav').write_bytes(b'no audio here')
    with pytest.raises(RecordingError, match=r'talk\.wav is not audio .* ffmpeg'):
        read_audio(tmp_path / 'talk.wav')


def test_a_wav_whose_recorder_was_killed_is_read_whole_and_said(tmp_path, caplog):
    file = tmp_path / 'a.wav'
    soundfile.write(file, 0.1 * np.random.default_rng(0).standard_normal(100_000), 16_000)
    whole, _ = read_audio(file)
    content = bytearray(file.read_bytes())
    position = content.index(b'data') + 4
    content[position:position + 4] = bytes(4)
    file.write_bytes(content)
    assert not caplog.text
    found, _ = read_audio(file)
    assert np.array_equal(found, whole)
    assert 'a.wav was not finished' in caplog.text


def test_a_flac_stream_that_does_not_tell_its_length_is_read_whole(tmp_path, no_ffmpeg):
    samples = 0.1 * np.random.default_rng(0).standard_normal((200_000, 2))
    soundfile.write(tmp_path / 'a.flac', samples, 16_000)
    content = bytearray((tmp_path / 'a.flac').read_bytes())
    content[21] &= 0xF0  # the number of samples has 36 bits in the first block, STREAMINFO
    content[22:26] = bytes(4)
    (tmp_path / 'stream.flac').write_bytes(content)
    found, rate = read_audio(tmp_path / 'stream.flac')
    assert rate == 16_000 and np.array_equal(found, read_audio(tmp_path / 'a.flac')[0])
    assert duration_s(tmp_path / 'stream.flac') is None
    blocks = list(read_blocks(tmp_path / 'stream.flac'))
    assert len(blocks) > 3 and sum(map(len, blocks)) == 200_000


def test_ffmpeg_reads_what_libsndfile_does_not(tmp_path, ffmpeg):
    soundfile.write(tmp_path / 'a.wav', np.full((22_050, 2), 0.25), 22_050)
    command = [ffmpeg, '-v', 'error', '-i', tmp_path / 'a.wav', tmp_path / 'a.m4a']
    subprocess.run(command, check=True)
    found, rate = read_audio(tmp_path / 'a.m4a')
    assert (found.shape[1], found.dtype, rate) == (2, np.float32, 22_050)
    assert len(found) == pytest.approx(22_050, rel=0.1)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.wav'):
        read_audio(str(tmp_path / 'gone.wav'))
