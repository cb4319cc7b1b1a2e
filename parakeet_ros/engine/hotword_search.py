"""
How hotwords steer greedy decoding.

While a decoder writes tokens, an automaton follows how far they have come into a phrase.  A token
that begins or continues one is raised by what is left of the phrase's weight, which what the
model would rather have written uses up: a phrase is written only where, over all its tokens, its
logits fall behind by no more than its weight.  Three rules keep the rest as it was:

- Blank or token is decided without weights, and durations never see them: no token appears where
  the model hears none.
- All or nothing.  The first token that a weight changes is a bet on the phrase.  If the phrase
  does not come to its end, the row returns to that token and takes the model's own.
- A phrase ends where a word ends, so 'car' is not put into 'camera'.  Whether it does is the
  model's decision alone: a longer phrase cannot claim it.

So a text differs from that without hotwords only by whole phrases and by what follows from them.

Tensors only, like the steps of ``decoding.py``: the rows of a batch know nothing of each other,
and storage is fixed.  A lost bet costs the decoding of its tokens once more.  Peers (NeMo's phrase
boosting, sherpa-onnx) add a constant to each token and leave a phrase half-written.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .hotwords import Hotwords
from .transducer import DecoderState

# What a lost bet brings back: all that decisions change.  The buffers of tokens stay, they are
# written again from n_tokens on.
_RESTORED = ('time', 'memory', 'prediction', 'last_frame', 'n_on_frame', 'n_tokens', 'score')
_NO_BET = -1


class HotwordSearch:
    """Where each row of a batch is in the phrases and what it bets on; changed in place."""

    def __init__(self, hotwords: Hotwords, state: DecoderState) -> None:
        """Begin at the root, without bets; the tables go to the state's device."""
        self.tables = hotwords.to(state.time.device)
        self.node = torch.zeros_like(state.time)  # int64 [B]
        self.bet = torch.full_like(state.time, _NO_BET)  # int64 [B] index of the token it is on
        self.spent = torch.zeros_like(state.score)  # float32 [B] of the weight, by the bet
        self.is_barred = torch.zeros_like(state.pending)  # bool [B] no weights for the next token
        self.saved = {name: getattr(state, name).clone() for name in _RESTORED}
        self.saved_node = self.node.clone()

    def choose(
        self, state: DecoderState, searching: Tensor, label: Tensor, logits: Tensor
    ) -> Tensor:
        """
        Return each row's label, int64 ``[B]``, with the weights counted.

        :param searching: bool ``[B]``, the rows that decide now.
        :param label: int64 ``[B]``, what the model alone decides.
        :param logits: raw, float32 ``[B, V + 1]``, blank last.
        """
        tables, blank_id = self.tables, logits.shape[1] - 1
        # The model itself ends the word: what a weight would rather have here may not.
        won = searching & self._is_whole(state) & tables.is_boundary[label]
        self.bet.masked_fill_(won, _NO_BET)
        self.spent.masked_fill_(won, 0.0)
        target = tables.successor[self.node][:, tables.column]
        raise_by = (tables.weight[target] - self.spent[:, None]).clamp(min=0.0)
        choice = (logits + raise_by)[:, :blank_id].argmax(1)
        choice = torch.where((label == blank_id) | self.is_barred, label, choice)

        opens = searching & (choice != label) & (self.bet == _NO_BET)
        for name, saved in self.saved.items():
            _assign(saved, opens, getattr(state, name))
        _assign(self.saved_node, opens, self.node)
        _assign(self.bet, opens, state.n_tokens)
        behind = logits.gather(1, label[:, None]) - logits.gather(1, choice[:, None])
        self.spent += torch.where(searching, behind[:, 0], 0.0)
        return choice

    def settle(self, state: DecoderState, found: Tensor, label: Tensor) -> None:
        """
        Follow the tokens just emitted, and take back the bets that are lost.

        :param found: bool ``[B]``, the rows that emitted.
        :param label: int64 ``[B]``, what they emitted.
        """
        tables = self.tables
        _assign(self.node, found, tables.successor[self.node, tables.column[label]])
        self.is_barred &= ~found
        is_whole = self._is_whole(state)
        is_alive = state.n_tokens - tables.depth[self.node] <= self.bet
        is_over = state.time >= state.lengths
        lost = (self.bet != _NO_BET) & ~is_whole & (is_over | ~is_alive)
        for name, saved in self.saved.items():
            _assign(getattr(state, name), lost, saved)
        _assign(self.node, lost, self.saved_node)
        state.pending &= ~lost
        self.is_barred |= lost
        self.bet.masked_fill_(lost, _NO_BET)
        self.spent.masked_fill_(self.bet == _NO_BET, 0.0)

    def _is_whole(self, state: DecoderState) -> Tensor:
        """Return bool ``[B]``: the last token ends a phrase that holds the token of the bet."""
        starts_at = state.n_tokens - self.tables.length[self.node]
        return (self.bet != _NO_BET) & (starts_at <= self.bet)


def _assign(target: Tensor, rows: Tensor, value: Tensor) -> None:
    """Set some rows of ``target``, ``[B]`` or ``[..., B, n]``, in place."""
    mask = rows if target.dim() == 1 else rows[:, None]
    target.copy_(torch.where(mask, value, target))
