"""One command: from a grammar to a model file that knows its sentences."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
import json
from pathlib import Path
import shutil

import numpy as np
from parakeet_ros.cli.main import main
from parakeet_ros.engine import load_model
from parakeet_ros.training import voices
from parakeet_ros.training.architecture import Sizes
from parakeet_ros.training.augment import AugmentOptions
from parakeet_ros.training.corpus import corpora, Corpus, CorpusWriter, SAMPLE_RATE_HZ
from parakeet_ros.training.evaluation import recordings, transcribe
from parakeet_ros.training.export import export
from parakeet_ros.training.fine_tune import _speak, Job, Result, run
from parakeet_ros.training.grammar import load_grammar
from parakeet_ros.training.held_out import hold_out
from parakeet_ros.training.start import fresh_start, read_start
from parakeet_ros.training.vocabulary import train_tokenizer
import pytest
from tones import Tones
import torch

GRAMMAR = """
sentences:
  - (to | no | so) (e | o) (no | so | to) [e | o]
  - (so | to) (e | o)
"""
# What a whistle of three letters needs no hardening against, in the time of a test.
GENTLE = AugmentOptions(equalised_share=0, room_share=0, noise_share=0, band_share=0,
                        long_silence_share=0, clipped_share=0)
STEPS = 340


@pytest.fixture(scope='module')
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Prepare a grammar, a model with random weights, and a voice."""
    folder = tmp_path_factory.mktemp('toy')
    (folder / 'grammar.yaml').write_text(GRAMMAR)
    start = fresh_start(
        Sizes(n_layers=1, d_model=32, n_heads=2, subsampling_channels=8, prediction_size=16,
              joint_size=32),
        train_tokenizer(['to no so e o'] * 5, 12))
    export(folder / 'new.nemo', start, start.network(seed=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(voices.ENGINES, 'tones', Tones)
        yield Job(folder / 'grammar.yaml', folder / 'toy.nemo', source=str(folder / 'new.nemo'),
                  engines=('tones',), steps=STEPS, speech_minutes=1.5, general=False,
                  device='cpu', learning_rate=5e-3, batch_s=6.0, augment=GENTLE)


@pytest.fixture(scope='module')
def result(job: Job) -> Result:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a model of this size gains nothing from more
    try:
        return run(job, lambda text: None)
    finally:
        torch.set_num_threads(threads)


def test_toy_learns_sentences_that_were_kept_from_it(result: Result) -> None:
    assert result.before.words > 10
    assert result.before.wer_percent > 90
    assert result.after.wer_percent < 60


def test_held_out_sentences_are_not_in_the_corpus(result: Result, job: Job) -> None:
    held_out = {clip.text for clip in Corpus(job.folder / 'held-out' / 'tones').clips}
    trained = {clip.text for corpus in corpora(job.folder / 'corpus') for clip in corpus.clips}
    assert held_out and trained - {''} and not held_out & trained
    assert '' in trained  # noise


def test_exported_toy_hears_as_measured(result: Result, job: Job) -> None:
    corpus = Corpus(job.folder / 'held-out' / 'tones')
    heard = transcribe(load_model(job.output, device='cpu'), recordings(corpus))
    assert result.after.right == sum(
        text == clip.text for text, clip in zip(heard, corpus.clips, strict=True))


def test_a_finished_job_is_not_done_again(result: Result, job: Job) -> None:
    said: list[str] = []
    again = run(job, said.append)
    assert again == result
    assert not any('speaking' in text for text in said)
    assert not any(text.startswith('step ') for text in said)


def test_work_for_another_grammar_is_not_taken_for_this_one(result: Result, job: Job) -> None:
    other = job.grammar.with_name('other.yaml')
    other.write_text(GRAMMAR.replace('no', 'to'))
    said: list[str] = []
    with pytest.raises(ValueError, match='toy.work was made for another grammar'):
        run(replace(job, grammar=other), said.append)
    assert not said


def test_work_from_other_weights_of_the_same_name_is_not_gone_on_with(
        result: Result, job: Job) -> None:
    model = Path(job.source)
    kept = model.read_bytes()
    start = read_start(model)
    try:
        other = start.network()
        other.load_nemo_state({name: 2 * value if value.is_floating_point() else value
                               for name, value in start.state.items()})
        export(model, start, other)
        with pytest.raises(ValueError, match='was made for another grammar, model'):
            run(job, lambda text: None)
        record = job.folder / 'job.json'
        asked = json.loads(record.read_text())
        record.write_text(json.dumps({k: v for k, v in asked.items() if k != 'weights'}))
        assert run(job, lambda text: None).after.clips == result.after.clips, 'of an older version'
        record.write_text(json.dumps(asked))
    finally:
        model.write_bytes(kept)


def test_a_finished_job_goes_on_where_more_steps_are_asked_for(
    result: Result, job: Job, tmp_path: Path
) -> None:
    longer = replace(job, output=tmp_path / 'toy.nemo', steps=STEPS + 2)
    shutil.copytree(job.folder, longer.folder)
    run(longer, lambda text: None)
    assert torch.load(longer.folder / 'last.pt', weights_only=True)['step'] == STEPS + 2


def test_backgrounds_that_had_no_speech_to_go_with_are_made_again(
    job: Job, tmp_path: Path
) -> None:
    again = replace(job, output=tmp_path / 'x.nemo')
    with CorpusWriter(again.folder / 'corpus' / 'background'):
        pass
    with CorpusWriter(again.folder / 'corpus' / 'tones') as writer:
        writer.add(np.zeros(60 * SAMPLE_RATE_HZ, np.float32), text='to', voice='', engine='tones',
                   licence='', split='train', kind='command')
    grammar = load_grammar(job.grammar)
    _speak(again, grammar, hold_out(grammar, again.seed), (), lambda text: None)
    assert len(Corpus(again.folder / 'corpus' / 'background'))


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--output', 'model.bin'], 'ends in .nemo'),
    (['--output', 'no/such/folder/x.nemo'], 'no such folder'),
    (['--minutes', '0'], 'above 0'),
    (['--steps', '0'], 'at least 1'),
    (['--output', 'x.nemo', '--from', 'x.nemo'], 'the model to start from is kept'),
    (['--device', 'abacus'], "unknown device 'abacus'"),
    (['--grammar', 'missing.yaml'], 'missing.yaml'),
    (['--voices', 'ghost'], "no voice engine 'ghost'"),
    (['--from', 'missing.nemo'], 'missing.nemo'),
])
def test_command_names_what_is_wrong_with_it(
    arguments: list[str], message: str, job: Job, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = ['--grammar', str(job.grammar), '--output', str(tmp_path / 'x.nemo'), '--from',
             job.source]
    assert main(['train', *usual, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_is_kept_whatever_it_is_called(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('x.nemo').touch()
    Path('link.nemo').symlink_to('x.nemo')
    Path('folder.nemo').mkdir()
    for source, output in (('link.nemo', 'x.nemo'), ('x.nemo', 'link.nemo'),
                           ('x.nemo', 'folder.nemo/../x.nemo')):
        assert main(['train', '--grammar', str(job.grammar), '--output', output,
                     '--from', source]) == 1
        assert 'the model to start from is kept' in capsys.readouterr().err
    assert main(['train', '--grammar', str(job.grammar), '--output', 'folder.nemo']) == 1
    assert 'folder.nemo is a folder' in capsys.readouterr().err


def test_letters_that_the_model_cannot_write_are_named(job: Job, tmp_path: Path) -> None:
    grammar = tmp_path / 'other.yaml'
    grammar.write_text('sentences: [to the quay]')
    with pytest.raises(ValueError, match='cannot write q u a y h; use other letters'):
        run(Job(grammar, tmp_path / 'x.nemo', source=job.source), lambda text: None)
