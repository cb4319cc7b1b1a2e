"""The front door: held-out clips, awkward waveforms, results, devices, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import json
import os
import subprocess
import sys

from card import CARD_WER_PERCENT
from engine_oracle import ORACLE, OracleCase, run_stages
from number_formats import skip_without
import numpy as np
from parakeet_ros.engine import CheckpointError, DeviceError, load_model, Transcript
from parakeet_ros.engine.device import avoid_cudnn_attention
from parakeet_ros.engine.loading import BUILTIN_MODEL
import pytest
import torch

jiwer = pytest.importorskip('jiwer')

MARGIN_PERCENT = 0.6  # two words: every kind of processor rounds differently

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')


@pytest.fixture(scope='module')
def texts(builtin, heldout):
    """Return the built-in model's text of each held-out clip."""
    return [builtin.transcribe(waveform).text for waveform, _ in heldout]


def test_heldout_word_error_rate_is_the_cards(texts, heldout):
    wer_percent = 100.0 * jiwer.wer([text for _, text in heldout], texts)
    assert wer_percent < CARD_WER_PERCENT + MARGIN_PERCENT


def test_a_batch_of_all_heldout_clips_gives_the_same_texts(builtin, heldout, texts):
    batch = builtin.transcribe_batch([waveform for waveform, _ in heldout])
    assert [transcript.text for transcript in batch] == texts


@pytest.mark.parametrize('n_samples', [0, 1, 159, 160, 319])
def test_audio_shorter_than_two_frames_has_no_text(builtin, n_samples):
    transcript = builtin.transcribe(np.full(n_samples, 0.1, np.float32))
    assert (transcript.text, transcript.words, transcript.tokens) == ('', (), ())
    assert transcript.audio_s == n_samples / 16_000


@pytest.mark.parametrize('n_samples', [320, 321, 400, 1280, 1281])
def test_very_short_audio_is_transcribed(builtin, n_samples):
    assert isinstance(builtin.transcribe(np.full(n_samples, 0.1, np.float32)), Transcript)


def test_digital_silence_has_no_text(builtin):
    assert builtin.transcribe(np.zeros(16_000, np.float32)).text == ''


def test_short_audio_in_a_batch_keeps_its_place(builtin, heldout, texts):
    short = np.zeros(100, np.float32)
    batch = builtin.transcribe_batch([short, heldout[0][0], short, heldout[1][0]])
    assert [transcript.text for transcript in batch] == ['', texts[0], '', texts[1]]
    assert builtin.transcribe_batch([]) == []


@pytest.mark.parametrize(('waveform', 'message'), [
    (np.zeros((2, 1600), np.float32), r'shape \[2, 1600\].*mono'),
    (np.zeros(1600, np.int16), r'int16; give float32.*/ 32768'),
    (np.zeros(1600, np.float64), 'float64; give float32'),
    (torch.zeros(1600, dtype=torch.float16), 'float16; give float32'),
    (np.full(1600, np.nan, np.float32), 'NaN or infinite'),
    (np.full(1600, np.inf, np.float32), 'NaN or infinite'),
    (np.full(1600, -1e20, np.float32), r'beyond 1e\+09'),
    ([0.0] * 1600, 'not float'),
    (bytes(6400), 'not bytes'),
])
def test_an_unusable_waveform_is_refused_with_the_remedy(builtin, waveform, message):
    with pytest.raises(ValueError, match=message):
        builtin.transcribe(waveform)


def test_another_sample_rate_is_refused_with_the_remedy(builtin):
    with pytest.raises(ValueError, match=r'48000 Hz.*needs 16000 Hz; resample'):
        builtin.transcribe(np.zeros(1600, np.float32), sample_rate=48_000)


