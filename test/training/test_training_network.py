"""The network in training is the engine's network."""
from __future__ import annotations

from dataclasses import replace

from parakeet_ros.training.start import grown, Start, with_tokenizer
from parakeet_ros.training.vocabulary import train_tokenizer
import pytest
from tiny import TINY
import torch


def test_prediction_over_a_sequence_is_the_engines_step_by_step(tiny_start: Start) -> None:
    network = tiny_start.network().eval()
    config = network.head_config
    labels = torch.randint(0, config.vocab_size, (2, 4), generator=torch.Generator())
    with torch.no_grad():
        whole = network.predict(labels)
        memory = torch.zeros(2 * config.prediction_layers, 2, config.prediction_size)
        previous = torch.full((2,), config.blank_id)
        for position in range(5):
            output, memory = network.transducer.prediction(previous, memory)
            torch.testing.assert_close(whole[:, position], output)
            previous = labels[:, min(position, 3)]


def test_joint_over_all_pairs_is_the_engines_of_one_pair(tiny_start: Start) -> None:
    network = tiny_start.network().eval()
    features, lengths = torch.randn(2, 80, 64), torch.tensor([64, 40])
    labels, n_labels = torch.tensor([[3, 4, 0], [6, 7, 8]]), torch.tensor([2, 3])
    with torch.no_grad():
        outputs = network(features, lengths, labels, n_labels)
        encoded, n_frames = network.model.encoder(features, lengths)
        joint = network.transducer.joint
        pair = joint(joint.encoder(encoded[1, 2]), joint.prediction(network.predict(labels)[1, 3]))
    assert n_frames.tolist() == outputs.n_frames.tolist() == [8, 5]
    assert len(outputs.joint) == 8 * 3 + 5 * 4, 'no padding'
    torch.testing.assert_close(outputs.joint[8 * 3 + 2 * 4 + 3], pair)


def test_blank_is_never_learned(tiny_start: Start) -> None:
    network = tiny_start.network().train()
    outputs = network(torch.randn(1, 80, 64), torch.tensor([64]), torch.tensor([[3, 4]]),
                      torch.tensor([2]))
    (outputs.joint.sum() + outputs.ctc.sum()).backward()
    gradient = network.transducer.prediction.embedding.grad
    assert gradient is not None and gradient[3].any() and not gradient[-1].any()


def test_dropout_acts_in_training_only(tiny_start: Start) -> None:
    network = tiny_start.network()
    batch = torch.randn(1, 80, 64), torch.tensor([64]), torch.tensor([[3]]), torch.tensor([1])
    first, second = network.train()(*batch), network(*batch)
    assert not torch.equal(first.ctc, second.ctc)
    assert not torch.equal(first.joint, second.joint)
    network.eval()
    assert torch.equal(network(*batch).joint, network(*batch).joint)


def test_new_vocabulary_keeps_what_its_pieces_meant(tiny_start: Start) -> None:
    model = train_tokenizer(['stop left now', 'right now', 'go'] * 10, 26)
    changed = with_tokenizer(tiny_start, TINY, model)
    old, new = tiny_start.tokenizer.pieces, changed.tokenizer.pieces
    features, lengths = torch.randn(1, 80, 64), torch.tensor([64])
    shared = sorted(set(old) & set(new))
    assert len(shared) > 10 and [old.index(piece) for piece in shared] != [
        new.index(piece) for piece in shared]
    history = [shared[-1], shared[0]]
    outputs = []
    for start, pieces in ((tiny_start, old), (changed, new)):
        labels = torch.tensor([[pieces.index(piece) for piece in history]])
        picks = [*(pieces.index(piece) for piece in shared), -1]
        with torch.no_grad():
            result = start.network().eval()(features, lengths, labels, torch.tensor([2]))
        n_tokens = len(pieces) + 1  # with blank
        outputs.append((result.joint[:, :n_tokens][:, picks], result.ctc[..., picks],
                        result.joint[:, n_tokens:]))
    for before, after in zip(*outputs, strict=True):
        torch.testing.assert_close(before, after)


def test_new_weights_follow_from_the_seed(tiny_start: Start) -> None:
    empty = Start(tiny_start.raw_config, tiny_start.tokenizer_model, {})
    first, again, other = (empty.network(seed).nemo_state() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['joint.enc.weight'], other['joint.enc.weight'])


def test_weights_of_another_shape_are_refused(tiny_start: Start) -> None:
    network = tiny_start.network()
    with pytest.raises(ValueError, match='joint.enc.bias .* does not fit'):
        network.load_nemo_state({'joint.enc.bias': torch.zeros(3)})


def test_frozen_convolutions_do_not_learn(tiny_start: Start) -> None:
    network = tiny_start.network().train()
    network.freeze_subsampling()
    outputs = network(torch.randn(1, 80, 64), torch.tensor([64]), torch.tensor([[3]]),
                      torch.tensor([1]))
    (outputs.joint.sum() + outputs.ctc.sum()).backward()
    encoder = network.model.encoder
    assert all(parameter.grad is None for parameter in encoder.pre_encode.parameters())
    assert all(parameter.grad is not None for parameter in encoder.layers.parameters())


def test_a_grown_model_says_what_it_said_before(tiny_start: Start) -> None:
    batch = torch.randn(2, 80, 64), torch.tensor([64, 40]), torch.tensor([[3], [4]]), torch.ones(
        2, dtype=torch.int64)
    wider = grown(tiny_start, replace(TINY, feed_forward_factor=6))
    deeper = grown(tiny_start, replace(TINY, n_layers=3))  # its norms are those of a new model
    assert wider.config.encoder.feed_forward_factor == 6 and deeper.config.encoder.n_layers == 3
    with torch.no_grad():
        before = tiny_start.network().eval()(*batch)
        for start in (wider, deeper):
            after = start.network().eval()(*batch)
            torch.testing.assert_close(after.joint, before.joint, atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(after.ctc, before.ctc, atol=1e-4, rtol=1e-3)
    network = wider.network().train()
    outputs = network(*batch)
    (outputs.joint.sum() + outputs.ctc.square().sum()).backward()
    gradient = network.model.encoder.layers[0].feed_forward1.linear2.weight.grad
    assert gradient is not None and gradient[:, 4 * 16:].any(), 'what was added learns'


def test_a_model_does_not_shrink_nor_grow_elsewhere(tiny_start: Start) -> None:
    with pytest.raises(ValueError, match='can only grow'):
        grown(tiny_start, replace(TINY, feed_forward_factor=2))
    with pytest.raises(ValueError, match='joint.* another size; only layers'):
        grown(tiny_start, replace(TINY, joint_size=16))
