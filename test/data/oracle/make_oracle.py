#!/usr/bin/env python3
"""
Make tiny random checkpoints with NeMo, and record what NeMo computes with them.

Needs nemo_toolkit[asr] (used: 3.0.0) and torch (2.13.0, CPU); the project itself never does::

    make_oracle.py build SHAPE...    writes SHAPE.nemo beside this file
    make_oracle.py record SHAPE...   writes SHAPE/oracle.json and, for some inputs, SHAPE/INPUT.npz

A hybrid is recorded twice: with its transducer, and with its CTC head under ``SHAPE_ctc``.
The weights are random, calibrated to emit tokens about as often as speech has them.
The folders ``tiny`` and ``tinyb`` came from an earlier script with the same format.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
import tempfile

from nemo.collections.asr.models import (
    ASRModel,
    EncDecCTCModelBPE,
    EncDecHybridRNNTCTCBPEModel,
    EncDecRNNTBPEModel,
)
from nemo.core.classes.common import typecheck
import numpy as np
from omegaconf import OmegaConf, open_dict
import sentencepiece
import soundfile
import torch

HERE = Path(__file__).parent
SAMPLE_RATE = 16_000
TOKENS_PER_SECOND = 4.0
TENSOR_INPUTS = ('short', 'speech3', 'speech_clip')  # tensors of the others would be large
MODULES = 'nemo.collections.asr.modules.'
TDT = [0, 1, 2, 3, 4]
# Each after a public family; every one has another mix of size, biases and scaling.
SHAPES = {
    'ctc': {'heads': ('ctc',), 'layers': 2, 'd_model': 48, 'kernel': 5, 'bias': True,
            'xscaling': True},
    'rnnt': {'heads': ('rnnt',), 'layers': 2, 'd_model': 48, 'lstm_layers': 2, 'bias': True,
             'xscaling': True},
    'deep': {'heads': ('tdt',), 'layers': 12, 'd_model': 32, 'lstm_layers': 2},
    'hybrid': {'heads': ('tdt', 'ctc'), 'layers': 2, 'd_model': 40, 'bias': True},
}
CLASSES = {
    ('ctc',): EncDecCTCModelBPE,
    ('rnnt',): EncDecRNNTBPEModel,
    ('tdt',): EncDecRNNTBPEModel,
    ('tdt', 'ctc'): EncDecHybridRNNTCTCBPEModel,
}
TEXT = """please stop here. turn left, then go forward two metres! what is the battery level?
open the gripper, close the door and bring the red cup to the table. is the arm ready? yes!
it's at eighty percent. the robot waits: nine, eight, seven, six. go back to the dock, please."""
VOCAB_SIZE = 96


def config(shape: dict, tokenizer_dir: Path):
    """Return NeMo's configuration of a shape."""
    d_model, heads = shape['d_model'], shape['heads']
    values = {
        'sample_rate': SAMPLE_RATE,
        'tokenizer': {'dir': str(tokenizer_dir), 'type': 'bpe'},
        'preprocessor': {
            '_target_': MODULES + 'AudioToMelSpectrogramPreprocessor', 'features': 80,
            'sample_rate': SAMPLE_RATE, 'normalize': 'per_feature', 'window_size': 0.025,
            'window_stride': 0.01, 'window': 'hann', 'n_fft': 512, 'frame_splicing': 1,
            'dither': 1e-5, 'pad_to': 0,
        },
        'encoder': {
            '_target_': MODULES + 'ConformerEncoder', 'feat_in': 80, 'feat_out': -1,
            'n_layers': shape['layers'], 'd_model': d_model, 'n_heads': 4,
            'use_bias': shape.get('bias', False), 'xscaling': shape.get('xscaling', False),
            'subsampling': 'dw_striding', 'subsampling_factor': 8,
            'subsampling_conv_channels': 16, 'self_attention_model': 'rel_pos',
            'att_context_size': [-1, -1], 'conv_kernel_size': shape.get('kernel', 9),
            'conv_norm_type': 'batch_norm', 'pos_emb_max_len': 5000,
        },
        'optim': {'name': 'adamw', 'lr': 1e-3},
    }
    ctc = {'decoder': {'_target_': MODULES + 'ConvASRDecoder', 'feat_in': None,
                       'num_classes': -1, 'vocabulary': []},
           'decoding': {'strategy': 'greedy_batch'}}
    if heads == ('ctc',):
        return OmegaConf.create({**values, **ctc})
    if 'ctc' in heads:
        values['aux_ctc'] = {'ctc_loss_weight': 0.3, **ctc}
    return OmegaConf.create({**values, **transducer_config(shape)})


