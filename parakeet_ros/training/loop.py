"""
The training loop: AdamW on 0.7 TDT + 0.3 CTC, several processes, exact resume.

A step depends on the weights, the optimiser's state and the step's number only: the data, the
dropout and the learning rate follow from the number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
import math
import os
from pathlib import Path
import time
from typing import Any

import numpy as np
import torch
from torch import distributed, Tensor
from torch.nn import functional

from .augment import spec_augment
from .data import Batch
from .losses import consistency_loss, flat_start_loss, tdt_loss
from .muon import Muon
from .network import TrainableModel

_MIN_RATE = 0.01  # of the learning rate, at the end
_SAVE_EVERY_S = 120.0
_BLEND_SHARE = 0.4  # of the flat start


@dataclass(frozen=True)
class LoopOptions:
    """How a model is trained."""

    n_steps: int
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    decay_share: float = 0.5  # of the steps, the last ones: the rate falls as a cosine
    # From random weights: first labels spread evenly, then CTC, then the transducer.
    flat_steps: int = 0
    ctc_only_steps: int = 0
    ctc_share: float = 0.3
    consistency_share: float = 0.2  # of the CTC loss is added, where a batch has two views
    sigma: float = 0.02
    weight_decay: float = 0.01
    max_gradient: float = 2.0
    seed: int = 1
    half_precision: bool = True  # bfloat16 where that is safe
    muon: bool = False  # for the matrices of the encoder, instead of AdamW


class Trainer:
    """A model, its optimiser and the number of the next step."""

    def __init__(self, network: TrainableModel, options: LoopOptions) -> None:
        """Begin at step 0."""
        self.network, self.options = network, options
        self.step = 0
        self.spent_s = 0.0  # in `run`, before a break, too
        orthogonal = network.wide_matrices() if options.muon else []
        others = [p for p in network.parameters() if all(p is not matrix for matrix in orthogonal)]
        adamw = partial(torch.optim.AdamW, [
            {'params': [p for p in others if p.dim() > 1], 'weight_decay': options.weight_decay},
            {'params': [p for p in others if p.dim() <= 1], 'weight_decay': 0.0}],
            lr=options.learning_rate, betas=(0.9, 0.98))
        try:
            self._optimizers: list[torch.optim.Optimizer] = [adamw(fused=True)]
        except RuntimeError:  # before torch 2.4 there is none on a CPU
            self._optimizers = [adamw()]
        if orthogonal:
            self._optimizers.append(Muon(
                orthogonal, options.learning_rate, weight_decay=options.weight_decay))

    @property
    def rank(self) -> int:
        """Return the number of this process among those that train together."""
        return distributed.get_rank() if distributed.is_initialized() else 0

    def learning_rate(self) -> float:
        """Return the rate of the next step: warm-up, constant, cosine."""
        options = self.options
        decay_steps = max(1.0, options.decay_share * options.n_steps)
        done = (self.step - self._first_falling) / decay_steps
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
        warm = min(1.0, (self.step + 1) / max(1, options.warmup_steps))
        return options.learning_rate * warm * (_MIN_RATE + (1 - _MIN_RATE) * cosine)

    @property
    def falling(self) -> bool:
        """Tell whether the learning rate has begun to fall."""
        return self.step > self._first_falling

    @property
    def _first_falling(self) -> float:
        return (1 - self.options.decay_share) * self.options.n_steps

    def train_step(self, batch: Batch) -> dict[str, float]:
        """
        Take one step.

        :returns: the losses per label of this process's batch and the norm of the gradient.
        """
        torch.manual_seed(self._seed(0))
        self.network.train()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group['lr'] = self.learning_rate()
        ctc, tdt = self._losses(batch)
        alone = self.step < max(self.options.flat_steps, self.options.ctc_only_steps)
        self.network.zero_grad()
        share = self.options.ctc_share
        loss = ctc if alone else share * ctc + (1 - share) * tdt
        loss.backward()  # type: ignore[no-untyped-call]
        self._average_gradients()
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.options.max_gradient)
        if norm.isfinite():
            for optimizer in self._optimizers:
                optimizer.step()
        self.step += 1
        return {'ctc': ctc.item(), 'tdt': tdt.item(), 'gradient': norm.item()}

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the CTC and the TDT loss per label."""
        network, options = self.network, self.options
        device = network.model.device
        with torch.no_grad():
            features, n_features = network.model.features(
                [waveform.to(device) for waveform in batch.waveforms])
            generator = torch.Generator().manual_seed(self._seed(1))
            features = spec_augment(features, n_features, generator)
        labels, n_labels = batch.labels.to(device), batch.n_labels.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=options.half_precision):
            outputs = network(features, n_features, labels, n_labels)
        scale = 1 / (n_labels + 1).sum()
        log_probabilities = outputs.ctc.log_softmax(2)
        ctc = functional.ctc_loss(
            log_probabilities.transpose(0, 1), labels, outputs.n_frames, n_labels,
            blank=network.head_config.blank_id, reduction='none', zero_infinity=True)
        if batch.n_views == 2:
            apart = consistency_loss(log_probabilities, outputs.n_frames)
            ctc = ctc + options.consistency_share * apart.repeat(2)
        if self.step < options.flat_steps:
            flat = flat_start_loss(outputs.ctc, outputs.n_frames, labels, n_labels)
            return self._blended(flat.mean(), ctc.sum() * scale), ctc.new_zeros(())
        if self.step < options.ctc_only_steps:
            return ctc.sum() * scale, ctc.new_zeros(())
        tdt = tdt_loss(
            outputs.joint, outputs.nodes, labels, outputs.n_frames, n_labels,
            network.head_config.durations, options.sigma)
        return ctc.sum() * scale, tdt.sum() * scale

    def _blended(self, flat: Tensor, ctc: Tensor) -> Tensor:
        """Go over from the flat start to CTC in the last of its steps."""
        start = (1 - _BLEND_SHARE) * self.options.flat_steps
        share = min(1.0, max(0.0, (self.step - start) / (_BLEND_SHARE * self.options.flat_steps)))
        return (1 - share) * flat + share * ctc

    def _seed(self, purpose: int) -> int:
        """Return a seed of this step and process alone."""
        key = (self.options.seed, self.step, self.rank, purpose)
        return int(np.random.SeedSequence(key).generate_state(1)[0])

    def _average_gradients(self) -> None:
        """Give all processes the mean of their gradients."""
        if not distributed.is_initialized():
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        offset = 0
        for gradient in gradients:
            gradient.copy_(flat[offset:offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()

    def save(self, path: Path) -> None:
        """
        Write everything that the next steps depend on; the file is never half written.

        :raises OSError: it does not fit on the disk; what was saved before stays.
        """
        content = {'network': self.network.state_dict(), 'step': self.step,
                   'spent_s': self.spent_s, 'n_steps': self.options.n_steps,
                   'half_precision': self.options.half_precision,
                   'optimizers': [optimizer.state_dict() for optimizer in self._optimizers]}
        partial = path.with_name(f'{path.name}.partial')
        try:
            torch.save(content, partial)
            os.replace(partial, path)
        except RuntimeError as error:  # torch's for a full disk, which says nothing of one
            raise OSError(f'{path} cannot be written ({error}); make room on the disk, then the '
                          'same command goes on from what was saved before') from error
        finally:
            partial.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Go on where ``save`` was called."""
        content: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
        self.network.load_state_dict(content['network'])
        # Checkpoints before 2026-11-28 have one optimiser.
        states = content['optimizers'] if 'optimizers' in content else [content['optimizer']]
        for optimizer, state in zip(self._optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        self.step = content['step']
        self.spent_s = content.get('spent_s', 0.0)  # checkpoints before 2026-11-23 lack it
        self.options = replace(
            self.options, n_steps=content['n_steps'],
            half_precision=content.get('half_precision', True))  # all were, before 2026-11-28

    def run(
        self, batches: Callable[[int], Batch], checkpoint: Path | None,
        limit_s: float | None = None,
        report: Callable[[int, dict[str, float]], None] | None = None,
    ) -> None:
        """
        Take all steps that are left, and save now and then and at the end.

        :param batches: gives the batch of a step.
        :param checkpoint: the file to save to; one of several processes has one.
        :param limit_s: take as many steps as fit into so many seconds, those before a break
            among them; their number is settled when the learning rate begins to fall.
        :param report: is called after each step with its number and what it returned.
        """
        saved = time.monotonic()
        began = saved - self.spent_s
        while self.step < self.options.n_steps:
            result = self.train_step(batches(self.step))
            now = time.monotonic()
            self.spent_s = now - began
            if limit_s is not None and not self.falling:
                in_all = int(self.step * limit_s / self.spent_s)
                self.options = replace(self.options, n_steps=max(in_all, 1))
            if report is not None:
                report(self.step, result)
            if checkpoint is not None and now - saved > _SAVE_EVERY_S:
                self.save(checkpoint)
                saved = now
        if checkpoint is not None:
            self.save(checkpoint)
