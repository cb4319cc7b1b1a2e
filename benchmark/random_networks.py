"""
Random networks under NeMo's names, with a head that decodes at the rate of speech.

Untrained weights decode to one blank after another, or to tokens without end, and the time of the
decoder then means nothing. So the head is *calibrated* on a recording of speech: the joint is
made to hear both of its inputs, and the output biases are moved until greedy decoding takes
blanks and durations in the wanted shares and, with a TDT head, never lingers on a frame.
"""

from collections import Counter
from collections.abc import Sequence
import math
from typing import NamedTuple

from parakeet_ros.engine.config import ModelConfig
from parakeet_ros.engine.encoder import FastConformerEncoder
from parakeet_ros.engine.features import LogMel
from parakeet_ros.engine.mel_filters import hann_window, slaney_filters
from shapes import MAX_SYMBOLS, SAMPLE_RATE, Shape
import torch
from torch import nn, Tensor

# Wanted shares: with them a second of speech (12.5 encoder frames) has about 4 tokens.
BLANK_SHARE = {'tdt': 0.25, 'rnnt': 0.75, 'ctc': 0.67}
DURATION_SHARES = (0.02, 0.22, 0.35, 0.26, 0.15)
ROUNDS = 40
MOST_ON_A_FRAME = 3  # tokens


class Decision(NamedTuple):
    """One evaluation of the joint."""

    hidden: Tensor  # [J] after the activation
    label: int
    duration: int  # index
    frame: int


class RandomModel(nn.Module):
    """All networks of a model; ``state_dict`` has the names of a ``.nemo`` file's weights."""

    def __init__(self, shape: Shape, config: ModelConfig) -> None:
        """Draw the weights; ``torch.manual_seed`` decides them."""
        super().__init__()
        self.shape = shape
        features = LogMel(config.features)
        features.window.copy_(hann_window(config.features.window_samples))
        features.filterbank.copy_(
            slaney_filters(shape.n_mels, config.features.n_fft, SAMPLE_RATE))
        self._features = (features,)  # in a tuple: not a submodule, so not in state_dict
        self.preprocessor = nn.ModuleDict({'featurizer': nn.Module()})
        self.preprocessor['featurizer'].register_buffer('window', features.window)
        self.preprocessor['featurizer'].register_buffer('fb', features.filterbank)
        self.encoder = FastConformerEncoder(config.encoder)
        _move_off_defaults(self.encoder)
        if shape.has_transducer:
            self._add_transducer()
        if shape.has_ctc:
            layer = nn.Conv1d(shape.d_model, shape.vocab_size + 1, 1)
            module = nn.ModuleDict({'decoder_layers': nn.ModuleList([layer])})
            self.add_module('ctc_decoder' if shape.has_transducer else 'decoder', module)

    def _add_transducer(self) -> None:
        shape = self.shape
        embedding = nn.Embedding(shape.vocab_size + 1, shape.hidden, padding_idx=shape.vocab_size)
        lstm = nn.LSTM(shape.hidden, shape.hidden, shape.prediction_layers)
        self.decoder = nn.ModuleDict({'prediction': nn.ModuleDict({
            'embed': embedding, 'dec_rnn': nn.ModuleDict({'lstm': lstm})})})
        n_outputs = shape.vocab_size + 1 + len(shape.durations)
        self.joint = nn.ModuleDict({
            'enc': nn.Linear(shape.d_model, shape.hidden),
            'pred': nn.Linear(shape.hidden, shape.hidden),
            'joint_net': nn.Sequential(
                nn.ReLU(), nn.Dropout(0.2), nn.Linear(shape.hidden, n_outputs))})

    def encode(self, waveform: Tensor) -> Tensor:
        """Return the encoder frames ``[T, D]`` of a waveform ``[n_samples]``."""
        features, lengths = self._features[0]([waveform])
        encoded: Tensor = self.encoder(features, lengths)[0][0]
        return encoded

    def decode(self, encoded: Tensor) -> list[Decision]:
        """Decode greedily, one joint evaluation after another, and return them all."""
        blank, durations = self.shape.vocab_size, self.shape.durations or (0, 1)
        output = self.joint['joint_net'][-1]
        frames = self.joint['enc'](encoded)
        prediction, state = self._predict(blank, None)
        decisions: list[Decision] = []
        frame = on_frame = 0
        while frame < len(frames):
            hidden = (frames[frame] + prediction).relu()
            logits = output(hidden)
            label = int(logits[:blank + 1].argmax())
            chosen = int(logits[blank + 1:].argmax()) if self.shape.durations else 0
            decisions.append(Decision(hidden, label, chosen, frame))
            advance = durations[chosen]
            if label == blank:
                advance = max(advance, 1)
            else:
                prediction, state = self._predict(label, state)
                on_frame = on_frame + 1 if advance == 0 else 0
                advance += on_frame >= MAX_SYMBOLS
            frame += advance
            on_frame = 0 if advance else on_frame
        return decisions

    def _predict(self, label: int, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, ...]:
        """Return the joint's view of the next prediction, ``[J]``, and the next state."""
        prediction = self.decoder['prediction']
        embedded = prediction['embed'].weight[label][None]
        output, state = prediction['dec_rnn']['lstm'](embedded, state)
        return self.joint['pred'](output[0]), state


@torch.no_grad()
def make_random_model(shape: Shape, config: ModelConfig, speech: Tensor, seed: int) -> RandomModel:
    """
    Return a model that decodes at the rate of speech.

    :param speech: float32 ``[n_samples]`` at 16 kHz, some seconds of continuous speech.
    """
    torch.manual_seed(seed)
    model = RandomModel(shape, config).eval()
    recordings = [model.encode(waveform) for waveform in (speech, *_others(speech))]
    if shape.has_transducer:
        _open_ears(model, recordings[0])
        _seek_shares(model, recordings)
    if shape.has_ctc:
        _calibrate_ctc(model, recordings[0])
    return model


