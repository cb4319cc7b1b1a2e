"""Recognise coded audio that is published as if it were raw samples."""

SIGNATURES = {b'OggS': 'ogg', b'fLaC': 'flac', b'RIFF': 'wav', b'ID3': 'mp3'}
# MPEG-1 and MPEG-2/2.5 layer III, kbit/s by index; 0 is "free", 15 is forbidden (ISO 11172-3)
MP3_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
LAYER_III = 1


def coding_of(data: bytes | memoryview) -> str | None:
    """
    Name the coding that a message begins with, or return None for what may be raw samples.

    An MP3 header alone could be samples by chance, so its frame must also end where the message
    ends or where the next header begins.
    """
    head = bytes(data[:4])
    for signature, coding in SIGNATURES.items():
        if head.startswith(signature):
            return coding
    length = _mp3_frame_bytes(head)
    if length and (len(data) == length or _mp3_frame_bytes(bytes(data[length:length + 4]))):
        return 'mp3'
    return None


def _mp3_frame_bytes(header: bytes) -> int:
    """Return the length of the MP3 frame that a header begins, 0 if it is not a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer != LAYER_III or bitrate in (0, 15) or rate == 3:
        return 0
    kbits = MP3_KBITS[3 if version == 3 else 2][bitrate]
    samples_per_byte = 144 if version == 3 else 72
    padding = header[2] >> 1 & 1
    return samples_per_byte * kbits * 1000 // MP3_RATES_HZ[version][rate] + padding
