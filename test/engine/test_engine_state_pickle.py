"""A pickled table of tensors is read, and whatever else a pickle can do is refused."""

from __future__ import annotations

from collections import OrderedDict
import io
import pickle
import zipfile

from parakeet_ros.engine.state_pickle import read_table
import pytest
import torch


def pickled(value: object) -> bytes:
    """Return the pickle that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return archive.read(next(name for name in archive.namelist() if 'data.pkl' in name))


def test_every_tensor_of_a_module_is_found_with_its_layout() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))
    table = read_table(pickled(module.state_dict()))  # has an attribute of its own, _metadata
    state = module.state_dict()
    assert list(table) == list(state)
    assert all((each.shape, each.stride, each.dtype) == (
        state[name].shape, state[name].stride(), state[name].dtype)
        for name, each in table.items())


def test_parameters_and_views_are_tensors_too() -> None:
    whole = torch.arange(12.0)
    table = read_table(pickled(OrderedDict(
        a=torch.nn.Parameter(whole), b=whole.view(3, 4)[1:, ::2].t())))
    assert table['a'].record == table['b'].record
    assert (table['b'].offset, table['b'].shape, table['b'].stride) == (4, (2, 2), (2, 4))
    assert table['b'].n_stored == 12


@pytest.mark.parametrize('dtype', [
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
    torch.int8, torch.uint8, torch.bool])
def test_number_formats_are_kept(dtype: torch.dtype) -> None:
    assert read_table(pickled({'x': torch.zeros(2, dtype=dtype)}))['x'].dtype == dtype


@pytest.mark.parametrize('value', [
    [], None, 3, {'x': 3}, {'x': [torch.zeros(1)]}, {'x': {'y': torch.zeros(1)}},
    {1: torch.zeros(1)}, {('a', 'b'): torch.zeros(1)}, {'x': torch.zeros(1, dtype=torch.cfloat)},
    {'x': torch.zeros(2, 2).to_sparse()}, {'x': {1, 2}}, {'x': b'bytes'}, {'x': print}])
def test_all_but_named_dense_tensors_is_refused(value: object) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_table(pickled(value))


@pytest.mark.parametrize('protocol', [0, 1, 3, 4, 5])
def test_other_protocols_with_their_opcodes_are_refused(protocol: int) -> None:
    value = {'x': 2**40, 'y': b'', 'z': bytearray(3)}
    with pytest.raises((ValueError, KeyError)):
        read_table(pickle.dumps(value, protocol))


def test_an_opcode_that_allocates_what_it_claims_is_not_known() -> None:
    claim = (10**15).to_bytes(8, 'little')
    for opcode in (pickle.BYTEARRAY8, pickle.BINBYTES8, pickle.BINUNICODE8):
        with pytest.raises(KeyError):
            read_table(b'\x80\x02' + opcode + claim + b'.')


def test_a_pickle_cannot_change_the_functions_that_read_it() -> None:
    before = read_table(pickled({'x': torch.ones(3)}))
    poison = (b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__'
              b'K\x01\x85s\x86b.')  # BUILD with the state (None, {'__defaults__': (1,)})
    with pytest.raises(ValueError, match='not named tensors'):
        read_table(poison)
    assert read_table(pickled({'x': torch.ones(3)})) == before


def test_a_key_that_takes_for_ever_to_hash_is_not_hashed() -> None:
    doubled = b'K\x01' + b'q\x00h\x00\x86' * 60  # a tuple of 2**60 numbers in 60 tuples
    for opcode in (b's', b'u'):
        mark = b'(' if opcode == b'u' else b''
        with pytest.raises(ValueError, match='not text'):
            read_table(b'\x80\x02}' + mark + doubled + b'N' + opcode + b'.')
    with pytest.raises(TypeError):  # OrderedDict([(key, None)])
        read_table(b'\x80\x02ccollections\nOrderedDict\n]' + doubled + b'N\x86a\x85R.')
