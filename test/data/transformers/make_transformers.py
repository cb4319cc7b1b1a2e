#!/usr/bin/env python3
"""
Make tiny Parakeet folders with transformers, and the tokens that it decodes with them.

Needs transformers >= 5.23, torch, soundfile, protobuf and sentencepiece; none of the project's
code takes part.  The weights are random, but the head is set so that decoding emits tokens at a
speech-like rate and never lingers on a frame, as transformers knows no ``max_symbols`` for TDT.

    make_transformers.py [OUT] [--seed N]    OUT/tdt, OUT/rnnt, OUT/ctc and OUT/expected.json
"""
import argparse
import json
from pathlib import Path
import tarfile
import tempfile

import soundfile
import torch
import transformers
from transformers import (
    ParakeetCTCConfig,
    ParakeetEncoderConfig,
    ParakeetFeatureExtractor,
    ParakeetForCTC,
    ParakeetForRNNT,
    ParakeetForTDT,
    ParakeetProcessor,
    ParakeetRNNTConfig,
    ParakeetTDTConfig,
    ParakeetTokenizer,
)
from transformers.convert_slow_tokenizer import ParakeetConverter

DATA = Path(__file__).resolve().parents[1]
# Not digital silence: its deviation is 0, and normalisation magnifies the rounding of the mean,
# which differs between any two ways of summing, by 1e5.
INPUTS = ('speech3', 'speech_odd', 'speech_clip', 'noise', 'sweep')
N_TOKENS = 128
DURATIONS = (0, 1, 2, 3, 4)
SHARE_OF_BLANK = {'tdt': 0.3, 'rnnt': 0.8, 'ctc': 0.3}
ENCODER = {
    'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'intermediate_size': 128,
    'subsampling_conv_channels': 16, 'num_mel_bins': 80, 'layerdrop': 0.0}
DECODER = {
    'vocab_size': N_TOKENS + 1, 'blank_token_id': N_TOKENS, 'decoder_hidden_size': 32,
    'num_decoder_layers': 2}


def make_processor(head):
    """Wrap the oracle's SentencePiece model as transformers converts NVIDIA's."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(
            DATA / 'oracle' / 'tinyb.nemo') as tar:
        member = next(m for m in tar if m.name.endswith('tokenizer.model'))
        path = Path(folder) / 'tokenizer.model'
        path.write_bytes(tar.extractfile(member).read())
        converted = ParakeetConverter(str(path)).converted()
    converted.normalizer = None  # a table of 300 KB that only encoding needs
    tokenizer = ParakeetTokenizer(tokenizer_object=converted, clean_up_tokenization_spaces=False)
    if head != 'ctc':
        tokenizer.add_tokens(
            [transformers.AddedToken('<blank>', normalized=False, special=True)])
    pad = '<blank>' if head == 'rnnt' else '<pad>'
    tokenizer.add_special_tokens({
        'pad_token': transformers.AddedToken(pad, normalized=False, special=True),
        'unk_token': transformers.AddedToken('<unk>', normalized=False, special=True)})
    extractor = ParakeetFeatureExtractor(feature_size=ENCODER['num_mel_bins'])
    return ParakeetProcessor(extractor, tokenizer, decoder_type=head)


def make_model(head):
    """Return a network with the layout of v3 (TDT, RNN-T) or of the CTC models."""
    if head == 'ctc':
        return ParakeetForCTC(ParakeetCTCConfig(
            vocab_size=N_TOKENS + 1, pad_token_id=N_TOKENS,
            encoder_config=ParakeetEncoderConfig(**ENCODER)))
    encoder = ParakeetEncoderConfig(
        **ENCODER, attention_bias=False, convolution_bias=False, scale_input=False)
    if head == 'rnnt':
        return ParakeetForRNNT(ParakeetRNNTConfig(encoder_config=encoder, **DECODER))
    return ParakeetForTDT(
        ParakeetTDTConfig(encoder_config=encoder, durations=DURATIONS, **DECODER))


@torch.no_grad()
def randomise(model):
    """Move every parameter off the value that a port could forget to load."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if not value.is_floating_point() or name.endswith('inv_freq'):
            continue
        if 'running_var' in name:
            value.uniform_(0.05, 0.3)
        elif 'norm' in name and name.endswith('weight'):
            value.uniform_(0.8, 1.2)
        elif value.dim() == 1 or 'bias_' in name:
            value.uniform_(-0.1, 0.1)
        else:
            fan_in = value[0].numel()
            value.normal_(0.0, (1.0 if 'embedding' in name else fan_in ** -0.5))
    if hasattr(model, 'decoder'):
        model.decoder.embedding.weight[model.config.blank_token_id] = 0


