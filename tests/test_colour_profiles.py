"""Of a colour profile only colours leave, and the texts that name it."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image

import blur_tools
from blur_tools.detections import Detection, box_polygon


def profile(*tags: tuple[bytes, bytes], more: bytes = b"") -> bytes:
    """A colour profile with these tags."""
    table, body, place = len(tags).to_bytes(4, "big"), b"", 132 + 12 * len(tags)
    for name, content in tags:
        table += name + (place + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content
    whole = bytearray(bytes(128) + table + body + more)
    whole[:4], whole[36:40] = len(whole).to_bytes(4, "big"), b"acsp"
    return bytes(whole)


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (profile((b"rTRC", b"curv\0\0\0\0\0\0\0\x04\xff\xd8\xff\xe0\1\2\3\4")), True),  # numbers that look like a JPEG
        (profile((b"desc", b"desc\0\0\0\0a camera's colours")), True),
        (profile((b"desc", b"desc\0\0\0\0\xff\xd8\xff\xe0" + bytes(50))), False),
        (profile((b"xxxx", b"xxxx" + bytes(range(256)) * 100)), False),
        (profile((b"desc", b"desc\0\0\0\0a"), more=bytes(range(1, 250)) * 20), False),
        (profile((b"prvt", b"curv\0\0\0\0\0\0\0\x04\xff\xd8\xff\xe0\1\2\3\4")), False),
        (profile((b"prvt", b"curv\0\0\0\0" + bytes(range(256)) * 5)), False),
        (profile((b"prvt", b"para\0\0\0\0" + bytes(range(40)))), True),
        (profile((b"targ", b"text\0\0\0\0" + b"QUJD" * 200)), False),
        (profile((b"dscm", b"mluc\0\0\0\0" + b"\0Q\0U\0J\0D" * 200)), False),
        (profile((b"targ", b"text\0\0\0\0" + bytes(range(256)) * 4)), False),
        (profile((b"targ", b"text\0\0\0\0" + b"SAMPLE 1 0.25 0.50 0.75\n" * 90)), True),
    ],
    ids=["numbers", "words", "a JPEG", "a large private tag", "unused bytes", "a JPEG as numbers", "private numbers",
         "a few private numbers", "base64", "base64 in two bytes", "no text", "a table of measurements"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_of_a_colour_profile_only_colours_leave(encode, noise, kind, made, kept):
    data = encode(noise(64, 96), kind, icc_profile=made)
    assert any(finding.severity == "leak" for finding in blur_tools.scan(data)) is not kept
    result = blur_tools.redact(data, [Detection("plate", box_polygon(8, 8, 40, 20))])
    assert ("icc_profile" in Image.open(io.BytesIO(result.data)).info) == kept
    assert any("its colour profile is not copied" in warning for warning in result.warnings) is not kept


@pytest.mark.parametrize(
    "text", ["ภาพถ่ายบนถนนในกรุงเทพ " * 12, "ქართული ტექსტი " * 20, "Tiếng Việt đường phố " * 14, "🚗🙂 " * 80]
)
def test_descriptions_of_every_script_are_texts(encode, noise, text):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{text} SerialNumber, exif:GPS</rdf:li></rdf:Alt></dc:description>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    data = encode(noise(64, 96), "JPEG", xmp=packet)
    result = blur_tools.redact(data, [], copy_metadata=True).data
    assert text.strip().encode() in result


def test_a_packed_text_hides_nothing_behind_its_end(encode, noise):
    data = encode(noise(64, 96), "PNG")
    body = b"Comment\0\0" + zlib.compress(b"hi") + encode(noise(8, 8), "JPEG")
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    planted = data[:33] + chunk + data[33:]
    assert [finding.where for finding in blur_tools.scan(planted) if finding.severity == "leak"] == ["PNG/zTXt"]


def test_one_odd_tag_is_no_reason_to_refuse(encode, noise):
    exif = Image.Exif()
    exif[0x0131], exif[0x010F] = "a\x01\x02 program with \x03", "Maker"
    data = encode(noise(64, 96), "JPEG", exif=exif)
    result = blur_tools.redact(data, [], copy_metadata=True).data
    assert Image.open(io.BytesIO(result)).getexif()[0x010F] == "Maker"