def test_arrays_tensors_views_and_read_only_buffers_give_the_same(builtin, heldout, texts):
    waveform = heldout[0][0]
    read_only = np.frombuffer(waveform.tobytes(), np.float32)
    backwards = waveform[::-1].copy()[::-1]
    strided = np.repeat(waveform, 2)[::2]
    for form in (torch.from_numpy(waveform), read_only, backwards, strided):
        assert builtin.transcribe(form).text == texts[0]


def test_transcribing_leaves_the_waveform_alone(builtin, heldout):
    waveform = heldout[0][0].copy()
    builtin.transcribe(waveform)
    assert np.array_equal(waveform, heldout[0][0])


def test_a_transcript_survives_json(builtin, heldout):
    transcript = builtin.transcribe(heldout[0][0])
    restored = json.loads(json.dumps(transcript.to_dict()))
    assert restored == transcript.to_dict()
    assert restored['text'] == str(transcript)
    assert restored['text'] == ' '.join(word['text'] for word in restored['words'])
    assert set(restored) == {'text', 'words', 'segments', 'tokens', 'confidence', 'score',
                             'start_s', 'audio_s', 'timings', 'rtfx'}
    assert Transcript.from_dict(json.loads(transcript.to_json())) == transcript


def test_words_run_forward_within_the_clip(builtin, heldout):
    for waveform, _ in heldout:
        transcript = builtin.transcribe(waveform)
        times = [time for word in transcript.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        # The last token may predict a duration past the end, by less than the longest one.
        assert times[0] >= 0.0 and times[-1] <= transcript.audio_s + 5 * 0.08


def test_stages_fit_into_the_total_time(builtin, heldout):
    transcript = builtin.transcribe(heldout[0][0])
    timings = transcript.timings
    stages = (timings.features_ms, timings.encoder_ms, timings.decoder_ms)
    assert min(stages) > 0.0 and sum(stages) <= timings.total_ms
    assert transcript.rtfx == pytest.approx(transcript.audio_s * 1000.0 / timings.total_ms)


def test_a_batch_shares_its_time_by_length(builtin, heldout):
    waveform = heldout[0][0]
    long, short = builtin.transcribe_batch([np.tile(waveform, 3), waveform])
    assert long.timings.total_ms == pytest.approx(3.0 * short.timings.total_ms)


def test_threads_get_the_answers_of_one(builtin, heldout, texts):
    waveforms = [waveform for waveform, _ in heldout[:12]]
    with ThreadPoolExecutor(4) as pool:
        transcripts = list(pool.map(builtin.transcribe, waveforms))
    assert [transcript.text for transcript in transcripts] == texts[:12]


def test_an_error_leaves_the_model_usable(builtin, heldout, texts):
    with pytest.raises(ValueError, match='NaN'):
        builtin.transcribe(np.full(1600, np.nan, np.float32))
    assert builtin.transcribe(heldout[0][0]).text == texts[0]


def test_a_loaded_model_describes_itself(builtin):
    builtin.warm_up()
    assert builtin.name == 'builtin'
    assert builtin.sample_rate == 16_000
    assert (builtin.device.type, builtin.dtype) == ('cpu', torch.float32)
    assert builtin.n_parameters == 14_582_518
    assert builtin.config.encoder_frame_s == pytest.approx(0.08)
    assert load_model(str(BUILTIN_MODEL), device='cpu').config == builtin.config


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
@pytest.mark.parametrize('name', ['tiny', 'tinyb'])
def test_half_precision_encoder_stays_close(oracle_models, name, dtype):
    skip_without(dtype)
    waveform = OracleCase(oracle_models[name], 'speech3').waveform
    reference = run_stages(oracle_models[name].transcriber, [waveform]).encoded
    half = load_model(ORACLE / f'{name}.nemo', device='cpu', dtype=dtype)
    model = half.model
    features, n_frames = model.features([torch.from_numpy(waveform)])
    encoded, _ = model.encoder(features, n_frames)
    kept_float32 = half.config.encoder.xscaling or dtype == 'bfloat16'
    assert (encoded.dtype == torch.float32) == kept_float32
    assert half.dtype == {'bfloat16': torch.bfloat16, 'float16': torch.float16}[dtype]
    relative = (encoded.float() - reference).norm() / reference.norm()
    assert relative < (0.03 if dtype == 'bfloat16' else 0.01)
    assert isinstance(half.transcribe(waveform).text, str)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16', 'int8'])
def test_inexact_formats_change_no_text(heldout, texts, dtype):
    skip_without(dtype)
    inexact = load_model('builtin', device='cpu', dtype=dtype)
    assert [inexact.transcribe(waveform).text for waveform, _ in heldout] == texts


@pytest.mark.parametrize('device', ['gpu', 'cuda:', 'cuda:x', 'cuda:-1', 'cpu:0', ''])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(DeviceError, match='give auto, cpu, cuda or cuda:N'):
        load_model('builtin', device=device)


def test_a_device_may_be_one_of_torch():
    assert load_model('builtin', device=torch.device('cpu')).device == torch.device('cpu')


def test_a_device_that_is_not_there_is_refused_with_the_remedy():
    with pytest.raises(DeviceError, match=r'use device cpu, or install|counted from cuda:0'):
        load_model('builtin', device='cuda:99')


def test_an_unknown_dtype_is_refused():
    with pytest.raises(DeviceError, match="unknown dtype 'int3'; give auto, float32"):
        load_model('builtin', device='cpu', dtype='int3')


def test_own_errors_are_value_errors():
    assert issubclass(CheckpointError, ValueError) and issubclass(DeviceError, ValueError)


def test_importing_the_package_does_not_import_torch():
    code = "import parakeet_ros, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize(('override', 'setting', 'n_warnings'), [
    ('1', '', 1), ('0', '', 0), ('0', 'torch.backends.fp32_precision = "tf32"; ', 1)])
