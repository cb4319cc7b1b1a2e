"""The roofline counts what the engine does, and says how long it must take."""

import gc
import json

from operators import Counter, Gpu, Stage
import pytest
import roofline
import torch
from torch.nn import functional


def counted(work):
    """Return the stage of what a function does with a weight [6, 4]."""
    weight = torch.zeros(6, 4, dtype=torch.float16, device='meta')
    with torch.inference_mode(), Counter('work', [weight]) as counter:
        work(weight)
    return counter.stage


def test_a_product_reads_its_weight_and_writes_its_result():
    x = torch.zeros(5, 4, dtype=torch.float16, device='meta')
    stage = counted(lambda weight: functional.linear(x, weight))
    assert (stage.launches, stage.flop) == (1, 2 * 5 * 4 * 6)
    assert stage.weight_bytes == 2 * 6 * 4
    assert stage.traffic_bytes == 2 * (6 * 4 + 5 * 4 + 5 * 6)


def test_views_cost_nothing():
    stage = counted(lambda weight: weight.t().unsqueeze(0).chunk(2, 1))
    assert (stage.launches, stage.traffic_bytes, stage.peak_bytes) == (0, 0, 0)


def test_rows_that_are_not_gathered_are_not_read():
    rows = torch.zeros(2, dtype=torch.int64, device='meta')
    assert counted(lambda weight: weight.index_select(0, rows)).traffic_bytes == 2 * 2 * (2 * 4)


def test_the_peak_counts_what_lives_at_once():
    def work(weight):
        for _ in range(5):
            weight = weight + 1.0  # a new tensor, the one before it dies

    assert counted(work).peak_bytes == 2 * 2 * 6 * 4


def test_time_is_bound_by_memory_arithmetic_or_launches():
    stage = Stage('work', launches=10, operators=[(1e9, 2e9, 1e9), (0.0, 1e9, 4e9)])
    row = stage.row(Gpu(bytes_per_s=1e9, flop_per_s=1e9, graph_launch_s=1.0, eager_launch_s=2.0))
    assert (row['floor_ms'], row['least_ms']) == (5e3, 6e3)
    assert (row['graph_ms'], row['eager_ms']) == (16e3, 20e3)


@pytest.mark.parametrize('markdown', [False, True])
def test_the_table_ends_with_the_sum_and_the_json_line(markdown, capsys):
    arguments = ['--shape', 'tiny', '--seconds', '3'] + ['--markdown'] * markdown
    assert roofline.main(arguments) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    *stages, total = record['stages']
    assert [stage['stage'] for stage in stages] == [
        'features', 'encoder', 'decoder, begin', 'decoder, rounds']
    assert total['launches'] == sum(stage['launches'] for stage in stages)
    assert all(0 < s['floor_ms'] <= s['least_ms'] < s['graph_ms'] for s in record['stages'])
    # The decoder's share of a step: a few dozen launches, and no more weights than it has.
    n_steps = -(-record['steps'] // roofline.STEPS) * roofline.STEPS
    assert stages[3]['launches'] < 32 * n_steps
    head = next(part['mb'] for part in record['memory_mb'] if part['part'] == 'head weights')
    assert stages[3]['weights_mb'] < n_steps * head


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@torch.inference_mode()
def test_the_largest_public_model_for_robots_needs_less_than_1_8_gb():
    model = roofline.build(roofline.SHAPES['0.6b-v3']).to_empty(device='cuda')
    for tensor in model.state_dict().values():
        tensor.zero_()
    features = torch.zeros(1, 128, roofline.MAX_FRAMES, device='cuda')
    lengths = torch.tensor([roofline.MAX_FRAMES])
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()  # what other tests have used
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(3):
            encoded = model.encode(features, lengths.cuda())
            model.decode(encoded, lengths // 8)
        torch.cuda.current_stream().synchronize()
    assert model.graphs.n_free == 62
    assert torch.cuda.max_memory_reserved() < 1.8e9
