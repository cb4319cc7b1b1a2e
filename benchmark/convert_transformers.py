"""
Convert a TDT `.nemo` file to a folder that transformers' `ParakeetForTDT` loads.

Runs in an environment with torch, transformers (5.23 or newer), sentencepiece, protobuf and
PyYAML; uses nothing of this project, so that the peer does not depend on what it is compared to.
transformers takes the index of a duration for the duration, so the set must be 0, 1, 2, ...
"""

import argparse
import io
from pathlib import Path
import re
import sys
import tarfile
import tempfile
from typing import Any

import torch
from torch import Tensor
import transformers
from transformers.convert_slow_tokenizer import ParakeetConverter
import yaml

# NeMo's name -> transformers', first match wins.
NAMES = (
    (r'encoder\.pre_encode\.conv\.', 'encoder.subsampling.layers.'),
    (r'encoder\.pre_encode\.out\.', 'encoder.subsampling.linear.'),
    (r'self_attn\.linear_([qkv])\.', r'self_attn.\1_proj.'),
    (r'self_attn\.linear_out\.', 'self_attn.o_proj.'),
    (r'self_attn\.linear_pos\.', 'self_attn.relative_k_proj.'),
    (r'self_attn\.pos_bias_([uv])$', r'self_attn.bias_\1'),
    (r'conv\.batch_norm\.', 'conv.norm.'),
    (r'decoder\.prediction\.embed\.', 'decoder.embedding.'),
    (r'decoder\.prediction\.dec_rnn\.lstm\.', 'decoder.lstm.'),
    (r'joint\.pred\.', 'decoder.decoder_projector.'),
    (r'joint\.enc\.', 'encoder_projector.'),
    (r'joint\.joint_net\.2\.', 'joint.head.'),
)


def read_nemo(path: Path) -> tuple[dict[str, Any], bytes, dict[str, Tensor]]:
    """Return the configuration, the SentencePiece model and the weights."""
    with tarfile.open(path) as tar:
        members = {member.name.rsplit('/', 1)[-1]: member for member in tar if member.isfile()}

        def read(name: str) -> bytes:
            file = tar.extractfile(members[name])
            assert file is not None
            return file.read()

        config = yaml.safe_load(read('model_config.yaml'))
        tokenizer = read(config['tokenizer']['model_path'].removeprefix('nemo:'))
        weights = io.BytesIO(read('model_weights.ckpt'))
        return config, tokenizer, torch.load(weights, weights_only=True)


def make_model(config: dict[str, Any], state: dict[str, Tensor]) -> Any:
    """Lay out transformers' model and give it the weights, every one in its place."""
    encoder, n_tokens = config['encoder'], config['decoder']['vocab_size']
    durations = config['decoding']['durations']
    if list(durations) != list(range(len(durations))):
        raise ValueError(f'decoding.durations is {durations}; transformers can only do 0, 1, 2, '
                         '...')
    model = transformers.ParakeetForTDT(transformers.ParakeetTDTConfig(
        vocab_size=n_tokens + 1, blank_token_id=n_tokens, durations=durations,
        decoder_hidden_size=config['decoder']['prednet']['pred_hidden'],
        num_decoder_layers=config['decoder']['prednet']['pred_rnn_layers'],
        encoder_config=transformers.ParakeetEncoderConfig(
            hidden_size=encoder['d_model'], num_hidden_layers=encoder['n_layers'],
            num_attention_heads=encoder['n_heads'],
            intermediate_size=encoder['d_model'] * encoder['ff_expansion_factor'],
            subsampling_conv_channels=encoder['subsampling_conv_channels'],
            num_mel_bins=encoder['feat_in'], conv_kernel_size=encoder['conv_kernel_size'],
            attention_bias=encoder['use_bias'], convolution_bias=encoder['use_bias'],
            scale_input=encoder['xscaling'], layerdrop=0.0)))
    renamed = {_rename(name): tensor for name, tensor in state.items()
               if name.startswith(('encoder.', 'decoder.', 'joint.'))}
    model.load_state_dict(renamed, strict=True)
    model.generation_config.decoder_start_token_id = n_tokens
    # generate() would take a duration's logit for a token's
    model.generation_config.suppress_tokens = list(
        range(n_tokens + 1, n_tokens + 1 + len(durations)))
    return model


def _rename(name: str) -> str:
    for pattern, replacement in NAMES:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def make_processor(tokenizer_model: bytes, n_mels: int) -> Any:
    """Wrap the tokenizer as transformers' own converter does for NVIDIA's models."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'tokenizer.model')
        path.write_bytes(tokenizer_model)
        converted = ParakeetConverter(str(path)).converted()
    tokenizer = transformers.ParakeetTokenizer(
        tokenizer_object=converted, clean_up_tokenization_spaces=False)
    special = {name: transformers.AddedToken(f'<{name}>', normalized=False, special=True)
               for name in ('blank', 'pad', 'unk')}
    tokenizer.add_tokens([special['blank']])
    tokenizer.add_special_tokens({'pad_token': special['pad'], 'unk_token': special['unk']})
    extractor = transformers.ParakeetFeatureExtractor(feature_size=n_mels)
    return transformers.ParakeetProcessor(extractor, tokenizer, decoder_type='tdt')


def main() -> int:
    """Convert one file."""
    parser = argparse.ArgumentParser(
        prog='convert_transformers', description="Convert a TDT .nemo to transformers' format.")
    parser.add_argument('nemo', type=Path, help='the .nemo file')
    parser.add_argument('output', type=Path, help='the folder to write')
    options = parser.parse_args()
    try:
        config, tokenizer, state = read_nemo(options.nemo)
        model = make_model(config, state)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        print(f'convert_transformers: {options.nemo}: {error!r}', file=sys.stderr)
        return 2
    make_processor(tokenizer, config['encoder']['feat_in']).save_pretrained(options.output)
    model.save_pretrained(options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