@torch.no_grad()
def calibrate(model, head, encoded):
    """Centre the logits over the frames, and set blank and the durations to wanted shares."""
    if head == 'ctc':
        out, hidden = model.ctc_head, encoded
        weight = out.weight[:, :, 0]
    else:
        out, projector = model.joint.head, model.encoder_projector
        weight = out.weight
        projected = encoded @ projector.weight.T
        projector.weight.div_(projected.std() / 2)
        projector.bias.copy_(-(encoded @ projector.weight.T).mean(0))
        predicted = model.decoder(torch.randint(N_TOKENS, (len(encoded), 1)))[:, 0]
        hidden = torch.relu(projector(encoded) + predicted)
    weight.mul_(4.0)
    weight[N_TOKENS:].mul_(2.0)
    out.bias.copy_(-weight @ hidden.mean(0))
    logits = hidden @ weight.T + out.bias
    best = logits[:, :N_TOKENS].max(1).values - logits[:, N_TOKENS]
    out.bias[N_TOKENS] += torch.quantile(best, SHARE_OF_BLANK[head])
    if head == 'tdt':
        spread = logits[:, N_TOKENS + 1:].std()
        out.bias[N_TOKENS + 1:] += spread * torch.tensor([-4.0, 0.5, 0.5, 0.0, -0.5])
    model.half().float()  # what is saved, so that the tokens below are those of the file


@torch.no_grad()
def expect(model, processor, head, samples):
    """Return what transformers makes of a recording."""
    inputs = processor(samples, sampling_rate=16_000)
    if head == 'ctc':
        best = model(**inputs).logits[0].argmax(-1)[: int(inputs.attention_mask.sum() + 7) // 8]
        steps = [(token, frame) for frame, token in enumerate(best.tolist())]
        kept = [(token, frame) for token, frame in steps
                if token != N_TOKENS and (frame == 0 or best[frame - 1] != token)]
        tokens, frames = [t for t, _ in kept], [f for _, f in kept]
        return {'tokens': tokens, 'frames': frames,
                'text': processor.decode(tokens, group_tokens=False, skip_special_tokens=True)}
    output = model.generate(**inputs)
    tokens, advances = output.sequences[0, 1:], output.durations[0, 1:]
    starts = advances.cumsum(0) - advances
    kept = tokens != N_TOKENS
    result = {'tokens': tokens[kept].tolist(), 'frames': starts[kept].tolist(),
              'text': processor.decode(tokens[kept], skip_special_tokens=True)}
    if head == 'tdt':
        result['durations'] = advances[kept].tolist()
    return result


def main():
    """Write the folders and the expected tokens."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('out', type=Path, nargs='?', default=Path(__file__).parent)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    audio = {name: soundfile.read(DATA / 'oracle' / 'audio' / f'{name}.wav', dtype='float32')[0]
             for name in INPUTS}
    expected = {'transformers': transformers.__version__, 'torch': torch.__version__}
    for head in ('tdt', 'rnnt', 'ctc'):
        torch.manual_seed(options.seed)
        processor, model = make_processor(head), make_model(head).eval()
        randomise(model)
        with torch.no_grad():
            encoded = model.encoder(**processor(audio['speech_odd'], sampling_rate=16_000))
        calibrate(model, head, encoded.last_hidden_state[0])
        if head != 'ctc':
            model.generation_config.decoder_start_token_id = N_TOKENS
        if head == 'tdt':  # generate() would take a duration's logit for a token's
            model.generation_config.suppress_tokens = list(
                range(N_TOKENS + 1, N_TOKENS + 1 + len(DURATIONS)))
        folder = options.out / head
        processor.save_pretrained(folder)
        # one folder in shards, the others in one file
        model.half().save_pretrained(folder, max_shard_size='80KB' if head == 'ctc' else '5GB')
        for file in folder.iterdir():
            file.chmod(0o644)
        model = type(model).from_pretrained(folder, dtype=torch.float32).eval()
        expected[head] = {name: expect(model, processor, head, samples)
                          for name, samples in audio.items()}
        for name, result in expected[head].items():
            print(head, name, len(audio[name]) / 16_000, len(result['tokens']),
                  len(set(result['tokens'])), repr(result['text'][:60]))
    (options.out / 'expected.json').write_text(json.dumps(expected) + '\n')


if __name__ == '__main__':
    main()
