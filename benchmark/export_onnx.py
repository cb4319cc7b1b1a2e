"""
Make the folder of ONNX files that onnx-asr loads from a TDT `.nemo` file.

`export` uses NeMo's own exporter and runs where NeMo and onnx are installed; it takes about four
times the memory of the weights. `quantize` adds copies with int8 weights, dynamically quantized
as onnx-asr's published models are, and runs where onnxruntime and onnx are. Neither uses anything
of this project.
"""

import argparse
import json
from pathlib import Path
import sys

MODEL_TYPE = 'nemo-conformer-tdt'
ENCODER, DECODER = 'encoder-model.onnx', 'decoder_joint-model.onnx'


def export(nemo_file: Path, folder: Path) -> None:
    """Write encoder, decoder with joint, vocabulary and configuration."""
    import nemo.collections.asr as nemo_asr
    import torch
    model = nemo_asr.models.ASRModel.restore_from(str(nemo_file), map_location='cpu').eval()
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        model.export(str(folder / 'model.onnx'), use_dynamo=False)
    vocabulary = [*model.tokenizer.vocab, '<blk>']
    (folder / 'vocab.txt').write_text(
        ''.join(f'{piece} {number}\n' for number, piece in enumerate(vocabulary)), 'utf-8')
    (folder / 'config.json').write_text(json.dumps({
        'model_type': MODEL_TYPE, 'features_size': model.cfg.encoder.feat_in,
        'subsampling_factor': model.cfg.encoder.subsampling_factor}))


def quantize(folder: Path) -> None:
    """Write copies of encoder and decoder with int8 weights."""
    from onnxruntime.quantization import quantize_dynamic, QuantType
    for name in (ENCODER, DECODER):
        quantize_dynamic(folder / name, (folder / name).with_suffix('.int8.onnx'),
                         weight_type=QuantType.QUInt8)


def main() -> int:
    """Export a file, or quantize what was exported."""
    parser = argparse.ArgumentParser(
        prog='export_onnx', description='Make the ONNX files that onnx-asr loads.')
    commands = parser.add_subparsers(dest='command', required=True)
    exporting = commands.add_parser('export', help='.nemo to ONNX, with NeMo')
    exporting.add_argument('nemo', type=Path, help='the .nemo file')
    exporting.add_argument('folder', type=Path, help='the folder to write')
    quantizing = commands.add_parser('quantize', help='add int8 copies, with onnxruntime')
    quantizing.add_argument('folder', type=Path, help='the folder that export wrote')
    options = parser.parse_args()
    needed = options.nemo if options.command == 'export' else options.folder / ENCODER
    if not needed.is_file():
        print(f'export_onnx: {needed}: no such file', file=sys.stderr)
        return 2
    if options.command == 'export':
        export(options.nemo, options.folder)
    else:
        quantize(options.folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