def _move_off_defaults(encoder: nn.Module) -> None:
    """Give norms, statistics and biases values that an engine cannot get right by chance."""
    for name, value in encoder.state_dict().items():
        if 'running_var' in name:
            value.uniform_(0.05, 0.3)  # what a depthwise convolution of unit input gives
        elif 'pos_bias' in name or 'running_mean' in name:
            value.uniform_(-0.1, 0.1)
        elif 'norm' in name and name.endswith('weight'):
            value.uniform_(0.8, 1.2)
        elif name.startswith('layers.') and name.endswith('bias'):
            value.uniform_(-0.1, 0.1)


def _others(speech: Tensor) -> list[Tensor]:
    """Return inputs of other kinds, on which decoding must not linger either."""
    seconds = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    return [speech[len(speech) // 4: len(speech) // 2], 0.1 * torch.randn(SAMPLE_RATE),
            0.5 * torch.sin(2 * math.pi * (80 + 1500 * seconds) * seconds),
            torch.zeros(SAMPLE_RATE)]


def _open_ears(model: RandomModel, encoded: Tensor) -> None:
    """
    Let the joint hear the change over time in its inputs.

    A TDT head hears the encoder twice as loud as the prediction; an RNN-T head the other way
    round, because only a token just emitted can keep it from emitting more on the same frame.
    """
    loudness = 0.5 if model.shape.durations else 2.0
    prediction = model.decoder['prediction']
    labels = torch.randint(model.shape.vocab_size, (64,))
    predicted = prediction['dec_rnn']['lstm'](prediction['embed'](labels))[0]
    for layer, inputs, spread in ((model.joint['enc'], encoded, 1.0),
                                  (model.joint['pred'], predicted, loudness)):
        heard = inputs @ layer.weight.T
        layer.weight.mul_(spread / (heard - heard.mean(0)).std())
        layer.bias.copy_(-(inputs @ layer.weight.T).mean(0))
    output = model.joint['joint_net'][-1]
    output.weight.normal_(std=model.shape.hidden ** -0.5 * 6)
    output.weight[model.shape.vocab_size:] *= 2  # blank and durations: spread over a wider range
    if model.shape.durations:  # staying on a frame depends on the bias more than on the input
        output.weight[model.shape.vocab_size + 1] *= 0.1


def _seek_shares(model: RandomModel, recordings: Sequence[Tensor]) -> None:
    """
    Move the output biases until decoding behaves, and keep the best found.

    The first recording must get the wanted shares, and with a TDT head none may linger on a
    frame: peers without max_symbols would stay there for ever.
    """
    output, blank = model.joint['joint_net'][-1], model.shape.vocab_size
    durations = model.shape.durations
    wanted = torch.tensor(DURATION_SHARES[:len(durations)])
    wanted_blank = BLANK_SHARE['tdt' if durations else 'rnnt']
    hidden = (model.joint['enc'](recordings[0]) + model.joint['pred'].bias).relu().mean(0)
    spread = 0.5 * float(output.weight[:blank].std()) * model.shape.hidden ** 0.5
    special = torch.zeros(1 + len(durations))  # added to the centred biases of blank, durations
    special[0] = 3 * spread  # about where the best of some thousand tokens is
    best_miss, best_bias = math.inf, output.bias
    for step in range(ROUNDS):
        output.bias.copy_(-output.weight @ hidden)
        output.bias[blank:] += special
        decisions = model.decode(recordings[0])
        is_blank = sum(d.label == blank for d in decisions) / len(decisions)
        shares = torch.bincount(torch.tensor([d.duration for d in decisions]),
                                minlength=len(wanted))[:len(wanted)] / len(decisions)
        miss = 2 * abs(is_blank - wanted_blank) + float((shares - wanted).abs().sum())
        lingers = durations and MOST_ON_A_FRAME < max(
            _most_on_a_frame(d, blank)
            for d in (decisions, *(model.decode(recording) for recording in recordings[1:])))
        if miss < best_miss and not lingers:
            best_miss, best_bias = miss, output.bias.clone()
        gain = spread / (1 + step / 4)
        special[0] += 2 * gain * (wanted_blank - is_blank)
        special[1:] += 0.4 * gain * ((wanted + 0.02) / (shares + 0.02)).log()
        if lingers:
            special[1] -= 0.5 * spread
        hidden = 0.8 * hidden + 0.2 * torch.stack([d.hidden for d in decisions]).mean(0)
    if math.isinf(best_miss):
        raise ValueError('these weights linger on a frame whatever the biases; try another seed')
    output.bias.copy_(best_bias)


def _most_on_a_frame(decisions: Sequence[Decision], blank: int) -> int:
    """Return the most tokens that one frame emitted."""
    tokens = Counter(d.frame for d in decisions if d.label != blank)
    return max(tokens.values(), default=0)


def _calibrate_ctc(model: RandomModel, encoded: Tensor) -> None:
    """Centre the logits over time and give blank the wanted share of the frames."""
    layer = (model.ctc_decoder if model.shape.has_transducer else model.decoder
             )['decoder_layers'][0]
    blank, centred = model.shape.vocab_size, encoded - encoded.mean(0)
    layer.weight.normal_(std=float(6 / centred.norm(dim=1).mean()))
    weight = layer.weight[:, :, 0]
    logits = centred @ weight.T
    ahead = logits[:, :blank].max(1).values - logits[:, blank]
    layer.bias.copy_(-(encoded.mean(0) @ weight.T))
    layer.bias[blank] += torch.quantile(ahead, BLANK_SHARE['ctc'])
