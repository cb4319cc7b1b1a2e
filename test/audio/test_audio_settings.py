"""Settings that make no sense are refused in words."""
from dataclasses import fields

from parakeet_ros.audio import SegmenterConfig
import pytest


@pytest.mark.parametrize('spec', fields(SegmenterConfig), ids=lambda spec: spec.name)
def test_every_setting_is_described_and_bounded(spec):
    low, high = spec.metadata['range']
    assert low <= spec.default <= high
    assert spec.metadata['description']
    assert spec.name.endswith(('_db', '_s'))


@pytest.mark.parametrize('spec', fields(SegmenterConfig), ids=lambda spec: spec.name)
@pytest.mark.parametrize('bad', ['low', 'high', 'nan'])
def test_a_value_out_of_range_is_refused_by_name_value_and_bounds(spec, bad):
    low, high = spec.metadata['range']
    value = {'low': low - 0.5, 'high': high + 0.5, 'nan': float('nan')}[bad]
    with pytest.raises(ValueError, match=rf'{spec.name} is {value}: .*{low} and {high}'):
        SegmenterConfig(**{spec.name: value})


@pytest.mark.parametrize('values, message', [
    ({'onset_db': 5.0, 'offset_db': 5.5}, r'offset_db is 5.5: .*onset_db \(5.0\)'),
    ({'hangover_s': 0.2, 'post_roll_s': 0.3}, r'post_roll_s is 0.3: .*hangover_s \(0.2\)'),
    ({'max_utterance_s': 2.0, 'pre_roll_s': 1.0}, r'max_utterance_s is 2.0: .*at least 2.32')])
def test_settings_that_contradict_each_other_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SegmenterConfig(**values)