def transducer_config(shape: dict) -> dict:
    """Return the sections of a transducer."""
    sizes = {'pred_hidden': 32, 'joint_hidden': 40}
    result = {
        'model_defaults': {'enc_hidden': shape['d_model'], **sizes},
        'decoder': {
            '_target_': MODULES + 'RNNTDecoder', 'normalization_mode': None,
            'blank_as_pad': True, 'vocab_size': VOCAB_SIZE,
            'prednet': {'pred_hidden': sizes['pred_hidden'], 'dropout': 0.2,
                        'pred_rnn_layers': shape.get('lstm_layers', 1)},
        },
        'joint': {
            '_target_': MODULES + 'RNNTJoint', 'log_softmax': None, 'fuse_loss_wer': False,
            'num_classes': VOCAB_SIZE,
            'jointnet': {'activation': 'relu', 'dropout': 0.2,
                         'encoder_hidden': shape['d_model'], **sizes},
        },
        'decoding': {'strategy': 'greedy_batch', 'greedy': {'max_symbols': 10}},
        'loss': {'loss_name': 'warprnnt_numba'},
    }
    if 'tdt' in shape['heads']:
        result['model_defaults'] |= {'tdt_durations': TDT, 'num_tdt_durations': len(TDT)}
        result['joint']['num_extra_outputs'] = len(TDT)
        result['decoding'] |= {'model_type': 'tdt', 'durations': TDT}
        result['loss'] = {'loss_name': 'tdt', 'tdt_kwargs': {'durations': TDT}}
    return result


def train_tokenizer(folder: Path) -> None:
    """Write tokenizer.model and vocab.txt, as NeMo's BPE models want them."""
    text = folder / 'text.txt'
    text.write_text((TEXT + '\n') * 3)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / 'tokenizer'), vocab_size=VOCAB_SIZE,
        model_type='bpe', character_coverage=1.0, bos_id=-1, eos_id=-1, minloglevel=2,
        normalization_rule_name='identity')  # the default's tables are 240 KB
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / 'tokenizer.model'))
    assert processor.get_piece_size() == VOCAB_SIZE
    pieces = [processor.id_to_piece(i) for i in range(VOCAB_SIZE)]
    (folder / 'vocab.txt').write_text(''.join(
        (piece[1:] if piece.startswith('▁') else '##' + piece) + '\n' for piece in pieces))


