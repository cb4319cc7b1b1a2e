"""
Message definitions: those that a bag holds, else our own.

Bags of Iron and later hold the definitions of their messages; sqlite3 bags of Humble do not. Two
packages are called `audio_common_msgs`; the types on a bag's topics tell which was installed.
"""

from __future__ import annotations

from collections.abc import Iterable
import logging
from typing import TYPE_CHECKING

from parakeet_ros.audio_messages import MGONZS13, READABLE, ROS_DRIVERS

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.interfaces.typing import Typesdict
    from rosbags.typesys.store import Typestore

PACKAGE = 'audio_common_msgs/msg/'
# a test compares these with the files under interfaces/, which are not installed
DEFINITIONS = {
    ROS_DRIVERS: {
        'AudioData': 'uint8[] data',
        'AudioDataStamped': 'std_msgs/Header header\naudio_common_msgs/AudioData audio',
        'AudioInfo': 'uint8 channels\nuint32 sample_rate\nstring sample_format\n'
                     'uint32 bitrate\nstring coding_format',
    },
    MGONZS13: {
        'AudioData': 'float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n'
                     'int8[] int8_data\nuint8[] uint8_data',
        'AudioInfo': 'int32 format\nint32 channels\nint32 rate\nint32 chunk',
        'Audio': 'audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info',
        'AudioStamped': 'std_msgs/Header header\naudio_common_msgs/Audio audio',
    },
}

_logger = logging.getLogger(__name__)


def make_typestore(connections: Iterable[Connection]) -> Typestore:
    """Return a store that knows the standard messages, and those of a bag's connections."""
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.LATEST)
    connections = list(connections)
    for connection in connections:
        _register(store, _stored_types(connection))
    family = next((READABLE[c.msgtype] for c in connections if c.msgtype in READABLE), ROS_DRIVERS)
    _register(store, our_types(family))
    return store


def our_types(family: str) -> Typesdict:
    """Return the messages of one of the packages `audio_common_msgs`."""
    from rosbags.typesys import get_types_from_msg

    types: Typesdict = {}
    for name, text in DEFINITIONS[family].items():
        types.update(get_types_from_msg(text, PACKAGE + name))
    return types


def _register(store: Typestore, types: Typesdict) -> None:
    """Add the types that the store does not know yet."""
    store.register({name: each for name, each in types.items() if name not in store.fielddefs})


def _stored_types(connection: Connection) -> Typesdict:
    """Return what a bag says of a connection's message and those within it; often nothing."""
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import get_types_from_idl, get_types_from_msg, TypesysError

    definition = connection.msgdef
    types: Typesdict = {}
    try:
        if definition.format == MessageDefinitionFormat.MSG:
            types.update(get_types_from_msg(definition.data, connection.msgtype))
        elif definition.format == MessageDefinitionFormat.IDL:
            line = '=' * 80 + '\n'
            for part in filter(None, definition.data.split(line)):
                types.update(get_types_from_idl(part.partition('\n')[2]
                                                if part.startswith('IDL: ') else part))
    except TypesysError as error:  # of a topic that nobody asked for, as a rule
        _logger.info('%s: its definition cannot be read: %s', connection.msgtype, error)
    return types
