"""
Kokoro's int8 graph in floating point, its convolutions in bfloat16, which is faster.

An int8 convolution rounds its input anew for each clip, which costs a CPU more than it gains. With
floating-point weights the vocoder, most of the work, runs in bfloat16 where the CPU computes with
that (OpenVINO). What comes before stays in float32: the phase of the vocoder's sine waves is a sum
over all samples so far, which bfloat16 would spoil. The audio is closer to that of float32 than
what the int8 graph gives.
"""
from collections.abc import Mapping, Sequence
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The vocoder begins where these convolutions take in the spectrum of the sine waves.
VOCODER_INPUT = 'generator/noise_convs'

Arrays = Mapping[str, NDArray[Any]]


def fast_session(path: Path) -> 'FloatSession | None':
    """Return a fast session for Kokoro's file, or nothing where packages or CPU lack for it."""
    try:
        import onnx  # noqa: F401
        import openvino
    except ImportError:
        return None
    if 'BF16' not in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        return None
    return FloatSession(path)


class FloatSession:
    """Runs Kokoro as ``onnxruntime.InferenceSession`` does, on one thread."""

    def __init__(self, path: Path, precision: str = 'bf16') -> None:
        import onnx
        import onnxruntime
        import openvino
        graph = _Graph(onnx.load(path))
        graph.dequantize()
        before, after = graph.split(VOCODER_INPUT)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._before = onnxruntime.InferenceSession(
            before.SerializeToString(), options, providers=['CPUExecutionProvider'])
        self._between = [output.name for output in self._before.get_outputs()]
        core = openvino.Core()
        vocoder = core.compile_model(
            core.read_model(io.BytesIO(after.SerializeToString())), 'CPU',
            {'INFERENCE_NUM_THREADS': 1, 'INFERENCE_PRECISION_HINT': precision,
             'CPU_RUNTIME_CACHE_CAPACITY': 0})  # every clip has a length of its own
        self._inputs = [tensor.get_any_name() for tensor in vocoder.inputs]
        self._vocoder = vocoder.create_infer_request()

    def run(self, outputs: None, inputs: Arrays) -> list[NDArray[np.float32]]:
        """Return the audio, float32 ``[n_samples]``, as the only output."""
        values = {**inputs, **dict(zip(self._between, self._before.run(None, inputs)))}
        result = self._vocoder.infer({name: values[name] for name in self._inputs})
        return [np.array(result[0], np.float32)]