@torch.no_grad()
def randomise(model: ASRModel, seed: int) -> None:
    """Move norms, statistics and biases off their neutral values, so that a lost one shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if 'preprocessor' in name or not value.is_floating_point():
            continue
        if 'running_var' in name:
            value.copy_(0.05 + 0.25 * torch.rand(value.shape, generator=generator))
        elif 'running_mean' in name or 'pos_bias' in name or (
                'encoder.layers' in name and name.endswith('.bias')):
            value.copy_(0.2 * torch.rand(value.shape, generator=generator) - 0.1)
        elif 'norm' in name and name.endswith('weight'):
            value.copy_(0.8 + 0.4 * torch.rand(value.shape, generator=generator))


def encode(model: ASRModel, waveforms: list) -> tuple:
    """Return features, encoder output and their lengths of a padded batch."""
    model.eval()  # transcribe() leaves it in train mode
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    padded = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(padded, waveforms):
        row[:len(waveform)] = torch.from_numpy(waveform)
    mel, mel_length = model.preprocessor(input_signal=padded, length=lengths)
    encoded, encoded_length = model.encoder(audio_signal=mel, length=mel_length)
    return mel, mel_length, encoded, encoded_length


@torch.no_grad()
def decode(model: ASRModel, head: str, encoded, lengths, **changes) -> list:
    """Decode with NeMo's batched greedy strategy; a CTC text is (tokens, gaps, runs)."""
    hybrid = isinstance(model, EncDecHybridRNNTCTCBPEModel)
    section = model.cfg.aux_ctc.decoding if hybrid and head == 'ctc' else model.cfg.decoding
    section = copy.deepcopy(section)
    with open_dict(section):
        section.strategy = 'greedy_batch'
        section.compute_timestamps = head == 'ctc'
        section.preserve_alignments = False
        if head != 'ctc':
            section.tdt_include_token_duration = head == 'tdt'
        for key, value in changes.items():
            section[key] = value
    options = {'verbose': False}
    if hybrid:
        options['decoder_type'] = 'ctc' if head == 'ctc' else 'rnnt'
    model.change_decoding_strategy(section, **options)
    if head != 'ctc':
        return model.decoding.rnnt_decoder_predictions_tensor(
            encoder_output=encoded, encoded_lengths=lengths, return_hypotheses=True)
    decoding = model.ctc_decoding if hybrid else model.decoding
    layer = model.ctc_decoder if hybrid else model.decoder
    hypotheses = decoding.decoding(
        decoder_output=layer(encoder_output=encoded), decoder_lengths=lengths)[0]
    hypotheses = decoding.decode_hypothesis(hypotheses, True)
    for hypothesis in hypotheses:
        hypothesis.folded = hypothesis.text
    if decoding.preserve_token_confidence:
        decoding.compute_confidence(hypotheses)
    return hypotheses


def n_tokens(head: str, hypothesis) -> int:
    """Return how many tokens a hypothesis has."""
    return len(hypothesis.folded[0] if head == 'ctc' else hypothesis.y_sequence)


@torch.no_grad()
def calibrate(model: ASRModel, head: str, waveform: np.ndarray) -> None:
    """Spread and centre the logits over time, then find the blank bias for the wanted rate."""
    _, _, encoded, lengths = encode(model, [waveform])
    frames = encoded[0].T  # [T, D]
    if head == 'ctc':
        hybrid = isinstance(model, EncDecHybridRNNTCTCBPEModel)
        layer = (model.ctc_decoder if hybrid else model.decoder).decoder_layers[0]
        weight, bias, hidden = layer.weight[:, :, 0], layer.bias, frames
    else:
        joint = model.joint
        projected = frames @ joint.enc.weight.T
        joint.enc.weight.div_((projected - projected.mean(0)).std())
        joint.enc.bias.copy_(-(frames @ joint.enc.weight.T).mean(0))
        joint.pred.weight.mul_(12.0)  # else RNN-T, blind to its last token, repeats it
        weight, bias = joint.joint_net[-1].weight, joint.joint_net[-1].bias
        hidden = torch.relu(joint.enc(frames))
    logits = hidden @ weight.T
    weight.mul_(2.5 / (logits - logits.mean(0)).std())
    bias.copy_(-(hidden @ weight.T).mean(0))
    marks = [i for i, piece in enumerate(model.tokenizer.vocab) if piece.strip('▁#') in '.,?!']
    bias[marks] += 2.0  # punctuation has rules of its own
    wanted = TOKENS_PER_SECOND * len(waveform) / SAMPLE_RATE
    low, high = -20.0, 20.0
    for _ in range(16):
        bias[VOCAB_SIZE] = (low + high) / 2
        found = n_tokens(head, decode(model, head, encoded, lengths)[0])
        low, high = ((low + high) / 2, high) if found > wanted else (low, (low + high) / 2)
    print(head, 'emits', found, 'tokens in', len(waveform) / SAMPLE_RATE, 's')


def build(name: str) -> None:
    """Write the checkpoint of a shape."""
    shape = SHAPES[name]
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(Path(folder))
        model = CLASSES[shape['heads']](cfg=config(shape, Path(folder)), trainer=None).eval()
        randomise(model, seed=2)
        for head in shape['heads']:
            calibrate(model, head, read_inputs()['speech12'])
        if len(shape['heads']) > 1:
            model.change_decoding_strategy(model.cfg.decoding, decoder_type='rnnt')
        model.save_to(str(HERE / f'{name}.nemo'))


