"""The batched, tensor-only decoding equals a naive loop over one utterance."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from parakeet_ros.engine.decoding import DecodingOptions, greedy_decode, predict_step, search_step
from parakeet_ros.engine.head_config import TransducerConfig
from parakeet_ros.engine.transducer import DecoderState, LstmCell, Transducer
import pytest
import torch


def scripted_transducer(
    vocab_size: int, durations: tuple[int, ...], max_symbols: int, seed: int
) -> Transducer:
    """
    Return a real transducer whose joint adds the encoder frame to what the tokens said so far.

    Encoder frames then are scripts of logits, shifted by a random prediction network.
    """
    n_outputs = vocab_size + 1 + len(durations)
    config = TransducerConfig(
        vocab_size=vocab_size, encoder_size=n_outputs, prediction_size=5, prediction_layers=2,
        joint_size=n_outputs, activation='relu', durations=durations, max_symbols=max_symbols,
    )
    transducer = Transducer(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in transducer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        for layer in (transducer.joint.encoder, transducer.joint.output):
            layer.weight.copy_(torch.eye(n_outputs))
            layer.bias.zero_()
        transducer.joint.prediction.bias.fill_(4.0)  # above 0, so that ReLU seldom clips
    return transducer.requires_grad_(False)


def as_nn_lstm(transducer: Transducer) -> torch.nn.LSTM:
    """Return torch's own LSTM with the prediction network's weights."""
    size = transducer.config.prediction_size
    lstm = torch.nn.LSTM(size, size, transducer.config.prediction_layers)
    lstm.load_state_dict({
        f'{name}_l{layer}': getattr(cell, name)
        for layer, cell in enumerate(transducer.prediction.cells)
        for name in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh')
    })
    return lstm.requires_grad_(False)


def naive_decode(
    transducer: Transducer, encoded: torch.Tensor
) -> tuple[list[int], list[int], list[int], float]:
    """Decode one utterance ``[T, D]`` as the definition of greedy TDT or RNN-T reads."""
    config, joint, lstm = transducer.config, transducer.joint, as_nn_lstm(transducer)
    output, state = lstm(transducer.prediction.embedding[config.blank_id][None])
    tokens, frames, durations, score = [], [], [], 0.0
    time, n_on_frame = 0, 0
    while time < len(encoded):
        logits = joint(joint.encoder(encoded[time][None]), joint.prediction(output))[0]
        label = int(logits[: config.vocab_size + 1].argmax())
        duration = 0  # RNN-T stays on the frame until a blank
        if config.durations:
            duration = config.durations[int(logits[config.vocab_size + 1:].argmax())]
        if label == config.blank_id:
            time, n_on_frame = time + max(duration, 1), 0
            continue
        tokens.append(label)
        frames.append(time)
        durations.append(duration if config.durations else 1)
        score += float(logits.log_softmax(0)[label])
        output, state = lstm(transducer.prediction.embedding[label][None], state)
        n_on_frame += 1
        if duration == 0 and n_on_frame >= config.max_symbols:
            duration = 1
        if duration > 0:
            time, n_on_frame = time + duration, 0
    return tokens, frames, durations, score


def run_flat(
    transducer: Transducer, encoded: torch.Tensor, lengths: torch.Tensor
) -> DecoderState:
    """Alternate the two steps without a look at the state, as a captured graph would."""
    n_frames, max_symbols = encoded.shape[1], transducer.config.max_symbols
    state = DecoderState.start(transducer, encoded, lengths, n_frames * max_symbols)
    for _ in range(n_frames * (max_symbols + 1)):  # the most that decoding can take
        search_step(transducer, state, max_symbols)
        predict_step(transducer, state)
    return state


@given(
    seed=st.integers(0, 2**31),
    vocab_size=st.integers(1, 4),
    durations=st.sampled_from([(0, 1, 2, 3, 4), (1,), (0, 7), (2, 0, 1), ()]),
    max_symbols=st.integers(1, 4),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    stay=st.floats(-3.0, 6.0),
    blank=st.floats(-4.0, 4.0),
)
@settings(max_examples=100, deadline=None)
def test_every_row_of_a_batch_equals_the_naive_loop(
    seed, vocab_size, durations, max_symbols, lengths, stay, blank
):
    transducer = scripted_transducer(vocab_size, durations, max_symbols, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (len(lengths), max(max(lengths), 1), vocab_size + 1 + len(durations))
    encoded = 3.0 * torch.randn(shape, generator=generator)
    encoded[:, :, vocab_size] += blank
    encoded[:, :, vocab_size + 1: vocab_size + 2] += stay  # the first duration, 0 in most sets
    hypotheses = greedy_decode(transducer, encoded, torch.tensor(lengths))
    for row, (hypothesis, length) in enumerate(zip(hypotheses, lengths, strict=True)):
        tokens, frames, token_durations, score = naive_decode(transducer, encoded[row, :length])
        assert list(hypothesis.tokens) == tokens
        assert list(hypothesis.frames) == frames
        assert list(hypothesis.durations) == token_durations
        assert hypothesis.score == pytest.approx(score, rel=1e-3, abs=1e-3)
    state = run_flat(transducer, encoded, torch.tensor(lengths))
    for row, hypothesis in enumerate(hypotheses):
        n_tokens = int(state.n_tokens[row])
        assert tuple(state.tokens[row, :n_tokens].tolist()) == hypothesis.tokens
        assert tuple(state.frames[row, :n_tokens].tolist()) == hypothesis.frames
        assert tuple(state.token_durations[row, :n_tokens].tolist()) == hypothesis.durations


def looping(transducer: Transducer, n_frames: int) -> torch.Tensor:
    """Return frames on which token 0 with duration 0 always wins."""
    encoded = torch.zeros(1, n_frames, transducer.config.encoder_size)
    encoded[:, :, 0] = encoded[:, :, transducer.config.vocab_size + 1] = 100.0
    return encoded


@pytest.mark.parametrize(('asked', 'limit'), [(None, 3), (1, 1), (5, 5)])
def test_a_token_loop_ends_after_max_symbols_on_each_frame(asked, limit):
    transducer = scripted_transducer(2, (0, 1), max_symbols=3, seed=0)
    hypothesis, = greedy_decode(
        transducer, looping(transducer, 4), torch.tensor([4]), DecodingOptions(asked)
    )
    assert hypothesis.frames == tuple(frame for frame in range(4) for _ in range(limit))
    assert set(hypothesis.tokens) == {0} and set(hypothesis.durations) == {0}


def test_a_token_whose_duration_leads_past_the_end_is_kept():
    transducer = scripted_transducer(2, (0, 9), max_symbols=3, seed=0)
    encoded = torch.zeros(1, 3, transducer.config.encoder_size)
    encoded[:, :, 1] = encoded[:, :, 4] = 100.0
    hypothesis, = greedy_decode(transducer, encoded, torch.tensor([3]))
    assert (hypothesis.tokens, hypothesis.frames, hypothesis.durations) == ((1,), (0,), (9,))


@pytest.mark.parametrize('max_symbols', [0, -1, 2.5, True])
def test_a_limit_below_one_is_refused(max_symbols):
    with pytest.raises(ValueError, match='a whole number from 1'):
        DecodingOptions(max_symbols=max_symbols)


def test_steps_after_the_end_change_nothing():
    transducer = scripted_transducer(3, (0, 1, 2), max_symbols=2, seed=4)
    generator = torch.Generator().manual_seed(5)
    encoded = 3.0 * torch.randn(2, 6, transducer.config.encoder_size, generator=generator)
    state = DecoderState.start(transducer, encoded, torch.tensor([6, 2]), capacity=12)
    snapshots = []
    for _ in range(40):  # flat steps, as a graph would run them, far beyond the end
        search_step(transducer, state, max_symbols=2)
        predict_step(transducer, state)
        snapshots.append((state.n_tokens.clone(), state.score.clone(), state.time.clone(),
                          state.tokens[:, :12].clone(), state.prediction.clone()))
    for before, after in zip(snapshots[-2], snapshots[-1], strict=True):
        assert torch.equal(before, after)


def test_steps_keep_the_states_storage():
    transducer = scripted_transducer(3, (0, 1), max_symbols=2, seed=1)
    state = DecoderState.start(transducer, looping(transducer, 3), torch.tensor([3]), capacity=6)
    before = {name: value.data_ptr() for name, value in vars(state).items()}
    search_step(transducer, state, max_symbols=2)
    predict_step(transducer, state)
    assert {name: value.data_ptr() for name, value in vars(state).items()} == before


@given(seed=st.integers(0, 2**31), size=st.integers(1, 9), n=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_lstm_cell_equals_torch(seed, size, n):
    generator = torch.Generator().manual_seed(seed)
    cell = LstmCell(size)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    lstm = torch.nn.LSTM(size, size)
    lstm.load_state_dict({f'{name}_l0': value for name, value in cell.state_dict().items()})
    x, hidden, memory = torch.randn(3, n, size, generator=generator)
    output, (_, next_memory) = lstm(x[None], (hidden[None], memory[None]))
    ours = cell(x, hidden, memory)
    torch.testing.assert_close(ours[0], output[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ours[1], next_memory[0], rtol=0, atol=1e-5)
