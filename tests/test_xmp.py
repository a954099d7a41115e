"""What of XMP is written anew, and that nothing else of it leaves."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest
from carriers import (
    BYTE,
    PLATE,
    chunk,
    saved,
    scene,
    secret,
    segment,
    with_tags,
)

import blur_tools
from blur_tools.picture import load_picture

PANORAMA = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
  xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/"
  xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
  xmlns:own="http://example.com/own/" GPano:ProjectionType="equirectangular" exif:GPSLatitude="48,8.5N"
  aux:SerialNumber="SERIAL" tiff:Orientation="6" own:Note="OWN">
 <GPano:FullPanoWidthPixels>8192</GPano:FullPanoWidthPixels>
 <GPano:Unheard>UNHEARD</GPano:Unheard>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">A street &amp; &lt;more&gt;</rdf:li></rdf:Alt></dc:title>
 <dc:description><rdf:Alt><rdf:li>WORD</rdf:li></rdf:Alt></dc:description>
 <xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:image>PICTURE</xmpGImg:image></rdf:li></rdf:Alt>
 </xmp:Thumbnails>
 <xmpMM:History><rdf:Seq><rdf:li stEvt:action="HISTORY"/></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta>""".replace("WORD", secret("coded", 900).decode()).encode()


def with_xmp(kind: str, packet: bytes) -> bytes:
    if kind == "JPEG":
        base = saved(scene(), "JPEG", quality=90)
        return base[:20] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet) + base[20:]
    if kind == "PNG":
        base = saved(scene(), "PNG")
        return base[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + base[33:]
    if kind.startswith("TIFF"):
        return with_tags(saved(scene(), "TIFF", compression=kind.split()[1]), [(700, BYTE, packet)], {})
    return saved(scene(), "WEBP", lossless=True, xmp=packet)


class TestXmp:
    KINDS = ("JPEG", "PNG", "WEBP", "TIFF raw", "TIFF tiff_lzw")

    @staticmethod
    def copied(kind: str, packet: bytes, **options) -> str:
        result = blur_tools.redact(with_xmp(kind, packet), PLATE, copy_metadata=True, **options)
        info = load_picture(result.data).info
        return info.get("xmp", info.get("XML:com.adobe.xmp", b""))

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_describes_the_picture_is_copied_and_nothing_else(self, kind):
        packet = self.copied(kind, PANORAMA)
        text = packet if isinstance(packet, str) else packet.decode()
        root = ElementTree.fromstring(text)
        values = {e.tag.partition("}")[2]: e.text for e in root.iter() if len(e) == 0}
        assert values == {
            "ProjectionType": "equirectangular", "FullPanoWidthPixels": "8192", "li": "A street & <more>"
        }  # fmt: skip

    @pytest.mark.parametrize("kind", KINDS)
    def test_position_and_serial_numbers_are_switched_separately(self, kind):
        for gps, serials in ((True, False), (False, True)):
            text = str(self.copied(kind, PANORAMA, copy_gps=gps, copy_serials=serials))
            assert ("48,8.5N" in text) is gps
            assert ("SERIAL" in text) is serials

    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_copied_unasked(self, kind):
        data = blur_tools.redact(with_xmp(kind, PANORAMA), PLATE).data
        assert b"equirectangular" not in data
        assert blur_tools.scan(data) == []

    @pytest.mark.parametrize(
        "packet",
        [
            b"", b"garbage", PANORAMA[:-5], PANORAMA.replace(b"rdf:about", b"rdf:ID"),
            PANORAMA.decode().encode("utf-16"),
            b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + PANORAMA.replace(b"street", b"&b;"),
            b"<a>" * 20_000 + b"</a>" * 20_000, b"<a>" * 9_000 + b"</a>" * 9_000, PANORAMA + b" " * 70_000 + b".",
        ],
        ids=["empty", "garbage", "cut", "no file", "UTF-16", "entities", "too large", "deep", "padded"],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_what_cannot_be_read_is_left_out(self, packet, kind):
        result = blur_tools.redact(with_xmp(kind, packet), PLATE, copy_metadata=True)
        assert b"xmpmeta" not in result.data
        assert b"equirectangular" not in result.data

    def test_a_picture_coded_as_a_title_is_left_out(self):
        packet = PANORAMA.replace(b"A street", base64.b64encode(secret("picture", 600)))
        text = str(self.copied("JPEG", packet))
        assert "equirectangular" in text
        assert "title" not in text

    def test_it_survives_being_coded_anew(self, monkeypatch):
        from blur_tools.redaction import pixels
        from blur_tools.redaction._jpeg_markers import JpegError

        def cannot(*_):
            raise JpegError("not today")

        monkeypatch.setattr(pixels, "redacted_scans", cannot)
        monkeypatch.setattr(pixels, "transcoded", cannot)
        assert "equirectangular" in str(self.copied("JPEG", PANORAMA))