def test_a_gpu_that_may_round_float32_is_told_of(override, setting, n_warnings):
    if setting and not hasattr(torch.backends, 'fp32_precision'):
        pytest.skip('this torch has no such switch')
    code = (f'import logging, torch; logging.basicConfig(); {setting}'
            'from parakeet_ros.engine.device import warn_of_rounding; '
            'warn_of_rounding(torch.device("cuda")); warn_of_rounding(torch.device("cpu"))')
    ended = subprocess.run(
        [sys.executable, '-c', code], stderr=subprocess.PIPE, text=True, check=True,
        env={**os.environ, 'TORCH_ALLOW_TF32_CUBLAS_OVERRIDE': override})
    assert ended.stderr.count('float32 is not exact here') == n_warnings


@pytest.mark.skipif(not hasattr(torch.backends.cuda, 'enable_cudnn_sdp'),
                    reason='this torch has no attention of cuDNN')
def test_on_a_gpu_attention_is_never_that_of_cudnn():
    was_enabled = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        avoid_cudnn_attention(torch.device('cpu'))
        assert torch.backends.cuda.cudnn_sdp_enabled()
        avoid_cudnn_attention(torch.device('cuda'))
        assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert torch.backends.cuda.mem_efficient_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(was_enabled)


@pytest.mark.gpu
@needs_cuda
def test_cuda_in_half_precision_gives_the_cpus_texts(heldout, texts):
    model = load_model('builtin', device='cuda')
    assert model.dtype == torch.float16
    model.warm_up()
    assert [model.transcribe(waveform).text for waveform, _ in heldout] == texts


@pytest.mark.gpu
@needs_cuda
def test_cuda_batches_give_the_cpus_texts(heldout, texts):
    model = load_model('builtin', device='cuda')
    batch = model.transcribe_batch([waveform for waveform, _ in heldout])
    assert [transcript.text for transcript in batch] == texts


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_cuda_runs_every_dtype(dtype, heldout):
    model = load_model('builtin', device='cuda', dtype=dtype)
    assert model.transcribe(heldout[0][0]).text