def read_inputs() -> dict:
    """Return the waveforms by name."""
    return {path.stem: soundfile.read(path, dtype='float32')[0]
            for path in sorted((HERE / 'audio').glob('*.wav'))}


def summary(head: str, hypothesis) -> dict:
    """Return the tokens of a hypothesis with their frames and durations."""
    if head == 'ctc':
        tokens, gaps, durations = hypothesis.folded
        frames = np.cumsum(gaps)
    else:
        tokens, frames = hypothesis.y_sequence, hypothesis.timestamp
        durations = hypothesis.token_duration if head == 'tdt' else [1] * len(tokens)
    return {'tokens': [int(t) for t in tokens], 'frames': [int(f) for f in frames],
            'durations': [int(d) for d in durations], 'score': float(hypothesis.score)}


@torch.no_grad()
def record(name: str) -> None:
    """Write what NeMo computes with each head of a checkpoint."""
    heads = SHAPES[name]['heads']
    for head in heads:
        model = ASRModel.restore_from(str(HERE / f'{name}.nemo'), map_location='cpu').eval()
        folder = HERE / (name if head == heads[0] else f'{name}_{head}')
        folder.mkdir(exist_ok=True)
        results = record_head(model, head, folder if head == heads[0] else None)
        (folder / 'oracle.json').write_text(
            json.dumps({'inputs': results}, indent=1, ensure_ascii=False) + '\n')


def record_head(model: ASRModel, head: str, tensors: Path | None) -> dict:
    """Return the results by input; arrays go to the folder ``tensors``."""
    inputs, results = read_inputs(), {}
    batch = decode(model, head, *encode(model, list(inputs.values()))[2:])
    for (name, waveform), in_batch in zip(inputs.items(), batch):
        mel, mel_length, encoded, length = encode(model, [waveform])
        if tensors and name in TENSOR_INPUTS:
            np.savez_compressed(
                tensors / f'{name}.npz', mel=mel[0].numpy(), mel_len=mel_length[0].numpy(),
                enc=encoded[0].T.numpy(), enc_len=length[0].numpy())
        result = results[name] = {'samples': len(waveform)}
        result['greedy_batch'] = summary(head, decode(model, head, encoded, length)[0])
        result['batched_tokens'] = summary(head, in_batch)['tokens']
        for method in ('max_prob', 'entropy'):
            result[f'token_confidence_{method}'] = confidence(
                model, head, encoded, length, method)
        result |= transcribe(model, head, waveform)
        print(name, len(result['batched_tokens']), repr(result['transcribe_text']))
    return results


def confidence(model: ASRModel, head: str, encoded, length, method: str) -> list[float]:
    """Return NeMo's confidence in each token."""
    hypothesis, = decode(model, head, encoded, length, confidence_cfg={
        'preserve_frame_confidence': True, 'preserve_token_confidence': True,
        'exclude_blank': True, 'aggregation': 'min', 'method_cfg': {'name': method}})
    return [float(value) for value in hypothesis.token_confidence or []]


def transcribe(model: ASRModel, head: str, waveform: np.ndarray) -> dict:
    """Return text and times as a user gets them; NeMo pads to one second first."""
    decode(model, head, *encode(model, [waveform])[2:])  # resets what confidence() changed
    hypothesis = model.transcribe([waveform], batch_size=1, timestamps=True, verbose=False,
                                  num_workers=0)[0]
    times = {
        level: [{key: value if isinstance(value, (str, list)) else float(value)
                 for key, value in entry.items()} for entry in hypothesis.timestamp[level]]
        for level in ('char', 'word', 'segment')}
    return {'transcribe_text': hypothesis.text, 'timestamps': times}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('command', choices=['build', 'record'])
    parser.add_argument('shapes', nargs='+', choices=SHAPES)
    options = parser.parse_args()
    typecheck.set_typecheck_enabled(False)  # it refuses a CTC head's own output
    for name in options.shapes:
        {'build': build, 'record': record}[options.command](name)


if __name__ == '__main__':
    main()
