"""Compressed bytes for tests, by the module that the project uses."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["NOISE", "SKIPPABLE", "frame", "zstd"]

#: A frame that holds nothing, as the format allows anywhere.
SKIPPABLE = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
#: Bytes that fill several blocks.
NOISE = b"".join(
    bytes([65 + n * n * 7 % 26 for n in range(k, k + 2000)]) + b"%d" % (k * k) for k in range(300)
)


def frame(data: bytes, **options: bool) -> bytes:
    """Compress into one frame; `size=False` leaves its content's size out."""
    parameters: dict[int, int] = {
        zstd.CompressionParameter.content_size_flag: int(options.get("size", True)),
        zstd.CompressionParameter.checksum_flag: int(options.get("checksum", False)),
    }
    compressor = zstd.ZstdCompressor(options=parameters)
    if options.get("size", True):
        compressor.set_pledged_input_size(len(data))
    return compressor.compress(data) + compressor.flush()