class _Graph:
    """An ONNX graph that is being changed."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._nodes = list(model.graph.node)
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._producer = {name: node for node in self._nodes for name in node.output}
        self._consumers: dict[str, list[Any]] = {}
        for node in self._nodes:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def dequantize(self) -> None:
        """Replace each int8 product, its scales and its bias by one of floating-point numbers."""
        replaced: dict[str, Any] = {}  # by the last output of what is replaced
        for node in self._nodes:
            if node.op_type in ('ConvInteger', 'MatMulInteger'):
                new = self._float_product(node)
                replaced[new.output[0]] = new
            elif node.op_type == 'DynamicQuantizeLSTM':
                new = self._float_lstm(node)
                replaced[new.output[0]] = new
        self._nodes = [next((replaced[name] for name in node.output if name in replaced), node)
                       for node in self._nodes]

    def split(self, part: str) -> tuple[Any, Any]:
        """
        Cut in two at what goes into the convolutions of ``part``.

        :returns: all that this input depends on, and all else that the outputs need.
        """
        self._producer = {name: node for node in self._nodes for name in node.output}
        border = {node.input[0] for node in self._nodes
                  if node.op_type == 'Conv' and part in node.name}
        needed = self._needed([output.name for output in self._model.graph.output])
        first = self._needed(border)
        before = [node for node in self._nodes if id(node) in first]
        after = [node for node in self._nodes if id(node) in needed - first]
        made = {name for node in before for name in node.output}
        between = sorted({name for node in after for name in node.input if name in made})
        inputs = list(self._model.graph.input)
        from onnx import helper
        cut = [helper.make_empty_tensor_value_info(name) for name in between]
        first_model = self._built(before, inputs, cut)
        return first_model, self._built(
            after, [*inputs, *_typed(first_model, cut)], list(self._model.graph.output))

    def _float_product(self, node: Any) -> Any:
        """Return the floating-point product for ``[x * w] + bias, to float, * scales``."""
        from onnx import helper
        quantize = self._producer[node.input[0]]  # gives x, its scale, its zero point
        follower, = self._consumers[node.output[0]]
        bias: list[str] = []
        if follower.op_type == 'Add':  # of an integer made from bias / scales
            other, = (name for name in follower.input if name != node.output[0])
            maker = self._producer[other]
            while maker.op_type != 'Div':
                maker = self._producer[maker.input[0]]
            bias = [maker.input[0]]
            follower, = self._consumers[follower.output[0]]
        scaled, = self._consumers[follower.output[0]]  # the follower makes it float
        other, = (name for name in scaled.input if name != follower.output[0])
        scale, = (name for name in self._producer[other].input if name != quantize.output[1])
        weight = self._value(node.input[1]).astype(np.float32)
        weight = weight - self._value(node.input[3]).astype(np.float32)
        scales = self._value(scale)
        if node.op_type == 'ConvInteger' and scales.size > 1:
            scales = scales.reshape(-1, *[1] * (weight.ndim - 1))
        new = helper.make_node(
            node.op_type.removesuffix('Integer'),
            [quantize.input[0], self._constant(node.input[1], weight * scales), *bias],
            [scaled.output[0]], name=node.name)
        new.attribute.extend(node.attribute)
        return new

    def _float_lstm(self, node: Any) -> Any:
        """Return the LSTM of ONNX, whose weights are transposed."""
        from onnx import helper
        x, weight, recurrent, *rest = node.input
        w_scale, w_zero, r_scale, r_zero = rest[-4:]
        names = []
        for name, scale, zero in ((weight, w_scale, w_zero), (recurrent, r_scale, r_zero)):
            value, one, other = (self._value(part).astype(np.float32)
                                 for part in (name, scale, zero))
            shape = (len(value), 1, -1)
            value = (value - other.reshape(shape)) * one.reshape(shape)
            names.append(self._constant(name, np.ascontiguousarray(value.transpose(0, 2, 1))))
        new = helper.make_node('LSTM', [x, *names, *rest[:4]], list(node.output), name=node.name)
        new.attribute.extend(node.attribute)
        return new

    def _value(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper
        value: NDArray[Any] = numpy_helper.to_array(self._constants[name])
        return value

    def _constant(self, name: str, value: NDArray[np.float32]) -> str:
        from onnx import numpy_helper
        name = f'{name}_float'
        self._constants[name] = numpy_helper.from_array(value.astype(np.float32), name)
        return name

    def _needed(self, outputs: Sequence[str] | set[str]) -> set[int]:
        """Return the ids of all nodes that the outputs depend on."""
        needed: set[int] = set()
        pending = list(outputs)
        while pending:
            node = self._producer.get(pending.pop())
            if node is not None and id(node) not in needed:
                needed.add(id(node))
                pending += node.input
        return needed

    def _built(self, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return a model of these nodes."""
        from onnx import helper
        used = {name for node in nodes for name in node.input}
        constants = [tensor for name, tensor in self._constants.items() if name in used]
        graph = helper.make_graph(nodes, 'kokoro', inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=self._model.opset_import,
                                 ir_version=self._model.ir_version)


def _typed(model: Any, outputs: Sequence[Any]) -> list[Any]:
    """Return the outputs of the first part with their types and what of the shapes is fixed."""
    from onnx import helper
    import onnxruntime
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider'])
    lengths = []
    for n_tokens in (20, 30):
        values = session.run(None, {
            'tokens': np.zeros((1, n_tokens), np.int64),
            'style': np.zeros((1, 256), np.float32), 'speed': np.ones(1, np.float32)})
        lengths.append(values)
    typed = []
    for output, one, other in zip(outputs, *lengths):
        shape = [a if a == b else None for a, b in zip(one.shape, other.shape)]
        typed.append(helper.make_tensor_value_info(
            output.name, helper.np_dtype_to_tensor_dtype(one.dtype), shape))
    return typed
